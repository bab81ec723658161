#pragma once
// The request from a filter's seat.

#include <memory>
#include <type_traits>

#include "base/arena.h"
#include "base/tally.h"
#include "base/time.h"
#include "http/request_key.h"
#include "stats/stats.h"

namespace outrider::filter {

class Filter;
struct Tapping;

struct Peer {                       // who is calling, as established by the connection
  std::string_view identity;        // verified workload identity, else empty
  std::string_view remote_address;  // ip:port
  std::string_view remote_ip;
  bool encrypted = false;
};

inline http::Asker asker_of(const Peer& peer) { return {peer.remote_ip, peer.identity}; }

// A request of our own, and what came of it. A filter's lives in its call's arena.
struct Subrequest {
  explicit Subrequest(Arena& arena) : head(arena) {}
  http::RequestHead head;
  std::string_view sent;  // its body, of the length that the head says; lives as long
  milliseconds timeout{1000};
  size_t most = 64 * 1024;  // of the answer's body; what is beyond it is left out
  // The answer, for as long as on_fetched() runs. Without one `error` says why, as a literal.
  const char* error = nullptr;
  uint16_t status = 0;
  const http::HeaderMap* headers = nullptr;
  std::string_view body;
  bool whole = false;  // all of it has come
  bool cut = false;    // there was more of it than `most`
};

// How copies of requests are sent to somebody else, and what they may take. Belongs to its filter, and lives as long.
struct Mirroring {
  double share = 1;                 // of the requests, drawn for each
  size_t max_body = 64 * 1024;      // a request with more of it is not sent
  size_t max_answer = 1024 * 1024;  // more of an answer's body is not read
  milliseconds timeout{5000};       // from when it is sent to the end of its answer
  uint32_t max_in_flight = 100;     // of all workers; one more is not sent
  std::shared_ptr<Tally> in_flight = std::make_shared<Tally>();
};

// One request and its response, seen from a filter. The exchange implements it; filters never see the exchange.
// Lives on its worker from the request's head until on_complete().
class Call {
 public:
  // What a filter keeps of one call: made at first use, gone with the call.
  template <class T>
  T& state(const Filter& owner) {
    static_assert(std::is_trivially_destructible_v<T>);
    for (Kept* kept = kept_; kept; kept = kept->next)
      if (kept->owner == &owner) return *static_cast<T*>(kept->state);
    T* const state = arena_.make<T>();
    kept_ = arena_.make<Kept>(Kept{&owner, state, kept_});
    return *state;
  }
  http::RequestHead& request() { return request_; }
  http::ResponseHead& response() { return *response_; }  // the endpoint's; before that our own answer's, to set headers on
  const Peer& peer() const { return peer_; }
  Arena& arena() { return arena_; }
  stats::Shard& stats() { return *shard_; }
  // Our own answer instead of the endpoint's; then return Verdict::Answered. `reason` is a literal: x-outrider-reason.
  virtual void respond(uint16_t status, const char* reason, std::string_view body) = 0;
  // The same where that is what was asked for, and no refusal.
  virtual void serve(uint16_t status, std::string_view body) { respond(status, "", body); }
  // The first for who may not: counted by who said so and why; texts live as long as the filter.
  virtual void deny(uint16_t status, const char* /*filter*/, const char* reason, std::string_view body) {
    respond(status, reason, body);
  }
  // Counts, likewise, who is let in although nobody could tell.
  virtual void let_in(const char* /*filter*/, const char* /*reason*/) {}
  // Asks the owner's cluster(): from its hook for a request's head, which then says Pause. Its on_fetched() follows, unless the
  // call ends first.
  virtual void fetch(const Filter& owner, Subrequest& what) = 0;
  // From the hook for a request's head: a copy of what the endpoint is sent goes to the owner's cluster(), once all of it has
  // gone. Nobody waits for it, and what is answered goes nowhere.
  virtual void mirror(const Filter& /*owner*/, const Mirroring& /*how*/) {}
  virtual void resume(http::Way way) = 0;  // after Verdict::Pause; continues at the next filter
  // From a hook that then says Pause: the owner's on_waited() follows so much later, unless the call ends first.
  virtual void wait(const Filter& /*owner*/, http::Way /*way*/, std::chrono::microseconds /*time*/) {}
  // Ends it without an answer, as if the connection had broken; then return Verdict::Answered. `reason` is a literal.
  virtual void reset(const char* reason) { respond(503, reason, {}); }
  // Counts what a filter has done to a call; texts live as long as the filter.
  virtual void note(const char* /*filter*/, const char* /*action*/) {}
  // Counts a call that came too often, by its route and by who shares that limit: a literal.
  virtual void limited(const char* /*scope*/) {}
  // Whether anybody watches exchanges just now; and picks this one for them, with the request as it is here.
  virtual bool watched() const { return false; }
  virtual void tap(const Tapping& /*how*/) {}
  // The response's, from a body hook that is called with `end`, on which they do not go any further; null: there are none.
  virtual const http::HeaderMap* take_trailers() = 0;

 protected:
  Call() : request_(arena_), answer_(arena_) {}
  ~Call() = default;
  Arena arena_;
  http::RequestHead request_;
  http::ResponseHead answer_;                // of our own
  http::ResponseHead* response_ = &answer_;  // or the winning attempt's
  Peer peer_;                                // texts live as long as the call
  stats::Shard* shard_ = nullptr;
  struct Kept {
    const Filter* owner;
    void* state;
    Kept* next;
  };
  Kept* kept_ = nullptr;  // in the arena
};

}  // namespace outrider::filter
