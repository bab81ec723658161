#pragma once
// Who is let in to the application beside us: at once, after a wait, or not at all.

#include <array>
#include <optional>

#include "base/intrusive_list.h"
#include "net/loop.h"
#include "stats/stats.h"
#include "upstream/admission_plan.h"
#include "upstream/gradient.h"
#include "upstream/throttle.h"

namespace outrider::upstream {

struct Context;
struct Limits;
struct LoadReport;

// Embedded in whoever asks to be let in.
struct Applicant : ListHook<Applicant> {
  enum class State : uint8_t { Outside, Waiting, Inside, TurnedAway };
  virtual void on_turn() = 0;  // it has waited, and is let in, or turned away for one that matters more
  State state = State::Outside;
  Priority priority = Priority::Normal;
  TimePoint since{};

 protected:
  ~Applicant() = default;
};

// The queue in front of the application, by priority; within one the first comes first. The last would see shorter waits while
// there is a flood, but waits have a limit here, of about what a client waits anyhow, and a client that came first and is
// refused behind others comes again. Served at the end of the turn, never from leave(): no recursion through a queue.
//
// How many are inside is, for a number, one count of all workers: that many, however unevenly connections fall to workers. Who
// waits on one worker looks every 8 ms whether another has made room. `auto` is each worker's own, in room and in
// what it learns: the latencies it sees are of the application all of them share, and there is nothing to lock.
// Owned by a Cluster; one worker.
class Admission final : net::EndOfTurn {
 public:
  Admission(const Context& context, const AdmissionPlan& plan, Limits& limits);
  ~Admission();
  bool let_in(Applicant& who);                    // true: at once, there is room and nobody waits
  void queue(Applicant& who, Priority priority);  // or turns it away, or one that matters less
  void leave(Applicant& who);                     // whatever its state is; no event follows
  // Of one that is inside: how long the answer took, as far as that was the application's affair.
  void sample(uint64_t microseconds);
  bool throttles();  // this request is not to be let in: those before it have failed
  void record(bool accepted);
  // Of the application, through all workers. Who asks is on its way out and not counted.
  LoadReport load(const Applicant& asking) const;
  const AdmissionPlan& plan() const { return plan_; }
  uint32_t limit() const { return gradient_ ? gradient_->limit() : plan_.number; }

 private:
  void on_end_of_turn() override { serve(); }
  void serve();
  bool take_room();
  bool anybody_waits() const { return waiting_ > 0; }
  Applicant* first();
  Applicant* last_below(Priority priority);
  void unlist(Applicant& who);
  void look_again();
  void on_look();
  void show_limit();
  net::Loop& loop_;
  stats::Shard& shard_;
  const AdmissionPlan plan_;
  Limits& limits_;
  std::optional<Gradient> gradient_;
  std::optional<Throttle> throttle_;
  std::array<IntrusiveList<Applicant>, kPriorities> queues_;
  uint32_t waiting_ = 0;
  uint32_t inside_ = 0;       // of this worker
  uint32_t left_ = 0;         // since on_look()
  bool shows_limit_ = false;  // a number is shown by one worker
  stats::Slot limit_, wait_;
  std::array<stats::Slot, kPriorities> depth_;
  net::BoundTimer<Admission, &Admission::on_look> look_{*this};
};

}  // namespace outrider::upstream
