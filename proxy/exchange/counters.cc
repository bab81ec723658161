#include "exchange/counters.h"

#include "filter/authorization.h"
#include "stats/names.h"

namespace outrider::exchange {

namespace names = stats::names;

namespace {

// The label `code`: the status itself where it is one, else "other".
std::string code_label(uint16_t status) { return status >= 100 && status <= 599 ? std::to_string(status) : "other"; }

}  // namespace

const char* name_of(Flag flag) {
  static constexpr const char* kNames[] = {"none",
                                           "no_route",
                                           "no_endpoint",
                                           "connect_failure",
                                           "connect_timeout",
                                           "request_timeout",
                                           "idle_timeout",
                                           "upstream_reset",
                                           "upstream_protocol",
                                           "downstream_gone",
                                           "malformed",
                                           "too_large",
                                           "overload",
                                           "draining",
                                           "denied",
                                           "internal"};
  return kNames[size_t(flag)];
}

const char* name_of(Ending ending) {
  static constexpr const char* kNames[] = {"client",          "finished",  "reset",        "idle",     "header_timeout",
                                           "request_timeout", "duration",  "max_requests", "too_many", "too_many_per_ip",
                                           "too_fast",        "malformed", "draining",     "no_route", "connect_failure",
                                           "no_endpoint",     "overload",  "tls",          "denied",   "distrusted",
                                           "proxy_protocol",  "internal"};
  return kNames[size_t(ending)];
}

RequestCounters::RequestCounters(stats::Catalog& catalog, std::string_view direction, std::string_view route,
                                 std::string_view cluster)
    : catalog_(catalog), direction_(direction), route_(route), cluster_(cluster) {
  const std::vector<stats::Label> labels{{"direction", direction_}, {"route", route_}, {"cluster", cluster_}};
  duration = catalog.slot(names::kRequestDuration, labels);
  first_byte = catalog.slot(names::kFirstByte, labels);
  in_flight = catalog.slot(names::kRequestsInFlight, {{"direction", direction_}, {"cluster", cluster_}});
  request_bytes = catalog.slot(names::kRequestBytes, labels);
  response_bytes = catalog.slot(names::kResponseBytes, labels);
  overhead = catalog.slot(names::kProxyOverhead, {{"direction", direction_}});
}

stats::Slot RequestCounters::requests(uint16_t status, Flag flag) {
  return outcomes_.find({status, flag}, [&] {
    return catalog_.slot(names::kRequests, {{"direction", direction_},
                                            {"route", route_},
                                            {"cluster", cluster_},
                                            {"code", code_label(status)},
                                            {"flag", name_of(flag)}});
  });
}

stats::Slot RequestCounters::grpc_responses(http::GrpcStatus status) {
  return grpc_responses_.find(status, [&] {
    return catalog_.slot(
        names::kGrpcResponses,
        {{"direction", direction_}, {"route", route_}, {"cluster", cluster_}, {"grpc_status", std::to_string(unsigned(status))}});
  });
}

stats::Slot RequestCounters::retries(const char* reason, const char* result) {
  return catalog_.slot(names::kClusterRetries, {{"cluster", cluster_}, {"reason", reason}, {"result", result}});
}

stats::Slot RequestCounters::hedges(const char* result) {
  return catalog_.slot(names::kClusterHedges, {{"cluster", cluster_}, {"result", result}});
}

stats::Slot RequestCounters::rate_limited(const char* scope) {
  return rate_limited_.find(scope, [&] { return catalog_.slot(names::kRateLimited, {{"route", route_}, {"scope", scope}}); });
}

stats::Slot RequestCounters::tcp_bytes(bool up) {
  return catalog_.slot(names::kTcpBytes, {{"direction", direction_}, {"cluster", cluster_}, {"way", up ? "in" : "out"}});
}

RequestCounters& RequestCounterTable::find(std::string_view direction, std::string_view route, std::string_view cluster) {
  // One request after another is mostly of the same kind.
  if (last_ && last_->is(direction, route, cluster)) return *last_;
  key_.assign(direction).append(1, '\n').append(route).append(1, '\n').append(cluster);
  auto it = table_.find(key_);
  if (it == table_.end()) it = table_.emplace(key_, std::make_unique<RequestCounters>(catalog_, direction, route, cluster)).first;
  last_ = it->second.get();
  return *last_;
}

ConnectionCounters::ConnectionCounters(stats::Catalog& catalog, std::string_view direction, std::string_view listener,
                                       const char* tls)
    : catalog_(catalog), direction_(direction), listener_(listener) {
  const std::vector<stats::Label> labels{{"direction", direction_}, {"listener", listener_}};
  auto with_tls = labels;
  with_tls.push_back({"tls", tls});
  total = catalog.slot(names::kConnections, with_tls);
  active = catalog.slot(names::kConnectionsActive, with_tls);
  duration = catalog.slot(names::kConnectionDuration, labels);
}

std::string PeerNames::label(std::string_view identity) {
  std::string name = filter::short_name(identity, home_);
  const std::lock_guard lock(mutex_);
  if (known_.size() < kMost) known_.insert(name);
  return known_.count(name) ? name : "other";
}

PeerCounters::Peer& PeerCounters::find(std::string_view identity) {
  const auto known = peers_.find(identity);
  if (known != peers_.end()) return known->second ? *known->second : other_;
  if (peers_.size() >= kRemembered) return other_;
  auto& peer = peers_[std::string(identity)];
  std::string label = names_->label(identity);
  if (label == other_.label) return other_;
  peer = std::make_unique<Peer>(Peer{std::move(label), {}});
  return *peer;
}

stats::Slot PeerCounters::requests(std::string_view direction, std::string_view identity, uint16_t status) {
  Peer& peer = find(identity);
  return peer.slots.find({direction.front(), status}, [&] {
    return catalog_.slot(names::kPeerRequests,
                         {{"direction", std::string(direction)}, {"peer", peer.label}, {"code", code_label(status)}});
  });
}

stats::Slot AuthorizationCounters::verdict(bool allowed, std::string_view rule, bool enforced) {
  return known_.find({allowed, std::string(rule), enforced}, [&] {
    return catalog_.slot(
        names::kAuthorization,
        {{"verdict", allowed ? "allowed" : "denied"}, {"rule", std::string(rule)}, {"mode", enforced ? "enforce" : "shadow"}});
  });
}

void ConnectionCounters::tell_clear_text() {
  const std::vector<stats::Label> labels{{"direction", direction_}, {"listener", listener_}, {"tls", "none"}};
  clear_total = catalog_.slot(names::kConnections, labels);
  clear_active = catalog_.slot(names::kConnectionsActive, labels);
}

stats::Slot ConnectionCounters::closed(Ending why) {
  return closed_.find(why, [&] {
    return catalog_.slot(names::kConnectionsClosed,
                         {{"direction", direction_}, {"listener", listener_}, {"reason", name_of(why)}});
  });
}

stats::Slot ConnectionCounters::malformed(const char* reason) {
  return malformed_.find(reason, [&] { return catalog_.slot(names::kMalformedRequests, {{"reason", reason}}); });
}

stats::Slot ConnectionCounters::handshake(std::string_view result, std::string_view version) {
  return handshakes_.find({result, version}, [&] {
    return catalog_.slot(names::kTlsHandshakes,
                         {{"result", std::string(result)}, {"side", "client"}, {"version", std::string(version)}});
  });
}

stats::Slot ConnectionCounters::handshake_duration() {
  if (handshake_duration_ == stats::kNowhere)
    handshake_duration_ = catalog_.slot(names::kTlsHandshakeDuration, {{"side", "client"}});
  return handshake_duration_;
}

stats::Slot ConnectionCounters::tls_refused(const char* reason) {
  return tls_refused_.find(reason, [&] {
    return catalog_.slot(names::kTlsRefused, {{"direction", direction_}, {"listener", listener_}, {"reason", reason}});
  });
}

stats::Slot ConnectionCounters::not_passed_on(const char* reason) {
  return not_passed_on_.find(reason, [&] {
    return catalog_.slot(names::kPassthroughRefused, {{"direction", direction_}, {"listener", listener_}, {"reason", reason}});
  });
}

stats::Slot ConnectionCounters::foreword(const char* result) {
  return forewords_.find(result, [&] {
    return catalog_.slot(names::kProxyHeaders, {{"direction", direction_}, {"listener", listener_}, {"result", result}});
  });
}

stats::Slot ConnectionCounters::recognized(http::Voice voice) {
  const char* protocol = "tcp";
  if (voice == http::Voice::Http1) protocol = "http1";
  else if (voice == http::Voice::Http2) protocol = "http2";
  else if (voice == http::Voice::Tls) protocol = "tls";
  const char* how = voice == http::Voice::Unknown ? "server_first" : "first_bytes";
  return recognized_.find(voice, [&] {
    return catalog_.slot(names::kProtocolDetections, {{"protocol", protocol}, {"how", how}});
  });
}

}  // namespace outrider::exchange
