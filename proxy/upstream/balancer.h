#pragma once
// Who gets the next request.

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/random.h"
#include "base/ref.h"
#include "base/time.h"
#include "upstream/cluster_plan.h"
#include "upstream/endpoint.h"

namespace outrider::upstream {

class Pool;
struct LoadReport;

// One endpoint as this worker sees it. It never moves; exchanges hold it by Ref, so a set may drop it meanwhile.
struct Seat {
  explicit Seat(Member m);
  ~Seat();
  uint32_t holders = 0;
  bool usable = true;        // health, ejection, draining, weight and panic rule, as of the last refresh
  uint32_t weight = 100;     // effective, in hundredths of the record's: slow start applied
  struct Load {              // as `adaptive` knows it
    float utilization = -1;  // by its last report; less than 0: there was none
    float slots = 0;         // 0: it has not said
    uint32_t sent = 0;       // requests since then
    float service_us = 0;    // an answer without waiting; 0: none yet
    TimePoint at{};
  } load;
  uint32_t rank = 0;     // of its tier: less comes first
  uint8_t locality = 0;  // Locality, an index of counters
  float latency_us = 0;  // moving average of this worker's own observations; 0: none yet
  TimePoint latency_at{};
  uint32_t in_flight = 0;  // of this worker
  bool on_trial = false;   // by a request of this worker
  uint32_t answers = 0;    // that ewma has learnt from, counted until it knows the seat
  double lot = 1;          // of Aperture
  Member member;
  std::unique_ptr<Pool> pool;       // made at first use
  static void recycle(Seat* seat);  // drains the pool; may be called from inside an event of that pool
};

struct Outcome {
  // Cancelled: neither a failure nor a latency sample. Outrun: given up for an answer of another; it takes longer than
  // first_byte_us.
  enum class Kind : uint8_t { Ok, Failed, Cancelled, Outrun };
  Kind kind = Kind::Ok;
  uint64_t first_byte_us = 0;
  uint16_t status = 0;               // of the answer; 0: there was none, or it has no status
  const LoadReport* load = nullptr;  // what came with it, where the plan asks for that
  bool judges() const { return kind == Kind::Ok || kind == Kind::Failed; }  // it says how the endpoint is
};

struct Pick {
  std::span<const Seat* const> tried = {};  // seats this exchange has already failed on: avoided while others are there
  TimePoint now{};
  std::optional<uint64_t> key{};         // of what ClusterPlan::hash_by names; none: the request has it not
  uint32_t in_flight = 0;                // the cluster's, of this worker; the cluster's own to fill in
  Priority priority = Priority::Normal;  // where the plan reads reports of load
};

// One per cluster per worker, so it needs no lock. No allocation in pick().
class Balancer {
 public:
  virtual ~Balancer() = default;
  virtual void rebuild(std::span<Seat* const> usable) = 0;  // on every change of the usable seats or their weights
  virtual Seat* pick(const Pick& what) = 0;                 // null: nobody usable. All tried: one of them again
  virtual void on_done(Seat& seat, const Outcome& outcome, TimePoint now);  // keeps the seat's average, for pages
};

struct BalancerEntry {  // one row of the table in upstream/balance/all.cc
  std::string_view name;
  std::unique_ptr<Balancer> (*make)(const ClusterPlan& plan, Random& random);
};
std::span<const BalancerEntry> all_balancers();
std::unique_ptr<Balancer> make_balancer(const ClusterPlan& plan, Random& random);  // by plan.balancer; unknown: null

}  // namespace outrider::upstream
