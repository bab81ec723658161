#pragma once
// What is done to which request.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/time.h"
#include "identity/files.h"

namespace outrider::filters {

using std::chrono::microseconds;

// How long things take: one value, a lognormal distribution by its median and 99th percentile, or values that were measured,
// each as likely as the others. Constant.
class Delay {
 public:
  static constexpr microseconds kMost = std::chrono::minutes(10);
  static Delay fixed(microseconds time) { return Delay(Kind::Fixed, time, 0); }
  static Delay lognormal(microseconds p50, microseconds p99);
  static Delay measured() { return Delay(Kind::Measured, {}, 0); }
  bool is_measured() const { return kind_ == Kind::Measured; }
  // From two numbers of [0, 1). `values` only where it is of measured ones; not empty then.
  microseconds of(double one, double other, const std::vector<microseconds>* values) const;

 private:
  enum class Kind : uint8_t { Fixed, Lognormal, Measured };
  Delay(Kind kind, microseconds median, double sigma) : kind_(kind), median_(median), sigma_(sigma) {}
  Kind kind_;
  microseconds median_;
  double sigma_;
};

// One duration a line; empty lines and what begins with # are left out.
identity::Outcome<std::shared_ptr<const std::vector<microseconds>>> read_latencies(std::string_view text);

struct FaultPlan {
  std::optional<Delay> delay;
  double delayed = 1, aborted = 0, reset = 0;  // shares, each by a draw of its own
  double blast_radius = 1;                     // of all requests, touched in any way
  uint64_t seed = 0;
};

struct Decision {
  microseconds delay{0};
  bool abort = false, reset = false;
  bool touches() const { return delay.count() > 0 || abort || reset; }
};

// The n-th decision is a function of the plan and n (a counter-based generator; Salmon et al. 2011): the same seed gives the
// same ones, on however many threads. After each of them no more than the blast radius of those before it, itself included, was
// touched. Any thread.
class Decisions {
 public:
  explicit Decisions(const FaultPlan& plan);
  Decision next(const std::vector<microseconds>* values = nullptr);

 private:
  double draw(uint64_t number, uint64_t of) const;
  Decision wish(uint64_t number, const std::vector<microseconds>* values) const;
  const FaultPlan plan_;
  const uint64_t key_;
  std::mutex mutex_;
  uint64_t seen_ = 0, touched_ = 0;
};

}  // namespace outrider::filters
