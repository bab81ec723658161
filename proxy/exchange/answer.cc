// Answers of our own, and the sentences in them.

#include <algorithm>
#include <string>

#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/onward.h"
#include "exchange/sanitize.h"

namespace outrider::exchange {

using http::HeaderId;
using upstream::EndpointState;

namespace {

std::string since(int64_t ms) {
  if (ms <= 0) return {};
  const time_t at = ms / 1000;
  tm utc{};
  gmtime_r(&at, &utc);
  char text[48];
  return {text, strftime(text, sizeof text, " since %Y-%m-%dT%H:%M:%SZ", &utc)};
}

// "3 endpoints: 2 unhealthy (10.0.0.1:80 since ...), 1 draining". Cold: only for answers that carry bad news.
std::string describe(const upstream::Cluster& cluster, WallTime now) {
  const auto* set = cluster.set();
  if (!set || (set->known == upstream::Known::NotYet && set->trouble.empty())) return "nothing is known of it yet";
  if (set->members.empty() && !set->trouble.empty()) return set->trouble + since(set->since_ms);
  if (set->members.empty())
    return std::string(set->known == upstream::Known::Absent ? "nobody has registered it" : "it has no endpoints") +
           since(set->since_ms);
  std::string text = std::to_string(set->members.size()) + " endpoint" + (set->members.size() == 1 ? "" : "s") + ":";
  size_t shown = 0;
  for (const auto& member : set->members) {
    if (shown++ == 4) {
      text += " ...";
      break;
    }
    const EndpointState state = state_of(member, set->known, now);
    text += (shown > 1 ? ", " : " ") + member.endpoint->address + " " + name_of(state) + since(since_of(*member.endpoint, state));
  }
  if (!set->trouble.empty()) text += "; " + set->trouble;
  return text;
}

}  // namespace

std::string_view Exchange::explain(const Error& why) {
  std::string text = "outrider: ";
  switch (why.code) {
    case Code::NoRoute: text += "no route matches this host and path"; break;
    case Code::NoEndpoint:
      text += "no endpoint to send this request to";
      if (cluster_ && cluster_->plan().by_destination) text.append(": ").append(meaning_of(why.what));
      break;
    case Code::Refused: text += "the endpoint refused the connection"; break;
    case Code::Unreachable: text += "the endpoint cannot be reached"; break;
    case Code::Timeout: text += why.side == Side::Downstream ? "the request did not come in time" : "no answer in time"; break;
    case Code::Overload: text += "a limit of this proxy is reached"; break;
    case Code::Closed: text += "the endpoint closed the connection before it answered"; break;
    case Code::Tls:
      text += "no TLS with the endpoint";
      if (auto* last = attempt()) text.append(": ").append(cluster_->pool(*last->seat()).trouble());
      break;
    case Code::TooLarge: text += "the message is larger than allowed"; break;
    case Code::Protocol:
      text += why.side == Side::Upstream ? "the endpoint's answer is malformed" : "the request is malformed";
      break;
    case Code::Denied:
      text += why.side == Side::Local ? "the rules of this service do not let you in" : "this is not served here";
      break;
    default: text += "the request cannot be served"; break;
  }
  text.append(" (").append(why.what).append(")");
  if (cluster_ && why.side != Side::Downstream) {
    text.append("; cluster \"").append(cluster_name_).append("\"");
    if (tries_ && tried_[tries_ - 1]) text.append(", endpoint ").append(tried_[tries_ - 1]->member.endpoint->address);
    if (!cluster_->plan().by_destination) text.append(": ").append(describe(*cluster_, net::Loop::wall()));
  }
  text += "\n";
  return arena_.copy(text);
}

// The one way of our own answers. What was under way upstream ends; response filters see the answer like any other.
void Exchange::answer(uint16_t status, const char* reason, std::string_view body, const char* type) {
  deadline_.cancel();
  wait_limit_.cancel();
  if (fetch_) fetch_->cancel();
  if (waits_) waits_->cancel();
  end_hedge();
  if (trace_) end_traced(nullptr);
  if (admission_) admission_->leave(turn_);
  if (auto* last = attempt(); last && last->state() < upstream::Attempt::State::Ended) last->cancel();
  committed_ = upgrading_ = false;
  tunnel_ = raw_;
  response_ = &answer_;
  note_grpc();
  if (status >= 400 && grpc_) {
    answer_grpc(status, body);
    status = 200;
    body = {};
  }
  answer_.status = status;
  answer_.reason = http::reason_of(status);
  answer_pipe_.clear();
  if (!body.empty()) {
    if (!answer_.headers.find(HeaderId::ContentType)) answer_.headers.set(HeaderId::ContentType, type);
    answer_pipe_.held.append(body);
  }
  answer_.headers.set(HeaderId::ContentLength, arena_.copy(std::to_string(body.size())));
  if (*reason) {
    answer_.headers.set(HeaderId::XOutriderReason, reason);
    write_request_id(request_.headers, site_.loop.random());  // whoever was refused at once has none yet
    answer_.headers.set(HeaderId::XRequestId, request_.headers.value(HeaderId::XRequestId).substr(0, kMostRequestId));
    if (!cluster_name_.empty()) answer_.headers.set("x-outrider-cluster", cluster_name_);
  }
  answer_pipe_.ended = true;
  phase_ = Phase::ResponseFilters;
}

void Exchange::act() {
  if (route_->action == Route::Action::Respond) {
    const Respond& what = route_->respond;
    for (const auto& [name, value] : what.headers) answer_.headers.set(name, value);
    return answer(what.status, "", what.body);
  }
  const Redirect& to = route_->redirect;
  answer_.headers.set(HeaderId::Location, to.location(request_, peer_.encrypted, arena_));
  answer(to.status, "", "");
}

}  // namespace outrider::exchange
