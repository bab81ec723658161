// Clusters: endpoints, health, retries, pools.

#include <algorithm>

#include "base/text.h"
#include "config/name_server.h"
#include "config/parse.h"

namespace outrider::config {

void read_protocol(Fields& fields, Protocol& protocol, Texts later, bool tls_too) {
  static constexpr std::pair<const char*, Protocol> kWords[] = {
      {"auto", Protocol::Auto}, {"http", Protocol::Http}, {"http1", Protocol::Http1}, {"http2", Protocol::Http2},
      {"grpc", Protocol::Grpc}, {"tcp", Protocol::Tcp},   {"tls", Protocol::Tls}};
  fields.choice("protocol", protocol, std::span(kWords).first(std::size(kWords) - (tls_too ? 0 : 1)), later);
}

namespace {

void read_bounded_load(Fields& fields, double& load) {
  const Node* const value = fields.hand("bounded_load", "ratio or off", "off");
  if (!value) return;
  const auto ratio = value->is_scalar() ? parse_decimal(value->text()) : std::nullopt;
  if (!is_off(value->text()) && !(ratio && *ratio >= 1))
    return fields.error("bounded_load", *value, "expected off or a number of 1 or more, got " + kind_of(*value));
  load = ratio ? *ratio : 0;
  fields.keep("bounded_load", *value);
}

// "2xx", "204", "200-299".
bool read_expect(Fields& fields, Health& health) {
  std::string text = std::to_string(health.expect_low / 100) + "xx";
  const std::string standard = text;
  fields.text("expect", text, "status range");
  if (text == standard) return true;
  const size_t dash = text.find('-');
  const auto low = parse_number(text.substr(0, dash)), high = dash == text.npos ? low : parse_number(text.substr(dash + 1));
  if (text.size() == 3 && is_digit(text[0]) && text.ends_with("xx")) {
    health.expect_low = uint16_t((text[0] - '0') * 100);
    health.expect_high = uint16_t(health.expect_low + 99);
  } else if (low && high && *low >= 100 && *high <= 599 && *low <= *high) {
    health.expect_low = uint16_t(*low);
    health.expect_high = uint16_t(*high);
  } else {
    return false;
  }
  return health.expect_low >= 100 && health.expect_high <= 599;
}

}  // namespace

void read_health(Fields& parent, std::string_view key, Health& health, bool of_cluster) {
  if (parent.off(key, health.kind == Health::Kind::Off && !parent.given(key))) {
    health.kind = Health::Kind::Off;
    return;
  }
  const Node* value = parent.given(key);
  Fields fields = parent.map(key);
  std::string http, grpc, tcp = health.kind == Health::Kind::Tcp ? "connect" : "";
  const bool gives_http = fields.given("http") != nullptr, gives_grpc = fields.given("grpc") != nullptr;
  if (gives_http || gives_grpc) tcp.clear();
  fields.text("http", http, "path", check_path);
  fields.text("tcp", tcp, "connect",
              [](std::string& text) { return text == "connect" ? std::string() : "expected connect, got \"" + text + "\""; });
  fields.text("grpc", grpc, "service of gRPC");
  fields.later("exec");
  fields.duration("interval", health.interval, milliseconds(10));
  fields.duration("timeout", health.timeout, milliseconds(1));
  fields.number("healthy", health.healthy, 1, 1000);
  fields.number("unhealthy", health.unhealthy, 1, 1000);
  if (of_cluster) {
    fields.share("jitter", health.jitter);
    if (!read_expect(fields, health) && value)
      fields.error("expect", *fields.given("expect"),
                   "expected a range of statuses (2xx, 204 or 200-299), got " + kind_of(*fields.given("expect")));
    fields.number("port", health.port);
  }
  if (parent.reading().catalog) return;
  if (int(!http.empty()) + int(!tcp.empty()) + int(!grpc.empty()) > 1)
    return parent.error(key, *value, "http, tcp and grpc are different checks; give one");
  if (!http.empty()) health.kind = Health::Kind::Http, health.path = http;
  else if (!grpc.empty()) health.kind = Health::Kind::Grpc, health.path = grpc == "*" ? "" : grpc;
  else if (!tcp.empty()) health.kind = Health::Kind::Tcp;
  else if (value && !fields.given("exec") && !gives_http && value->is_map())
    parent.error(key, *value, "expected http: /path, grpc: service or tcp: connect");
  if (value && health.timeout > health.interval)
    parent.error(
        key, *value,
        "timeout (" + duration_text(health.timeout) + ") is longer than interval (" + duration_text(health.interval) + ")");
}

// A host may be a name; "localhost" is no question.
void read_endpoints(Fields& fields, std::vector<Endpoint>& endpoints) {
  const auto add = [&](const Node& at, const std::string& path, Endpoint endpoint) {
    const AddressRule rule{.names = !endpoint.address.starts_with("localhost:"), .wildcard = false, .port_zero = false};
    if (std::string wrong = check_address(endpoint.address, rule); !wrong.empty()) return fields.reading().error(at, path, wrong);
    for (const Endpoint& known : endpoints)
      if (known.address == endpoint.address)
        return fields.reading().error(at, path,
                                      "duplicate endpoint " + endpoint.address +
                                          (known.where.line ? " (first at line " + std::to_string(known.where.line) + ")" : ""));
    endpoint.where = where_of(at);
    endpoints.push_back(std::move(endpoint));
  };
  fields.list(
      "endpoints", "addresses or maps",
      [&](Fields& item, const Node& at) {
        Endpoint endpoint;
        item.text("address", endpoint.address, "address");
        item.number("weight", endpoint.weight, 0, 10000);
        item.text("zone", endpoint.zone);
        item.number("priority", endpoint.priority, 0, 127);
        item.pairs("labels", endpoint.labels);
        if (fields.reading().catalog) return;
        if (endpoint.address.empty()) return fields.reading().error(at, item.path(), "an endpoint needs an address");
        add(item.given("address") ? *item.given("address") : at, item.path("address"), std::move(endpoint));
      },
      [&](const Node& text, const std::string& path) { add(text, path, {.address = text.text()}); });
}

// Only what is a number can be asked without asking anybody first.
std::string check_dns_server(std::string& server) {
  const bool v6 = server.find(':') != server.rfind(':') && server.front() != '[';
  if (v6) server = "[" + server + "]";
  if (server.ends_with(']') || server.find(':') == server.npos) server += ":53";
  return check_address(server, {.wildcard = false, .unix_path = false, .port_zero = false});
}

namespace {

std::string check_dns_name(std::string& name) {
  if (name.ends_with('.')) name.pop_back();
  return is_host(name) && name.front() != '*' && name.front() != '[' ? std::string()
                                                                     : "expected a host's name, got \"" + name + "\"";
}

void read_dns(Fields& fields, Dns& dns) {
  using Type = Dns::Type;
  Fields own = fields.map("dns");
  own.text("name", dns.name, "name", check_dns_name);
  own.number("port", dns.port);
  own.choice("type", dns.type, {{"A", Type::A}, {"AAAA", Type::Aaaa}, {"any", Type::Any}, {"SRV", Type::Srv}});
  own.duration("min_ttl", dns.min_ttl, milliseconds(100), std::chrono::hours(24));
  own.duration("max_ttl", dns.max_ttl, milliseconds(100), std::chrono::hours(24));
  own.choice("on_failure", dns.keep, {{"keep", true}, {"drop", false}});
  own.duration("timeout", dns.timeout, milliseconds(100), std::chrono::minutes(1));
  own.number("max_endpoints", dns.max_endpoints, 1, 10000);
  own.texts("servers", dns.servers, "addresses", check_dns_server);
  if (const Node* given = own.given("max_ttl") ? own.given("max_ttl") : own.given("min_ttl"); given && dns.min_ttl > dns.max_ttl)
    own.error(own.given("max_ttl") ? "max_ttl" : "min_ttl", *given,
              "min_ttl (" + duration_text(dns.min_ttl) + ") is longer than max_ttl (" + duration_text(dns.max_ttl) + ")");
}

// One word of retry.when; false: it is none.
bool read_when(const std::string& word, Retry& r) {
  static constexpr std::pair<std::string_view, int> kGrpc[] = {
      {"cancelled", 1}, {"deadline_exceeded", 4}, {"resource_exhausted", 8}, {"internal", 13}, {"unavailable", 14}};
  const bool safe = word == "safe";
  if (safe || word == "connect_failure") r.connect_failure = true;
  if (safe || word == "refused_stream") r.refused_stream = true;
  if (safe || word == "reset_before_request") r.reset_before_request = true;
  if (safe || word == "connect_failure" || word == "refused_stream" || word == "reset_before_request") return true;
  if (word == "timeout") return r.timeout = true;
  uint64_t first = 0, last = 0;
  if (word == "gateway_error") first = 502, last = 504;
  else if (word == "5xx") first = 500, last = 599;
  else if (const auto status = parse_number(word)) first = last = *status;
  for (uint64_t status = first; first >= 400 && status <= std::min<uint64_t>(last, 599); ++status) r.statuses.set(status - 400);
  if (first) return first >= 400 && last <= 599;
  for (const auto& [name, number] : kGrpc)
    if (name == word) {
      r.grpc |= 1u << number;
      return true;
    }
  return false;
}

void read_retry(Fields& fields, Retry& r) {
  if (fields.off("retry", false)) {
    r.attempts = 0;
    return;
  }
  Fields retry = fields.map("retry");
  retry.hand(
      "when",
      "list of safe, connect_failure, refused_stream, reset_before_request, gateway_error, 5xx, timeout, a status, cancelled, "
      "deadline_exceeded, internal, resource_exhausted, unavailable",
      "safe");
  if (const Node* value = retry.given("when")) {
    r.connect_failure = r.refused_stream = r.reset_before_request = r.timeout = false;
    r.grpc = 0;
    r.statuses.reset();
    for (const Node& item : items_of(*value))
      if (!read_when(item.text(), r))
        retry.error("when", item,
                    "expected safe, connect_failure, refused_stream, reset_before_request, gateway_error, 5xx, timeout, a status "
                    "from 400 to 599 or one of gRPC, got " +
                        kind_of(item) +
                        did_you_mean(item.text(), {"safe", "connect_failure", "refused_stream", "reset_before_request",
                                                   "gateway_error", "timeout"}));
    retry.keep("when", *value);
  } else {
    Node safe = Node::list();
    safe.append(Node::scalar("safe"));
    retry.keep("when", std::move(safe));
  }
  retry.number("attempts", r.attempts, 0, 10);
  retry.duration("per_try_timeout", r.per_try_timeout);
  {
    Fields backoff = retry.map("backoff");
    backoff.duration("base", r.backoff_base);
    backoff.duration("max", r.backoff_max);
  }
  retry.share("budget", r.budget);
  retry.number("budget_min", r.budget_min);
  retry.texts("methods", r.methods, "methods", check_method);
  retry.size("buffer", r.buffer, 0, 64 << 20);
}

// "p95", "p99.9", or a duration.
void read_after(Fields& own, Hedge& hedge) {
  const Node* const value = own.hand("after", "pN or duration", "p95");
  own.keep("after", value ? *value : Node::scalar("p95"));
  if (!value) return;
  const std::string text = value->is_scalar() ? value->text() : "";
  const auto percentile = text.starts_with('p') ? parse_decimal(std::string_view(text).substr(1)) : std::nullopt;
  const auto fixed = duration_of(text);
  hedge.after = milliseconds(0);
  if (percentile && *percentile > 0 && *percentile < 100) hedge.percentile = *percentile;
  else if (fixed && *fixed >= milliseconds(1) && *fixed <= std::chrono::hours(1))
    hedge.after = std::chrono::duration_cast<milliseconds>(*fixed);
  else
    own.error("after", *value,
              "expected p95, the like above 0 and below 100, or a duration from 1ms to 1h, got " + kind_of(*value));
}

void read_hedge(Fields& fields, Hedge& hedge) {
  hedge.on = !fields.off("hedge", !hedge.on);
  if (!hedge.on) return;
  Fields own = fields.map("hedge");
  uint32_t most = 1;
  read_after(own, hedge);
  own.number("max", most, 1, 1);
  own.number("min_requests", hedge.min_requests, 1, 1'000'000);
}

void read_outliers(Fields& fields, Outliers& o) {
  o.on = !fields.off("outlier_detection", false);
  if (!o.on) return;
  Fields own = fields.map("outlier_detection");
  own.number("consecutive_local", o.consecutive_local);
  own.number("consecutive_gateway", o.consecutive_gateway);
  own.number("consecutive_5xx", o.consecutive_5xx);
  own.share("success_rate", o.success_rate);
  own.number("min_requests", o.min_requests, 1);
  own.duration("interval", o.interval, milliseconds(10));
  own.duration("base_ejection", o.base_ejection, milliseconds(1), std::chrono::hours(1));
  own.duration("max_ejection", o.max_ejection, milliseconds(1), std::chrono::hours(1));
  own.share("max_ejected", o.max_ejected);
}

// The name that is asked for and must be in the certificate.
std::string check_sni(std::string& name) {
  const bool fine =
      name.size() <= 253 && !name.starts_with('.') && std::all_of(name.begin(), name.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_' || c == ':';
      });
  return fine ? std::string() : "expected a host's name, got \"" + name + "\"";
}

void read_tls(Fields& fields, ClusterTls& tls) {
  using Kind = ClusterTls::Kind;
  const Node* value = fields.given("tls");
  const bool catalog = fields.reading().catalog;
  if (catalog || !value || !value->is_map()) {
    fields.choice("tls", tls.kind, {{"auto", Kind::Auto}, {"off", Kind::Off}});
    if (!catalog) return;
  }
  Fields own = fields.map("tls");
  own.text("sni", tls.sni, "host", check_sni);
  own.text("ca", tls.ca, "file");
  own.text("cert", tls.cert, "file");
  own.text("key", tls.key, "file");
  own.texts("identity", tls.identities, "identities", check_identity);
  read_terms(own, tls.terms);
  tls.kind = Kind::Given;
  if (!value) return;
  if (tls.cert.empty() != tls.key.empty()) fields.error("tls", *value, "cert: and key: go together");
  if (tls.ca.empty() && !tls.identities.empty())
    fields.error("tls", *value, "identity: needs ca: FILE, the authority that may say who somebody is");
}

void read_locality(Fields& fields, Cluster& c) {
  enum class Prefer { Zone } prefer = Prefer::Zone;
  c.local_first = !fields.off("locality", false);
  if (!c.local_first) return;
  Fields locality = fields.map("locality");
  locality.choice("prefer", prefer, {{"zone", Prefer::Zone}}, {"region"});
  locality.share("spill", c.spill);
  if (c.spill <= 0) locality.error("spill", *locality.given("spill"), "expected more than 0%");
}

void read_pool(Fields& fields, Cluster& c) {
  Fields pool = fields.map("pool");
  const Node* idle = pool.given("idle_timeout");
  if (!idle || (idle->is_scalar() && idle->text() == "learned")) {
    pool.hand("idle_timeout", "learned or duration", "learned");
    Node learned = Node::scalar("learned");
    pool.keep("idle_timeout", idle ? *idle : learned);
    c.pool_idle_timeout = milliseconds(0);
  } else {
    pool.duration("idle_timeout", c.pool_idle_timeout, milliseconds(1));
  }
  pool.number("max_requests", c.pool_max_requests);
  pool.duration("max_age", c.pool_max_age);
  pool.later("preconnect", {"1.0", "1"});
  pool.duration("tcp_keepalive", c.tcp_keepalive);
}

}  // namespace

std::string check_identity(std::string& text) {
  const size_t slash = text.find('/');
  const bool pair = slash != 0 && slash < text.size() - 1 && text.find('/', slash + 1) == text.npos;
  return pair || text == "*" || text.starts_with("spiffe://") ? std::string()
                                                              : "expected namespace/account, got \"" + text + "\"";
}

void read_tries(Fields& fields, Tries& tries) {
  read_retry(fields, tries.retry);
  read_hedge(fields, tries.hedge);
}

void read_cluster(Fields& fields, Cluster& c, bool item) {
  using Discovery = Cluster::Discovery;
  fields.choice("discovery", c.discovery,
                {{"auto", Discovery::Auto},
                 {"static", Discovery::Static},
                 {"file", Discovery::File},
                 {"dns", Discovery::Dns},
                 {"registry", Discovery::Registry}});
  if (item) {
    fields.text("endpoints_file", c.endpoints_file, "file");
    read_endpoints(fields, c.endpoints);
  }
  read_dns(fields, c.dns);
  read_protocol(fields, c.protocol, {"udp"});
  using Balancer = Cluster::Balancer;
  fields.choice("lb", c.lb,
                {{"ewma", Balancer::Ewma},
                 {"least_request", Balancer::LeastRequest},
                 {"round_robin", Balancer::RoundRobin},
                 {"random", Balancer::Random},
                 {"ring_hash", Balancer::RingHash},
                 {"maglev", Balancer::Maglev},
                 {"adaptive", Balancer::Adaptive}});
  {
    Fields options = fields.map("lb_options");
    options.number("choices", c.choices, 2, 16);
    options.duration("decay", c.decay, milliseconds(1));
    options.duration("failure_penalty", c.failure_penalty);
    options.text("hash", c.hash, "source, identity, host, path, header.NAME or cookie.NAME", check_hash);
    read_bounded_load(options, c.bounded_load);
    options.number("subset_size", c.subset_size, 0);
  }
  read_locality(fields, c);
  {
    Fields constraints = fields.map("constraints");
    constraints.pairs("require", c.require);
    constraints.pairs("prefer", c.prefer);
  }
  fields.duration("slow_start", c.slow_start);
  fields.share("panic", c.panic);
  read_health(fields, "health_check", c.health_check, true);
  read_outliers(fields, c.outliers);
  {
    Fields breaker = fields.map("circuit_breaker");
    breaker.number("max_connections", c.max_connections, 1);
    breaker.number("max_pending", c.max_pending, 0);
    breaker.number("max_requests", c.max_requests, 1);
    breaker.number("max_destinations", c.max_destinations, 1);
    breaker.later("max_retries", {}, {"budget"});
  }
  fields.duration("connect_timeout", c.connect_timeout, milliseconds(1));
  fields.duration("timeout", c.timeout);
  if (const Node* given = fields.given("timeout")) c.timeout_implied = given->origin().kind == Origin::Kind::Preset;
  read_tries(fields, c.tries);
  read_tls(fields, c.tls);
  read_pool(fields, c);
  using Told = Cluster::ProxyProtocol;
  fields.choice("proxy_protocol", c.proxy_protocol, {{"off", Told::Off}, {"v1", Told::V1}, {"v2", Told::V2}});
  if (!item || fields.reading().catalog) return;
  const Node* endpoints = fields.given("endpoints");
  if (endpoints && items_of(*endpoints).empty()) fields.error("endpoints", *endpoints, "an empty list: nothing could be reached");
  for (const Endpoint& e : c.endpoints)
    if (c.tls.kind == ClusterTls::Kind::Given && c.tls.sni.empty() && c.tls.identities.empty() && e.address.starts_with("unix:"))
      fields.error("tls", *fields.given("tls"), "needs sni: HOST, whom the certificate of " + e.address + " is for");
}

}  // namespace outrider::config
