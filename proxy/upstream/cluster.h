#pragma once
// A service as one worker sees it: the current set, a seat per endpoint, a balancer.

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/place.h"
#include "net/loop.h"
#include "stats/stats.h"
#include "upstream/admission.h"
#include "upstream/aperture.h"
#include "upstream/balancer.h"
#include "upstream/destinations.h"
#include "upstream/limits.h"
#include "upstream/recent_latency.h"

namespace outrider::net {
class TrustReview;
}

namespace outrider::upstream {

// What a worker gives to everything on this floor.
struct Context {
  net::Loop& loop;
  stats::Catalog& catalog;
  stats::Shard& shard;
};

struct ClusterStats {  // slots of outrider_cluster_*{cluster=...}, found once
  ClusterStats(stats::Catalog& catalog, std::string_view label);
  stats::Slot connections_active, connect_refused, connect_timeout, connect_unreachable, connect_closed, connect_tls,
      connect_overload, pending, panic, breaker_connections, breaker_pending, breaker_requests;
  std::array<stats::Slot, 3> picks;  // by Locality
};

// Held by Serving and by exchanges in flight (Ref). One worker.
class Cluster {
 public:
  Cluster(const Context& context, std::shared_ptr<const ClusterPlan> plan, std::shared_ptr<Limits> limits);
  ~Cluster();
  const ClusterPlan& plan() const { return *plan_; }
  const std::shared_ptr<const ClusterPlan>& shared_plan() const { return plan_; }
  // The metrics' name of it. What a request named is a label only once the registry has had endpoints of it: else every
  // name a client can think of would be one.
  std::string_view label() const { return plan_->found && !seen_ ? "__unknown__" : std::string_view(plan_->name); }
  const Context& context() const { return context_; }
  void adopt(std::shared_ptr<const EndpointSet> set);  // a message from the control thread
  void refresh();                                      // health or an ejection changed: usable seats anew
  void review(net::TrustReview& review);               // of connections that are open
  Known known() const { return set_ ? set_->known : Known::NotYet; }
  const EndpointSet* set() const { return set_.get(); }
  const std::shared_ptr<const EndpointSet>& shared_set() const { return set_; }
  void await_set(Place& place);  // called when known() is no longer NotYet; idempotent
  Ref<Seat> pick(Pick what);     // never waits; null: nobody
  // In place of pick(), where it is known whom to ask; null: too many are in use. `from`: in the name of that client.
  Ref<Seat> seat_at(const net::Address& to, const net::Address* from = nullptr);
  // The budget of retries that an endpoint may see: a share of what this worker has under way, of all retries here. False: there
  // is no more.
  bool begin_retry(const TryPlan& by);
  void end_retry();
  // Within what time the share `quantile` of answers began of late, as this worker saw them; none: fewer than `least` have come.
  // Kept from the first time on that somebody asks.
  std::optional<milliseconds> usual_first_byte(double quantile, uint32_t least);
  bool panicking() const { return panicking_; }
  size_t usable_count() const { return usable_.size(); }
  const std::vector<Ref<Seat>>& seats() const { return seats_; }
  bool may_pick(const Seat& seat) const { return std::find(usable_.begin(), usable_.end(), &seat) != usable_.end(); }
  Pool& pool(Seat& seat);
  void begin(Seat& seat);  // once per attempt, and then report()
  // Once per attempt: balancer, counters, and what it says of the endpoint (ejection.cc).
  void report(Seat& seat, const Outcome& outcome, const Error* failure);
  void on_answer(Seat& seat, uint16_t status);  // has begun, of a seat on trial
  void leave_trial(Seat& seat);                 // undecided: another request is to show it
  void on_connected(Endpoint& endpoint);        // from its pool: ejected for connections that failed, it is so no longer
  stats::Slot connect_duration();               // a histogram, and so not of clusters that nobody connects to
  // `trouble`: what a person should know of it beyond the reason.
  void on_connect_failure(Endpoint& endpoint, const Error& why, std::string_view trouble = {});
  // Breakers. False: full, and the gauge says so until there is room again.
  bool enter(Breaker& breaker, uint32_t limit, stats::Slot gauge);
  void leave(Breaker& breaker, uint32_t limit, stats::Slot gauge);
  void calm(Breaker& breaker, stats::Slot gauge);  // full it may be, but nobody is kept waiting
  Limits& limits() { return *limits_; }
  Admission* admission() { return admission_.get(); }  // null: everybody is let in
  // The same for somebody who wants to know how busy the application is: counted from the first time on that somebody does.
  Admission* counted_admission();
  const ClusterStats& stats() const { return stats_; }
  TimePoint last_used{};  // by ClusterTable
  uint32_t holders = 0;
  static void recycle(Cluster* cluster);  // its pools close; deletes, after the turn
  // The control thread wants to know of an ejection at once, to tell the other workers. May be empty.
  struct Ejections {
    virtual void on_ejected(const std::string& cluster) = 0;

   protected:
    ~Ejections() = default;
  };
  Ejections* ejections = nullptr;

 private:
  void rebuild();
  bool choose_usable();  // true: seats or weights are others than before
  Seat* take_trial();
  Seat* last_resort(std::span<const Seat* const> tried);
  void judge(Seat& seat, const Outcome& outcome, const Error* failure);
  void on_fault(Endpoint& endpoint, Ejected why, std::atomic<uint32_t>& row, uint32_t most, std::string_view trouble);
  void count_answer(Endpoint& endpoint, bool good);
  void eject(Endpoint& endpoint, Ejected why, std::string_view trouble);
  bool may_eject(const Endpoint& endpoint, Ejected why, int64_t now_ms) const;
  void take_back(Endpoint& endpoint);
  void tell();
  void set_lamp(Lamp& lamp, bool on, stats::Slot gauge);
  void arm_refresh(int64_t now_ms);
  void widen();
  void on_narrow_due();
  void on_refresh_due();  // an ejection ends, slow start goes on
  Context context_;
  std::shared_ptr<const ClusterPlan> plan_;
  std::shared_ptr<Limits> limits_;
  bool seen_ = false;  // has had endpoints; the label of stats_ hangs on it
  ClusterStats stats_;
  stats::Slot connect_duration_ = stats::kNowhere;
  std::shared_ptr<const EndpointSet> set_;
  std::vector<Ref<Seat>> seats_;
  std::vector<Seat*> usable_;
  std::vector<Seat*> on_trial_;  // half-open: the next request is theirs
  std::unique_ptr<Balancer> balancer_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<Destinations> destinations_;  // null: nobody was asked for by address
  Aperture aperture_;
  std::unique_ptr<RecentLatency> recent_;  // null: nobody asks
  uint32_t retries_ = 0;
  uint32_t in_flight_ = 0;
  IntrusiveList<Place> awaiting_;
  bool panicking_ = false, ramping_ = false;
  net::BoundTimer<Cluster, &Cluster::on_refresh_due> refresh_due_{*this};
  net::BoundTimer<Cluster, &Cluster::on_narrow_due> narrow_due_{*this};  // the aperture is wide
};

}  // namespace outrider::upstream
