#pragma once
// One try at one seat: the wait in the pool's queue, the stream, its limit, what came back.

#include <array>
#include <span>

#include "base/arena.h"
#include "base/ref.h"
#include "http/pipe.h"
#include "upstream/balancer.h"
#include "upstream/pool.h"

namespace outrider::upstream {

class Attempt;
class Cluster;

inline constexpr const char* kTryTimeout = "try_timeout";  // Error::what of a try whose limit is over

struct Sending {  // what goes up
  const http::RequestHead& head;
  std::span<const http::Field> own;  // fields of this try only
  http::Pipe& body;
};

class AttemptOwner {  // an exchange, later a shadow, a sub-request, a probe
 public:
  virtual Sending sending(Attempt& attempt) = 0;                   // asked when a stream is open, and by pump()
  virtual void on_attempt(Attempt& attempt) = 0;                   // something was written down in it; usually just advance()
  virtual void on_interim(Attempt&, const http::ResponseHead&) {}  // 100, 103
  // On whose behalf, for a cluster whose endpoints are told that; null: the proxy itself asks.
  virtual Caller* caller() { return nullptr; }

 protected:
  ~AttemptOwner() = default;
};

// States go forward only. Open: head sent. Headed: response() is whole. Ended: the response is complete (body.ended).
// Failed: error() says why; whether response bytes had come, headed() says.
// on_attempt() is called at each change and when body bytes arrive or the upstream takes bytes again. Recycled per
// worker through AttemptPool. One worker.
class Attempt final : Waiter, http::StreamEvents {
 public:
  enum class State : uint8_t { Idle, Waiting, Open, Headed, Ended, Failed };
  Attempt(net::Loop& loop, class AttemptPool& home);
  // May fail or get its lease before it returns: on_attempt() then comes from inside. `limit` 0: none.
  void start(AttemptOwner& owner, Cluster& cluster, Ref<Seat> seat, Protocol protocol, milliseconds limit);
  // Gives the codec what sending().body has beyond what was given: moves from body.held into the codec (keeping a
  // shared copy in body.kept while body.keeping and it fits body.most_kept; above it keeping ends).
  // At a fresh try it first sends body.kept again. Sends end or trailers when body.ended and all is given.
  void pump();
  void lift_limit() { limit_.cancel(); }  // the answer has begun, and may take its time
  void time_out();                        // as its own limit would, where all of the request has gone and nothing has come
  void cancel();                          // leaves the queue or resets; no event follows; no blame on the seat
  void lose();                            // the same where another was faster: all that is known is that it takes longer
  // The exchange has taken all of the response it wants: reports to the cluster and gives the lease back. Idempotent.
  void finish();
  State state() const { return state_; }
  bool headed() const { return headed_; }
  bool answered() const { return state_ == State::Headed || state_ == State::Ended; }
  bool reused() const { return lease_.reused; }
  bool request_sent() const { return request_sent_; }    // some byte of it was given to a connection
  bool request_ended() const { return request_ended_; }  // all of it was
  const Error& error() const { return error_; }
  bool dropped() const { return error_.retry == Retry::IfReused && request_sent_ && !reused(); }  // by a fresh connection
  http::ResponseHead& response() { return response_; }                                            // in this attempt's own arena
  http::Codec& codec() { return lease_.connection->codec(); }
  http::StreamId stream() const { return lease_.stream; }
  wire::HttpConnection& connection() { return *lease_.connection; }
  Seat* seat() const { return seat_.get(); }
  Cluster* cluster() const { return cluster_; }
  // Loop::clock() when the request's head was handed to the codec, and when the response's had come.
  TimePoint opened_at() const { return opened_at_; }
  TimePoint asked_at() const {
    return queued_at_ != TimePoint{} ? queued_at_ : opened_at_;
  }  // for a connection, which may have been there
  TimePoint headed_at() const { return headed_at_; }
  // For those who ask what became of it: the loop's time when it began, Loop::clock() when it had failed or was given up; and
  // whether it had a connection that had served before, also when that is given back.
  TimePoint began_at() const { return began_at_; }
  TimePoint failed_at() const { return failed_at_; }
  bool was_reused() const { return was_reused_; }
  http::Pipe body;  // the response's: arrived and not yet gone on
  uint32_t holders = 0;
  static void recycle(Attempt* attempt);

 private:
  friend class AttemptPool;
  void reset_for_reuse();
  Protocol protocol() const override { return protocol_; }
  http::StreamEvents& events() override { return *this; }
  void on_queued() override;
  void on_lease(Lease lease) override;  // sends head and first bytes
  void on_no_lease(const Error& why) override;
  http::ResponseHead* response_head() override { return &response_; }
  void on_interim() override;
  void on_head(bool end) override;
  void on_body(Buffer&& data, bool end) override;
  void on_trailers(http::HeaderMap& trailers) override;
  void on_sendable() override;
  void on_reset(const Error& why) override;
  void on_limit();
  void fail(const Error& why);
  void release(Pool::After after);                                             // the place in the queue or the stream
  void settle(Outcome::Kind kind, const Error* failure, uint16_t status = 0);  // counts and the balancer, once
  net::Loop& loop_;
  AttemptPool& home_;
  Arena arena_;
  http::ResponseHead response_;
  AttemptOwner* owner_ = nullptr;
  Cluster* cluster_ = nullptr;  // alive: the seat's exchange holds it
  Ref<Seat> seat_;
  Pool* pool_ = nullptr;  // while it waits there or has a lease
  Protocol protocol_ = Protocol::Http1;
  Lease lease_;
  State state_ = State::Idle;
  bool headed_ = false, request_sent_ = false, request_ended_ = false, counted_ = false, was_reused_ = false;
  size_t resend_ = 0, resent_ = 0;  // bytes of body.kept from tries before this one; how far they have gone again
  uint64_t bytes_before_ = 0;       // what the connection had received when the stream was opened
  Error error_{};
  std::string_view told_load_;  // by the endpoint's sidecar; in the arena
  TimePoint began_at_{}, queued_at_{}, opened_at_{}, headed_at_{}, failed_at_{};
  net::BoundTimer<Attempt, &Attempt::on_limit> limit_{*this};
};

// Attempts of one worker, used again and again: a warm request makes none.
class AttemptPool {
 public:
  explicit AttemptPool(net::Loop& loop) : loop_(loop) {}
  ~AttemptPool();
  Ref<Attempt> take();

 private:
  friend class Attempt;
  net::Loop& loop_;
  std::vector<Attempt*> free_;
};

}  // namespace outrider::upstream
