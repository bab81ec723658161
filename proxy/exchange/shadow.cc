#include "exchange/shadow.h"

#include <utility>

#include "base/text.h"
#include "exchange/site.h"

namespace outrider::exchange {

using http::HeaderId;
using upstream::Attempt;

namespace {

// By the first no proxy behind us sends it on as a copy of a copy, by the second none tries it again.
constexpr http::Field kMarks[] = {
    {.id = HeaderId::XOutriderMirror, .clean = true, .name = "x-outrider-mirror", .value = "1"},
    {.id = HeaderId::XOutriderAttempt, .clean = true, .name = "x-outrider-attempt", .value = "1/0"}};

const char* class_of(uint16_t status) {
  static constexpr const char* kClasses[] = {"2xx", "3xx", "4xx", "5xx"};
  return status >= 200 && status <= 599 ? kClasses[status / 100 - 2] : "failed";
}

const char* result_of(const Error& why) {
  switch (why.code) {
    case Code::Timeout: return "timeout";
    case Code::Overload: return "overload";
    default: return "failed";
  }
}

}  // namespace

Shadow* Shadow::begin(Site& site, Ref<Serving> serving, Ref<upstream::Cluster> cluster, const filter::Mirroring& how,
                      const http::RequestHead& head) {
  const auto refuse = [&](const char* why) { site.shard.add(site.mirrored.of(cluster->plan().name, why)); };
  if (parse_number(head.headers.value(HeaderId::ContentLength)).value_or(0) > how.max_body) return refuse("too_large"), nullptr;
  if (!how.in_flight->enter(how.max_in_flight)) return refuse("over_limit"), nullptr;
  return new Shadow(site, std::move(serving), std::move(cluster), how);
}

Shadow::Shadow(Site& site, Ref<Serving> serving, Ref<upstream::Cluster> cluster, const filter::Mirroring& how)
    : site_(site), head_(arena_), body_(site.loop.blocks()), serving_(std::move(serving)), cluster_(std::move(cluster)),
      how_(how) {}

Shadow::~Shadow() { how_.in_flight->leave(); }

void Shadow::take(const Buffer& part) {
  if (body_.held.size() + part.size() > how_.max_body) {
    end("too_large");
    delete this;
    return;
  }
  body_.held.append(part.share(0, part.size()));
  body_.held.settle();  // or a few bytes would pin the large block they came in
}

void Shadow::give_up() {
  end("incomplete");
  delete this;
}

// Not before what was said to others in this turn has been written.
void Shadow::send(const http::RequestHead& head, const filter::Peer& peer, upstream::Protocol protocol) {
  site_.shadows.push_back(*this);
  head_.method = head.method;
  head_.version = head.version;
  head_.form = head.form;
  head_.method_text = arena_.copy(head.method_text);
  head_.scheme = arena_.copy(head.scheme);
  head_.authority = arena_.copy(head.authority);
  head_.path = arena_.copy(head.path);
  for (const http::Field& field : head.headers.fields())
    if (field.id != HeaderId::Expect) head_.headers.add(field.name, field.value);
  body_.ended = true;
  key_ = cluster_->plan().hash_by.of(head_, asker_of(peer));
  protocol_ = protocol;
  site_.loop.arm(limit_, how_.timeout);
  site_.loop.retire(*this);
}

void Shadow::start() {
  auto seat = cluster_->pick({.now = site_.loop.now(), .key = key_, .priority = upstream::Priority::Low});
  if (!seat) return end("no_endpoint");
  attempt_ = site_.attempts.take();
  attempt_->start(*this, *cluster_, std::move(seat), protocol_, milliseconds(0));
}

upstream::Sending Shadow::sending(Attempt&) { return {head_, kMarks, body_}; }

void Shadow::on_attempt(Attempt& attempt) {
  if (ended_) return;
  const auto state = attempt.state();
  if (state == Attempt::State::Failed)
    return end(attempt.headed() ? class_of(attempt.response().status) : result_of(attempt.error()));
  attempt.pump();
  if (const size_t size = attempt.body.held.size(); size > 0) {
    answered_ += size;
    attempt.body.held.clear();
    if (state == Attempt::State::Headed) attempt.codec().consumed(attempt.stream(), size);
  }
  if (state == Attempt::State::Ended || answered_ > how_.max_answer) end(class_of(attempt.response().status));
}

void Shadow::on_limit() {
  if (attempt_ && !attempt_->headed()) attempt_->time_out();  // which ends us, where the endpoint is to blame
  if (!ended_) end(attempt_ && attempt_->headed() ? class_of(attempt_->response().status) : "timeout");
}

// Whose event this is may still be at work: the rest is for later.
void Shadow::end(const char* result) {
  ended_ = true;
  site_.shard.add(site_.mirrored.of(cluster_->plan().name, result));
  limit_.cancel();
  site_.loop.retire(*this);
}

void Shadow::on_retired() {
  if (!ended_) return start();
  if (attempt_ && attempt_->headed()) attempt_->finish();  // the connection is kept where the answer was whole
  delete this;
}

}  // namespace outrider::exchange
