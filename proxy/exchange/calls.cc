// What filters ask of an exchange.

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/trail.h"

namespace outrider::exchange {

using filter::Verdict;

// Which filter it is that speaks for us.
void Exchange::note_answerer() {
  if (!site_.decisions) return;
  const bool of_request = phase_ <= Phase::RequestFilters || !chain().current(Way::Response, response_pipe());
  trail().answered_by =
      of_request ? chain().current(Way::Request, request_pipe_) : chain().current(Way::Response, response_pipe());
}

// Behind the head of another answer it is too late for one.
void Exchange::respond(uint16_t status, const char* reason, std::string_view body) {
  note_answerer();
  if (response_sent_) return fail({Code::Denied, Side::Downstream, Retry::No, 0, reason, status});
  flag_ = Flag::Denied;
  reason_ = reason;
  answer(status, reason, body);
}

void Exchange::serve(uint16_t status, std::string_view body) { answer(status, "", body); }

void Exchange::deny(uint16_t status, const char* filter, const char* reason, std::string_view body) {
  site_.shard.add(site_.denials.of(filter, reason));
  trail().answered_name = filter;
  respond(status, reason, body);
}

void Exchange::let_in(const char* filter, const char* reason) { site_.shard.add(site_.denials.of(filter, reason)); }

void Exchange::fetch(const filter::Filter& owner, filter::Subrequest& what) {
  FetchEvents& self = *this;
  if (!fetch_) fetch_ = std::make_unique<Fetch>(site_.loop, site_.attempts, self);
  fetcher_ = &owner;
  fetched_ = &what;
  trail().asker = &owner;
  trail().asked = site_.loop.now();
  const auto known = serving_->snapshot->cluster_ids.find(owner.cluster());  // there, or it would not have been compiled
  fetch_->start(serving_->clusters[known->second], what);
}

void Exchange::on_fetched() {
  request_pipe_.paused = false;
  trail().heard = site_.loop.now();
  std::exchange(fetcher_, nullptr)->on_fetched(*this, *fetched_);
  advance();
}

// A tunnel's bytes are a conversation: there is nobody to have it with.
void Exchange::mirror(const filter::Filter& owner, const filter::Mirroring& how) {
  if (raw_ || upgrading_ || (how.share < 1 && site_.loop.random().unit() >= how.share)) return;
  const auto known = serving_->snapshot->cluster_ids.find(owner.cluster());  // there, or it would not have been compiled
  Shadow* const shadow = Shadow::begin(site_, serving_, serving_->clusters[known->second], how, request_);
  if (shadow) shadows_.push_back(*shadow);
}

// Whoever comes first: what it saw is what is shown.
void Exchange::tap(const filter::Tapping& how) {
  if (tapping_) return;
  tapping_ = &how;
  const auto fields = request_.headers.fields();
  auto* const copy = static_cast<http::Field*>(arena_.allocate(fields.size_bytes(), alignof(http::Field)));
  std::uninitialized_copy(fields.begin(), fields.end(), copy);
  tapped_ = {copy, fields.size()};
}

// A client that asks before it sends its body is told to: nobody else will.
bool Exchange::collect() {
  http::Pipe& pipe = request_pipe_;
  const bool asks = !pipe.ended && request_bytes_ == 0 && request_.version != http::Version::Http10 &&
                    list_contains(request_.headers.value(http::HeaderId::Expect), "100-continue");
  if (asks && !std::exchange(go_on_said_, true)) {
    http::ResponseHead go_on(arena_);
    go_on.status = 100;
    downstream().send_interim(stream_, go_on);
  }
  const size_t before = pipe.held.size();
  const Verdict verdict = chain().run_collect(*this, pipe);
  if (verdict == Verdict::Collect) pipe.held.settle();
  if (const size_t taken = before - std::min(before, pipe.held.size()); taken > 0 && session_)
    downstream().consumed(stream_, taken);
  return verdict != Verdict::Collect;
}

void Exchange::resume(Way way) {
  (way == Way::Request ? request_pipe_ : response_pipe()).paused = false;
  advance();
}

const http::HeaderMap* Exchange::take_trailers() {
  response_pipe().trailers_taken = true;
  return response_pipe().trailers;
}

void Exchange::wait(const filter::Filter& owner, Way way, std::chrono::microseconds time) {
  WaitEvents& self = *this;
  if (!waits_) waits_ = std::make_unique<Waits>(site_.loop, self);
  waits_->start(way, owner, time);
  trail().waiter = &owner;
  trail().wait += time;
}

void Exchange::on_waited(Way way, const filter::Filter& owner) {
  http::Pipe& pipe = way == Way::Request ? request_pipe_ : response_pipe();
  pipe.paused = false;
  pipe.paused = owner.on_waited(*this, way) == Verdict::Pause;
  advance();
}

void Exchange::reset(const char* reason) {
  note_answerer();
  flag_ = Flag::Denied;
  reason_ = reason;
  downstream().reset(stream_, raw_ ? http::Reset::PeerGone : http::Reset::Internal);
  phase_ = Phase::Finish;
}

void Exchange::limited(const char* scope) { site_.shard.add(find_counters().rate_limited(scope)); }

void Exchange::note(const char* filter, const char* action) {
  site_.shard.add(site_.filter_actions.of(filter, action));
  Trail& so_far = trail();
  if (so_far.noted < so_far.notes.size()) so_far.notes[so_far.noted++] = {filter, action};
}

}  // namespace outrider::exchange
