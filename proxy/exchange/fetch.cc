#include "exchange/fetch.h"

#include <algorithm>
#include <utility>

namespace outrider::exchange {

using upstream::Attempt;
using State = Attempt::State;

Fetch::Fetch(net::Loop& loop, upstream::AttemptPool& attempts, FetchEvents& events)
    : loop_(loop), attempts_(attempts), events_(events), sent_(loop.blocks()) {}

void Fetch::start(Ref<upstream::Cluster> cluster, filter::Subrequest& what) {
  cancel();
  cluster_ = std::move(cluster);
  what_ = &what;
  tries_ = 0;
  told_ = false;
  error_ = nullptr;
  due_ = loop_.now() + what.timeout;
  send();
}

void Fetch::cancel() {
  net::EndOfTurn::unlink();
  place_.unlink();
  limit_.cancel();
  what_ = nullptr;
  if (attempt_) attempt_->cancel();
  attempt_ = {};
  cluster_ = {};  // after the attempt, which has its pool from there
}

void Fetch::send() {
  const auto left = std::chrono::duration_cast<milliseconds>(due_ - loop_.now());
  if (left.count() <= 0) return tell("timeout");
  if (cluster_->known() == upstream::Known::NotYet) {
    cluster_->await_set(place_);
    return loop_.arm(limit_, left);
  }
  limit_.cancel();
  auto seat = cluster_->pick({.tried = {tried_.data(), tries_}, .now = loop_.now()});
  if (!seat) return tell("no_endpoint");
  tried_[tries_++] = seat.get();
  body_.clear();
  sent_.clear();
  sent_.held.append(what_->sent);
  sent_.ended = true;
  attempt_ = attempts_.take();
  attempt_->start(*this, *cluster_, std::move(seat), cluster_->plan().protocol, left);
}

void Fetch::on_attempt(Attempt& attempt) {
  if (!what_ || told_) return;
  if (attempt.state() == State::Open) return attempt.pump();
  if (attempt.headed()) {
    take_body(attempt);
    if (attempt.state() == State::Ended || attempt.state() == State::Failed || body_.size() > what_->most) tell(nullptr);
  } else if (attempt.state() == State::Failed) {
    if (may_try_again(attempt)) loop_.at_end_of_turn(*this);
    else tell(attempt.error().code == Code::Timeout ? "timeout" : attempt.error().what);
  }
}

void Fetch::take_body(Attempt& attempt) {
  const size_t size = attempt.body.held.size();
  if (size == 0) return;
  body_ += attempt.body.held.take(std::min(size, what_->most + 1 - body_.size())).text();
  attempt.body.held.clear();
  if (attempt.state() == State::Headed) attempt.codec().consumed(attempt.stream(), size);
}

// No endpoint has seen it, or its connection had been closed before it came.
bool Fetch::may_try_again(const Attempt& attempt) const {
  const Error& error = attempt.error();
  const bool unseen = error.retry == Retry::Yes || (error.retry == Retry::IfReused && attempt.reused());
  return unseen && tries_ < kMostTries && tries_ <= cluster_->plan().tries.retries;
}

// Whoever asks is done first, and so is the connection that the answer came by.
void Fetch::tell(const char* error) {
  error_ = error;
  told_ = true;
  loop_.at_end_of_turn(*this);
}

void Fetch::on_end_of_turn() {
  if (!told_) return send();
  limit_.cancel();
  place_.unlink();
  const auto cluster = std::exchange(cluster_, {});
  const auto attempt = std::exchange(attempt_, {});  // read below, where the next one may begin
  filter::Subrequest& what = *std::exchange(what_, nullptr);
  what.error = error_;
  what.cut = body_.size() > what.most;
  what.whole = attempt && attempt->state() == State::Ended && !what.cut;
  what.body = std::string_view(body_).substr(0, what.most);
  if (error_) {
    if (attempt) attempt->cancel();
  } else {
    attempt->finish();
    what.status = attempt->response().status;
    what.headers = &attempt->response().headers;
  }
  events_.on_fetched();
}

}  // namespace outrider::exchange
