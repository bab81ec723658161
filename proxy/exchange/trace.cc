// What an exchange does for traces: at its beginning, at each try, and at its end.

#include "exchange/trace.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/span.h"
#include "http/secrets.h"
#include "upstream/origination.h"

namespace outrider::exchange {

using http::GrpcStatus;
using http::HeaderId;
using http::TraceContext;
using upstream::Attempt;
using Format = TracePlan::Format;

namespace {

// An id is 0 where there is none.
uint64_t new_span(Random& random) {
  uint64_t id;
  do id = random.next();
  while (id == 0);
  return id;
}

void begin_new(TraceContext& context, const TracePlan& plan, Random& random) {
  context.high = random.next() ^ plan.salt;
  context.low = new_span(random);
}

// Whether somebody asks for this one by the field that is there for it.
bool is_asked_for(const TracePlan& plan, http::HeaderMap& headers) {
  if (plan.always.empty()) return false;
  const auto value = headers.value(std::string_view(plan.always));
  if (!plan.always_here) headers.remove(std::string_view(plan.always));
  return plan.always_here && !value.empty() && value != "0";
}

// OpenTelemetry's "rpc" conventions: of what a server ends a call with these say that it is to blame.
bool is_server_failure(GrpcStatus status) {
  switch (status) {
    case GrpcStatus::Unknown:
    case GrpcStatus::DeadlineExceeded:
    case GrpcStatus::Unimplemented:
    case GrpcStatus::Internal:
    case GrpcStatus::Unavailable:
    case GrpcStatus::DataLoss: return true;
    default: return false;
  }
}

const char* version_of(http::Version version) {
  switch (version) {
    case http::Version::Http10: return "1.0";
    case http::Version::Http11: break;
    case http::Version::Http2: return "2";
  }
  return "1.1";
}

std::string_view without_query(std::string_view path) { return path.substr(0, path.find_first_of("?#")); }

// "10.0.0.1:80", "[::1]:80"; of "unix:/run/x" the path.
void tell_address(Span& span, std::string_view ip_key, std::string_view port_key, std::string_view address) {
  if (address.starts_with("unix:")) return span.text(ip_key, address.substr(5));
  const auto ip = http::without_port(address);
  if (ip.size() + 1 < address.size()) span.number(port_key, parse_number(address.substr(ip.size() + 1)).value_or(0));
  span.text(ip_key, ip.starts_with('[') ? ip.substr(1, ip.size() - 2) : ip);
}

// What both spans of a request have, and both of a call. Low in cardinality: a name.
struct Called {
  bool grpc;
  std::string_view method, other_method, path;
  std::string name;
};

Called called_of(const http::RequestHead& head, std::string_view path, bool grpc) {
  const bool known = head.method != http::Method::Other;
  Called asked{grpc, known ? head.method_text : "_OTHER", known ? std::string_view{} : head.method_text, without_query(path), {}};
  asked.name = grpc ? std::string(asked.path.substr(1)) : std::string(known ? asked.method : "HTTP");
  return asked;
}

void tell_request(Span& span, const Called& asked) {
  span.text("http.request.method", asked.method);
  span.text("http.request.method_original", asked.other_method);
  if (!asked.grpc) return;
  const size_t slash = asked.name.rfind('/');
  span.text("rpc.system", "grpc");
  span.text("rpc.service", std::string_view(asked.name).substr(0, slash));
  if (slash != std::string::npos) span.text("rpc.method", std::string_view(asked.name).substr(slash + 1));
}

}  // namespace

const TraceContext* Exchange::trace() const { return trace_ ? &trace_->context : nullptr; }

// Behind the sanitizer: fields that Connection names have gone.
void Exchange::begin_trace(const TracePlan& plan) {
  Random& random = site_.loop.random();
  http::HeaderMap& headers = request_.headers;
  trace_ = arena_.make<Trace>();
  trace_->plan = &plan;
  const auto b3 = plan.b3 || plan.b3_multi ? http::find_b3(headers) : http::B3Fields{};
  const auto parent = plan.w3c ? http::read_traceparent(headers) : std::nullopt;
  for (const auto format : plan.propagate) {  // the first that it has
    const auto read = format == Format::W3c ? parent : http::read_b3(b3);
    if (!read) continue;
    trace_->caller = *read;
    break;
  }
  trace_->continues = plan.trusted && trace_->caller;
  TraceContext& context = trace_->context;
  if (plan.trusted) context = trace_->caller;  // or a decision alone
  if (!context) begin_new(context, plan, random);
  context.span = new_span(random);
  if (is_asked_for(plan, headers)) {
    if (!context.is_sampled()) context.sampled = TraceContext::Sampled::Yes;
  } else if (context.sampled == TraceContext::Sampled::Undecided) {
    const bool is = http::is_in_share(context, plan.sample);
    context.sampled = is ? TraceContext::Sampled::Yes : TraceContext::Sampled::No;
  }
  if (plan.w3c && headers.has_any(http::set_of(HeaderId::Tracestate))) {
    // Where it came by B3 as well, traceparent may be of another trace.
    if (trace_->continues && parent && parent->high == context.high && parent->low == context.low)
      trace_->state = http::read_tracestate(headers);
    if (trace_->state.empty()) headers.remove(HeaderId::Tracestate);
    else headers.set_view(HeaderId::Tracestate, trace_->state);
  }
  if (!b3.any) return;  // what there is of the form that is not written says where we stood no more
  for (const char* name : {"x-b3-parentspanid", "x-b3-flags", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"})
    headers.remove(name);
}

// The fields by which whoever is asked knows its parent.
void Exchange::tell_trace(const TraceContext& context, Own& to) {
  const TracePlan& plan = *trace_->plan;
  const auto add = [&](HeaderId id, const char* name, std::string_view value) {
    to.add({.id = id, .clean = true, .name = name, .value = value});
  };
  if (plan.w3c) add(HeaderId::Traceparent, "traceparent", http::write_traceparent(context, arena_));
  if (plan.b3) add(HeaderId::Other, "b3", http::write_b3(context, arena_));
  if (!plan.b3_multi) return;
  add(HeaderId::Other, "x-b3-traceid", http::write_trace_id(context, arena_));
  add(HeaderId::Other, "x-b3-spanid", http::write_span_id(context.span, arena_));
  if (context.sampled == TraceContext::Sampled::Debug) add(HeaderId::Other, "x-b3-flags", "1");
  else add(HeaderId::Other, "x-b3-sampled", context.is_sampled() ? "1" : "0");
}

void Exchange::trace_try() {
  TraceContext context = trace_->context;
  context.span = new_span(site_.loop.random());
  const char* const reason = retry_reason_ ? retry_reason_ : "first";
  auto* const one = arena_.make<Trace::Try>(Trace::Try{attempt(), context.span, reason, net::Loop::clock()});
  (trace_->last ? trace_->last->next : trace_->first) = one;
  trace_->last = one;
  tell_trace(context, own());
}

// Copies have no span of ours: their parent is the request itself.
void Exchange::trace_shadows() {
  Own fields;
  tell_trace(trace_->context, fields);
  for (size_t i = 0; i < fields.count; ++i) request_.headers.set(fields.fields[i].name, fields.fields[i].value);
}

// `of` is over; null: all that are under way are.
void Exchange::end_traced(const Attempt* of, TimePoint now) {
  for (Trace::Try* each = trace_->first; each; each = each->next)
    if (each->ended == TimePoint{} && (!of || each->attempt == of)) each->ended = now;
}

// What the head has decided, and what failed in spite of that.
bool Exchange::is_exported() {
  const TracePlan& plan = *trace_->plan;
  if (!plan.exported) return false;
  if (trace_->context.is_sampled()) return true;
  const auto grpc = grpc_status();
  const bool failed = flag_ != Flag::None || status() >= 500 || (grpc && http::is_grpc_failure(*grpc));
  const bool again = tries_ - (hedge_ ? 1 : 0) > 1;
  return (failed || again) && http::is_in_share(trace_->context, plan.sample_errors);
}

void Exchange::report_trace(TimePoint now) {
  end_traced(nullptr, now);
  if (!is_exported()) return;
  const Trace& trace = *trace_;
  const WallTime wall = net::Loop::wall();
  const auto at = [&](TimePoint when) { return wall - std::chrono::duration_cast<WallTime::duration>(now - when); };
  const std::string_view path = asked_path_.empty() ? request_.path : asked_path_;
  const std::string_view host = asked_host_.empty() ? request_.authority : asked_host_;
  const Called asked = called_of(request_, path, grpc_ && path.size() > 1);
  std::vector<std::string> spans;

  const bool named = route_ && !asked.grpc;
  Span span(trace.context, trace.continues ? trace.caller.span : 0, trace.continues, Span::Kind::Server,
            named ? asked.name + " " + route_->name : asked.name, at(started_), wall);
  span.state(trace.state);
  if (!trace.continues && trace.caller) span.link(trace.caller);
  tell_request(span, asked);
  span.text("url.path", http::without_secrets(asked.path));
  span.text("url.scheme", peer_.encrypted ? "https" : "http");
  tell_address(span, "server.address", "server.port", host);
  tell_address(span, "network.peer.address", "network.peer.port", peer_.remote_address);
  span.text("network.protocol.version", version_of(request_.version));
  span.text("user_agent.original", request_.headers.value(HeaderId::UserAgent));
  const uint16_t status = this->status();
  const auto grpc = grpc_status();
  if (response_sent_) span.number("http.response.status_code", status);
  if (grpc) span.number("rpc.grpc.status_code", uint64_t(*grpc));
  span.number("http.request.body.size", request_bytes_);
  span.number("http.response.body.size", response_bytes_);
  span.text("outrider.direction", session_->plan().direction);
  span.text("outrider.listener", session_->plan().name);
  span.text("outrider.route", route_ ? std::string_view(route_->name) : "");
  span.text("outrider.cluster", cluster_name_);
  span.text("outrider.peer", peer_.identity);
  span.text("outrider.flag", name_of(flag_));
  span.text("outrider.reason", reason_);
  span.text("outrider.request_id", request_.headers.value(HeaderId::XRequestId));
  // Beyond what a status says: an answer that was cut, and none at all.
  const bool cut = flag_ != Flag::None && flag_ != Flag::Denied && response_sent_ && status < 400;
  if (status >= 500 || status == 0 || cut || (grpc && is_server_failure(*grpc))) {
    span.text("error.type", flag_ != Flag::None ? name_of(flag_) : grpc ? http::name_of(*grpc) : std::to_string(status));
    span.failed(reason_);
  }
  spans.push_back(span.take());

  uint32_t count = 0;
  for (const Trace::Try* each = trace.first; each; each = each->next)
    spans.push_back(span_of(*each, ++count, asked.name, at(each->began), at(each->ended)));
  site_.spans.add(std::move(spans));
}

std::string Exchange::span_of(const Trace::Try& one, uint32_t count, std::string_view name, WallTime began, WallTime ended) {
  TraceContext context = trace_->context;
  context.span = one.span;
  Attempt& attempt = *one.attempt;
  const upstream::Endpoint& endpoint = *attempt.seat()->member.endpoint;
  Span span(context, trace_->context.span, false, Span::Kind::Client, name, began, ended);
  const Called asked = called_of(request_, request_.path, grpc_ && request_.path.size() > 1);
  tell_request(span, asked);
  const upstream::ClusterPlan& plan = attempt.cluster()->plan();
  const bool by_tls = upstream::is_encrypted(plan.tls, endpoint.socket, endpoint.mutual_identity(), protocol(plan));
  span.text("url.full", http::without_secrets(std::string(by_tls ? "https://" : "http://") + std::string(request_.authority) +
                                              std::string(asked.path)));
  tell_address(span, "server.address", "server.port", request_.authority);
  tell_address(span, "network.peer.address", "network.peer.port", endpoint.address);
  if (count > 1) span.number("http.request.resend_count", count - 1);
  span.text("outrider.cluster", cluster_name_);
  span.text("outrider.endpoint", endpoint.address);
  span.number("outrider.attempt", count);
  span.text("outrider.attempt_reason", &attempt == hedge_ ? "hedge" : one.reason);
  span.text("outrider.peer", endpoint.mutual_identity());
  const bool broken = attempt.state() == Attempt::State::Failed && attempt.error().code != Code::Canceled;
  span.text("outrider.outcome", broken ? "failed" : attempt.answered() ? "answered" : "cancelled");
  std::optional<GrpcStatus> grpc;
  if (attempt.headed()) {
    span.number("http.response.status_code", attempt.response().status);
    span.text("network.protocol.version", version_of(attempt.response().version));
    if (grpc_) grpc = http::grpc_status_in(attempt.response().headers);
    if (grpc_ && !grpc && attempt.body.trailers) grpc = http::grpc_status_in(*attempt.body.trailers);
    if (grpc) span.number("rpc.grpc.status_code", uint64_t(*grpc));
  }
  const bool bad = attempt.headed() && (attempt.response().status >= 400 || (grpc && *grpc != GrpcStatus::Ok));
  if (!broken && !bad) return span.take();
  const char* const why = broken ? attempt.error().what : "";
  span.text("error.type", broken ? why : grpc ? http::name_of(*grpc) : std::to_string(attempt.response().status));
  span.failed(why);
  return span.take();
}

}  // namespace outrider::exchange
