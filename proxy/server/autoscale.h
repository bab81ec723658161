#pragma once
// How full the application is, and how many replicas would be as full as they are to be: service.autoscale.

#include <optional>

#include "server/view.h"
#include "stats/collector.h"

namespace outrider::server {

// Requests in the application and before it, by how many it takes at once. None: nobody says how many.
std::optional<double> utilization_of(const State& state, const stats::Catalog& catalog);

// What this one pod adds to the replicas of its service: its own utilization, as it was on average over `over`, by `target`. Not
// rounded: it is the sum over all pods that is a number of replicas. No pod asks for more than if it were twice full: how long a
// queue is says that there are too few, and not how many too few. Owned by the supervisor; control loop.
class Autoscale {
 public:
  static constexpr milliseconds kPace{250};
  static constexpr double kFullest = 2;
  Autoscale(net::Loop& control, const State& state, const stats::Catalog& catalog);
  void follow();  // the configuration in force
  void add_samples(stats::Samples& samples) const;
  static double mean(double before, double now, milliseconds since, milliseconds over);  // the older the less it counts

 private:
  void on_look();
  net::Loop& control_;
  const State& state_;
  const stats::Catalog& catalog_;
  std::optional<double> mean_;
  TimePoint looked_{};
  net::BoundTimer<Autoscale, &Autoscale::on_look> next_{*this};
};

}  // namespace outrider::server
