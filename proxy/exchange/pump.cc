// Body bytes on their way through an exchange.

#include "exchange/exchange.h"
#include "exchange/http_session.h"

namespace outrider::exchange {

using filter::Verdict;
using upstream::Attempt;

namespace {

constexpr uint64_t kWorthJoining = 64 * 1024;

// Takes what a filter holds on to, and the end, out of a pipe for as long as what is through goes on.
class Withheld {
 public:
  explicit Withheld(http::Pipe& pipe) : pipe_(pipe), rest_(pipe.held.take(pipe.held.size())), ended_(pipe.ended) {
    pipe.held.append(rest_.take(pipe.passed));
    pipe.ended = false;
  }
  ~Withheld() {
    pipe_.held.append(std::move(rest_));
    pipe_.ended = ended_;
  }

 private:
  http::Pipe& pipe_;
  Buffer rest_;
  const bool ended_;
};

}  // namespace

bool Exchange::pump(Way way) { return way == Way::Request ? pump_request() : pump_response(); }

// What arrived goes to the attempt as far as that takes it, and only what went on counts as consumed.
bool Exchange::pump_request() {
  http::Pipe& pipe = request_pipe_;
  if (request_gone_) return true;
  if ((relaying_ && tunnel_) || upgrading_ || client_gone_) return false;
  Attempt* to = attempt();
  if (racing_) rival()->pump();  // what it had kept
  if (!to || to->state() < Attempt::State::Open || to->state() == Attempt::State::Failed) return false;
  if (chain().wants_body(Way::Request) && chain().run_body(*this, Way::Request, pipe) != Verdict::Continue) {
    if (!pipe.paused || pipe.passed == 0) return false;
    const Withheld rest(pipe);
    return push_request(*to);
  }
  return push_request(*to);
}

bool Exchange::push_request(Attempt& to) {
  http::Pipe& pipe = request_pipe_;
  const size_t before = pipe.held.size();
  std::optional<Buffer> shared;
  if (!shadows_.empty()) shared.emplace(pipe.held.share(0, before));
  to.pump();
  pipe.held.settle();  // whatever waits here may wait for long
  const size_t moved = before - pipe.held.size();
  if (moved > 0) {
    note_activity();
    if (pipe.passed > 0) pipe.passed -= std::min(pipe.passed, moved);
  }
  if (const size_t done = pipe.done_with(moved); done > 0 && session_) downstream().consumed(stream_, done);
  if (shared) pass_to_shadows(shared->take(moved), to.request_ended());
  if (admission_ && to.request_ended() && sent_at_ == TimePoint{})
    sent_at_ = request_bytes_ ? net::Loop::clock() : to.opened_at();
  request_gone_ = to.request_ended() && pipe.held.empty() && !racing_ && !tunnel_;
  return to.request_ended();
}

// What went on to the endpoint goes to them, too; once that is all, they go where they are meant to.
void Exchange::pass_to_shadows(const Buffer& part, bool end) {
  if (!part.empty()) shadows_.for_each([&](Shadow& shadow) { shadow.take(part); });
  if (!end) return;
  if (trace_ && !shadows_.empty()) trace_shadows();
  shadows_.for_each([&](Shadow& shadow) { shadow.send(request_, peer_, protocol(shadow.cluster().plan())); });
}

bool Exchange::pump_response() {
  http::Pipe& pipe = response_pipe();
  if (chain().wants_body(Way::Response)) {
    const Verdict verdict = chain().run_body(*this, Way::Response, pipe);
    if (verdict == Verdict::Answered) return true;
    if (verdict == Verdict::Pause && pipe.passed == 0) return false;
    if (verdict == Verdict::Pause) {
      const Withheld rest(pipe);
      return push_response(pipe);
    }
  }
  return push_response(pipe);
}

bool Exchange::push_response(http::Pipe& pipe) {
  Attempt* from = committed_ ? attempt() : nullptr;
  const bool cut = from && from->state() == Attempt::State::Failed;
  const size_t before = pipe.held.size();
  const bool had_end = pipe.ended, trails = pipe.trailers && !pipe.trailers_taken;
  if (before > 0 || (had_end && !response_ended_)) downstream().send_body(stream_, pipe.held, had_end && !trails);
  pipe.held.settle();
  const size_t moved = before - pipe.held.size();
  if (moved > 0) {
    note_activity();
    response_bytes_ += moved;
    if (pipe.passed > 0) pipe.passed -= std::min(pipe.passed, moved);
  }
  const size_t done = pipe.done_with(moved);
  if (done > 0 && from && !cut && from->state() != Attempt::State::Ended) from->codec().consumed(from->stream(), done);
  if (!pipe.held.empty()) return false;
  if (cut) {  // never a truncated message that looks whole
    fail(from->error());
    return true;
  }
  if (!had_end) return false;
  if (trails && !response_ended_) downstream().send_trailers(stream_, *pipe.trailers);
  response_ended_ = true;
  return true;
}

// Two plain sockets with nothing in between are joined: from here on the bytes do not come by. A tunnel's both ways to
// their ends, a response's body for what is left of it.
bool Exchange::try_relay() {
  if (!committed_ || !response_pipe().held.empty() || chain().wants_body(Way::Response)) return false;
  Attempt& from = *attempt();
  if (from.state() != Attempt::State::Headed) return false;
  wire::HttpConnection &down = session_->connection(), &up = from.connection();
  wire::Relay::Bounds bounds{wire::Relay::kUnbounded, wire::Relay::kUnbounded};
  if (tunnel_) {
    if (down.undecided()) return false;
    if (request_pipe_.ended || !request_pipe_.held.empty() || chain().wants_body(Way::Request)) return false;
    down.flush();
    up.flush();
    if (client_gone_ || from.state() != Attempt::State::Headed || !down.caught_up() || !up.caught_up()) return false;
    if (!downstream().bypass(stream_, Way::Request) || !from.codec().bypass(from.stream(), Way::Response)) return false;
    request_pipe_.keeping = false;
    request_pipe_.kept.clear();
  } else {
    const uint64_t left = from.codec().bypass(from.stream(), Way::Response);
    if (left < kWorthJoining || down.wire() != http::Wire::Http1 || !up.caught_up()) return false;
    down.flush();  // the head, and what came with it
    if (client_gone_ || !down.caught_up() || downstream().bypass(stream_, Way::Response) != left) return false;
    bounds = {0, left};
  }
  relay_.emplace(down, up, site_.pipes, static_cast<wire::RelayEvents&>(*this), bounds);
  relaying_ = true;
  relay_->start();
  return true;
}

// A tunnel is over then. A response goes on by its codecs, which have heard nothing of what went by: its end, or, where
// the endpoint has ended too early, that it is cut short.
void Exchange::on_relay_over() {
  relay_->stop();
  if (tunnel_) {
    relay_over_ = true;
    phase_ = Phase::Finish;
    return advance();
  }
  relaying_ = false;
  const uint64_t n = relay_->bytes_down();
  response_bytes_ += n;
  downstream().bypassed(stream_, Way::Response, n);
  attempt()->codec().bypassed(attempt()->stream(), Way::Response, n);
}

}  // namespace outrider::exchange
