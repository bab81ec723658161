#pragma once
// A request of our own to a cluster: what a filter asks while a client's request waits.

#include <array>
#include <string>

#include "filter/call.h"
#include "net/loop.h"
#include "upstream/attempt.h"
#include "upstream/cluster.h"

namespace outrider::exchange {

class FetchEvents {
 public:
  virtual void on_fetched() = 0;  // what there is stands in the Subrequest; at the end of a turn, never from inside start()

 protected:
  ~FetchEvents() = default;
};

// One request at a time. Once its head has come the answer is that one, whatever becomes of its body; before that, what no
// endpoint has seen goes to another one. Owned by whoever asks; the thread of its loop. Ends with on_fetched() or cancel().
class Fetch final : upstream::AttemptOwner, net::EndOfTurn {
 public:
  Fetch(net::Loop& loop, upstream::AttemptPool& attempts, FetchEvents& events);
  ~Fetch() { cancel(); }
  void start(Ref<upstream::Cluster> cluster, filter::Subrequest& what);  // `what` lives until the end
  void cancel();                                                         // idempotent; no event follows

 private:
  static constexpr uint32_t kMostTries = 3;
  upstream::Sending sending(upstream::Attempt&) override { return {what_->head, {}, sent_}; }
  void on_attempt(upstream::Attempt& attempt) override;
  void on_end_of_turn() override;
  void on_place() { send(); }
  void on_limit() { tell("timeout"); }
  void send();
  void take_body(upstream::Attempt& attempt);
  bool may_try_again(const upstream::Attempt& attempt) const;
  void tell(const char* error);  // null: there is an answer
  net::Loop& loop_;
  upstream::AttemptPool& attempts_;
  FetchEvents& events_;
  http::Pipe sent_;  // what is left of the request's body
  Ref<upstream::Cluster> cluster_;
  filter::Subrequest* what_ = nullptr;  // null: nothing is under way
  Ref<upstream::Attempt> attempt_;
  std::array<const upstream::Seat*, kMostTries> tried_{};
  uint32_t tries_ = 0;
  bool told_ = false;
  const char* error_ = nullptr;
  std::string body_;
  TimePoint due_{};
  BoundPlace<Fetch, &Fetch::on_place> place_{*this};  // where nothing is known of the cluster yet
  net::BoundTimer<Fetch, &Fetch::on_limit> limit_{*this};
};

}  // namespace outrider::exchange
