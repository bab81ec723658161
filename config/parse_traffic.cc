// Listeners, routes, clusters, filters.

#include <algorithm>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_listen(std::string& text) { return check_address(text, {}); }

std::string check_matched_host(std::string& text) {
  text = to_lower(text);
  const bool wildcard = text == "*" || is_host(text);
  return wildcard ? "" : "expected a host without port, or \"*.\" and a domain, got \"" + text + "\"";
}

std::string check_path(std::string& text) {
  if (text.front() == '/' && text.find_first_of("?# \t\r\n") == text.npos) return "";
  return "expected a path that begins with / and has no query, got \"" + text + "\"" +
         (is_name(text) ? " (did you mean \"/" + text + "\"?)" : "");
}

std::string check_required_path(std::string& text) { return text.empty() ? "expected a path, got \"\"" : check_path(text); }

void read_protocol(Fields& fields, Protocol& protocol, Texts later) {
  fields.choice("protocol", protocol,
                {{"auto", Protocol::Auto}, {"http", Protocol::Http}, {"http1", Protocol::Http1}, {"tcp", Protocol::Tcp}}, later);
}

// `append`, `replace`, `off`, or {trust: N}.
void read_forwarded(Fields& http, Listener& listener) {
  using Forwarded = Listener::Forwarded;
  const Node* value = http.given("forwarded");
  if (value && value->is_map()) {
    Fields trust = http.map("forwarded");
    listener.forwarded = Forwarded::Trust;
    trust.number("trust", listener.trusted_hops, 1, 32);
    if (!trust.given("trust")) trust.error("trust", *value, "expected how many proxies in front are trusted");
    return;
  }
  const std::string text = value && value->is_scalar() ? value->text() : "";
  if (text == "trust") return http.error("forwarded", *value, "expected {trust: N}: how many proxies in front are trusted");
  http.choice("forwarded", listener.forwarded,
              {{"append", Forwarded::Append},
               {"replace", Forwarded::Replace},
               {"off", Forwarded::Off},
               {"{trust: N}", Forwarded::Trust}});
}

void read_http(Fields& fields, Listener& l) {
  Fields http = fields.map("http");
  http.later("header_case", {"preserve"});
  http.flag("http10", l.http10);
  http.later("websocket", {"off"}, {"on"});
  http.size("max_header_bytes", l.max_header_bytes, 1024, 1 << 20);
  http.number("max_headers", l.max_headers, 8, 10000);
  http.size("max_body", l.max_body, 0, uint64_t(1) << 50, true);
  http.flag("normalize_path", l.normalize_path);
  http.choice("escaped_slash", l.escaped_slash,
              {{"keep", Listener::Slash::Keep}, {"decode", Listener::Slash::Decode}, {"reject", Listener::Slash::Reject}});
  http.flag("strict", l.strict);
  read_forwarded(http, l);
  http.later("server_header", {"keep"});
  http.later("max_streams", {"128"});
  http.number("max_requests", l.max_requests);
}

// The table of the same name, another's name, or the rules themselves: resolved in complete().
void read_attachment(Fields& fields, std::string_view key) {
  const Node* value = fields.hand(key, "name or list", "the same name");
  if (!value) return;
  fields.keep(key, *value);
}

}  // namespace

void read_listener(Fields& fields, Listener& l, bool item) {
  if (item) fields.texts("address", l.addresses, "addresses", check_listen);
  read_protocol(fields, l.protocol, {"http2", "grpc", "tls", "udp"});
  fields.choice("direction", l.direction,
                {{"inbound", Direction::Inbound}, {"outbound", Direction::Outbound}, {"edge", Direction::Edge}});
  fields.later("transparent", {"off"});
  fields.later("detect", {}, {"{timeout: 100ms, learn: true, opaque_ports: []}"});
  fields.later("proxy_protocol", {"off"});
  fields.later("tls", {"off"});
  read_http(fields, l);
  {
    Fields t = fields.map("timeouts");
    t.later("tls", {"10s"});
    t.duration("request_headers", l.request_headers);
    t.duration("idle", l.idle);
    t.duration("stream_idle", l.stream_idle);
    t.duration("max_connection", l.max_connection);
    t.duration("request", l.request);
  }
  {
    Fields limits = fields.map("limits");
    limits.number("connections", l.max_connections, 1);
    limits.later("rate", {"0"});
    limits.number("per_ip", l.max_per_ip);
    limits.size("buffer", l.buffer, 4096, 64 << 20);
  }
  if (!item) return;
  read_attachment(fields, "routes");
  read_attachment(fields, "filters");
}

namespace {

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
  std::string http, tcp = health.kind == Health::Kind::Tcp ? "connect" : "";
  const bool gives_http = fields.given("http") != nullptr;
  if (gives_http) tcp.clear();
  fields.text("http", http, "path", check_path);
  fields.text("tcp", tcp, "connect",
              [](std::string& text) { return text == "connect" ? std::string() : "expected connect, got \"" + text + "\""; });
  fields.later("grpc");
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
  if (!http.empty() && !tcp.empty()) return parent.error(key, *value, "http and tcp are two checks; give one");
  if (!http.empty()) health.kind = Health::Kind::Http, health.path = http;
  else if (!tcp.empty()) health.kind = Health::Kind::Tcp;
  else if (value && !fields.given("grpc") && !fields.given("exec") && !gives_http && value->is_map())
    parent.error(key, *value, "expected http: /path or tcp: connect");
  if (value && health.timeout > health.interval)
    parent.error(
        key, *value,
        "timeout (" + duration_text(health.timeout) + ") is longer than interval (" + duration_text(health.interval) + ")");
}

namespace {

void read_endpoints(Fields& fields, Cluster& cluster) {
  const auto add = [&](const Node& at, const std::string& path, Endpoint endpoint) {
    if (std::string wrong = check_address(endpoint.address, {.wildcard = false, .port_zero = false}); !wrong.empty())
      return fields.reading().error(at, path, wrong);
    for (const Endpoint& known : cluster.endpoints)
      if (known.address == endpoint.address)
        return fields.reading().error(at, path,
                                      "duplicate endpoint " + endpoint.address +
                                          (known.where.line ? " (first at line " + std::to_string(known.where.line) + ")" : ""));
    endpoint.where = where_of(at);
    cluster.endpoints.push_back(std::move(endpoint));
  };
  fields.list(
      "endpoints", "addresses or maps",
      [&](Fields& item, const Node& at) {
        Endpoint endpoint;
        item.text("address", endpoint.address, "address");
        item.number("weight", endpoint.weight, 0, 10000);
        item.text("zone", endpoint.zone);
        item.later("priority", {"0"});
        item.pairs("labels", endpoint.labels);
        if (fields.reading().catalog) return;
        if (endpoint.address.empty()) return fields.reading().error(at, item.path(), "an endpoint needs an address");
        add(item.given("address") ? *item.given("address") : at, item.path("address"), std::move(endpoint));
      },
      [&](const Node& text, const std::string& path) { add(text, path, {.address = text.text()}); });
}

void read_retry(Fields& fields, Cluster& c) {
  if (fields.off("retry", false)) {
    c.retry_attempts = 0;
    return;
  }
  Fields retry = fields.map("retry");
  std::vector<std::string> when{"connect_failure", "refused_stream", "reset_before_request"};
  retry.hand("when", "list of safe, connect_failure, refused_stream, reset_before_request", "safe");
  if (const Node* value = retry.given("when")) {
    static constexpr std::string_view kSafe[] = {"safe", "connect_failure", "refused_stream", "reset_before_request"};
    static constexpr std::string_view kLater[] = {
        "gateway_error",      "5xx",        "500", "502", "503", "504", "timeout", "cancelled", "deadline_exceeded", "internal",
        "resource_exhausted", "unavailable"};
    when.clear();
    for (const Node& item : items_of(*value)) {
      const auto* safe = std::find(std::begin(kSafe), std::end(kSafe), item.text());
      if (safe != std::end(kSafe)) when.push_back(item.text());
      else if (std::find(std::begin(kLater), std::end(kLater), item.text()) != std::end(kLater))
        retry.error("when", item,
                    kind_of(item) + " is not supported yet in this version; expected what never reached the application (safe)");
      else
        retry.error("when", item,
                    "expected safe, connect_failure, refused_stream or reset_before_request, got " + kind_of(item) +
                        did_you_mean(item.text(), {std::begin(kSafe), std::end(kSafe)}));
    }
    const auto has = [&](const char* word) { return std::find(when.begin(), when.end(), word) != when.end(); };
    c.retry_connect_failure = has("safe") || has("connect_failure");
    c.retry_refused_stream = has("safe") || has("refused_stream");
    c.retry_reset_before_request = has("safe") || has("reset_before_request");
    retry.keep("when", *value);
  } else {
    Node safe = Node::list();
    safe.append(Node::scalar("safe"));
    retry.keep("when", std::move(safe));
  }
  retry.number("attempts", c.retry_attempts, 0, 10);
  retry.later("per_try_timeout", {"0"});
  retry.later("backoff", {}, {"{base: 25ms, max: 1s}"});
  retry.later("budget", {}, {"20%"});
  retry.later("budget_min", {}, {"3"});
  retry.later("methods", {"[GET, HEAD, OPTIONS, PUT, DELETE, TRACE]"});
  retry.size("buffer", c.retry_buffer, 0, 64 << 20);
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

void read_cluster(Fields& fields, Cluster& c, bool item) {
  enum class Discovery { Auto, Static, Registry } discovery = Discovery::Auto;
  fields.choice("discovery", discovery,
                {{"auto", Discovery::Auto}, {"static", Discovery::Static}, {"registry", Discovery::Registry}}, {"dns"});
  fields.later("endpoints_file", {"\"\""});
  if (item) read_endpoints(fields, c);
  fields.later("dns", {"{name: \"\", port: 0, type: A, min_ttl: 1s, max_ttl: 5m, on_failure: keep}"});
  read_protocol(fields, c.protocol, {"http2", "grpc", "udp"});
  using Balancer = Cluster::Balancer;
  fields.choice("lb", c.lb,
                {{"ewma", Balancer::Ewma},
                 {"least_request", Balancer::LeastRequest},
                 {"round_robin", Balancer::RoundRobin},
                 {"random", Balancer::Random}},
                {"ring_hash", "maglev", "adaptive"});
  {
    Fields options = fields.map("lb_options");
    options.number("choices", c.choices, 2, 16);
    options.duration("decay", c.decay, milliseconds(1));
    options.duration("failure_penalty", c.failure_penalty);
    options.later("hash", {"source"});
    options.later("bounded_load", {"1.25"});
    options.later("subset_size", {"0"});
  }
  fields.later("locality", {"off"}, {"{prefer: zone, spill: 70%}"});
  fields.later("constraints", {"{require: {}, prefer: {}}"});
  fields.duration("slow_start", c.slow_start);
  fields.share("panic", c.panic);
  read_health(fields, "health_check", c.health_check, true);
  fields.later("outlier_detection", {"off"},
               {"{consecutive_local: 3, consecutive_gateway: 5, consecutive_5xx: 0, success_rate: 0%, min_requests: 20, "
                "interval: 5s, base_ejection: 10s, max_ejection: 5m, max_ejected: 50%}"});
  {
    Fields breaker = fields.map("circuit_breaker");
    breaker.number("max_connections", c.max_connections, 1);
    breaker.number("max_pending", c.max_pending, 0);
    breaker.number("max_requests", c.max_requests, 1);
    breaker.later("max_retries", {}, {"budget"});
  }
  fields.duration("connect_timeout", c.connect_timeout, milliseconds(1));
  fields.duration("timeout", c.timeout);
  read_retry(fields, c);
  fields.later("hedge", {"off"});
  fields.later("tls", {"off"}, {"auto"});
  read_pool(fields, c);
  fields.later("proxy_protocol", {"off"});
  if (!item || fields.reading().catalog) return;
  const Node* endpoints = fields.given("endpoints");
  const Node* asked = fields.given("discovery");
  if (discovery == Discovery::Registry && endpoints)
    fields.error("endpoints", *endpoints, "discovery: registry and endpoints exclude each other");
  if (discovery == Discovery::Static && !endpoints) fields.error("discovery", *asked, "discovery: static needs endpoints");
  if (endpoints && items_of(*endpoints).empty()) fields.error("endpoints", *endpoints, "an empty list: nothing could be reached");
  if (!endpoints) c.service = c.name;  // made a reference of in complete()
}

namespace {

void read_match(Fields& fields, Route& r) {
  Fields match = fields.map("match");
  match.texts("host", r.hosts, "hosts", check_matched_host);
  match.texts("prefix", r.prefixes, "paths", check_required_path);
  match.texts("path", r.paths, "paths", check_required_path);
  for (const char* key : {"regex", "method", "header", "query", "cookie", "grpc", "source", "sni", "port"}) match.later(key);
  match.later("percent", {"100%"});
  if (std::find(r.hosts.begin(), r.hosts.end(), "*") != r.hosts.end()) r.hosts.clear();
  if (!r.prefixes.empty() && !r.paths.empty())
    match.error("path", *match.given("path"), "prefix and path exclude each other; give one");
}

bool is_token(std::string_view text) {
  for (char c : text)
    if (!(is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos)) return false;
  return !text.empty();
}

void read_redirect(Fields& fields, Route& r) {
  if (!fields.given("redirect") && !fields.reading().catalog) {
    fields.hand("redirect", "", "");
    return;
  }
  Fields redirect = fields.map("redirect");
  r.action = Route::Action::Redirect;
  redirect.text("scheme", r.redirect.scheme, "http or https", [](std::string& text) {
    return text == "http" || text == "https" ? std::string() : "expected http or https, got \"" + text + "\"";
  });
  redirect.text("host", r.redirect.host, "host", [](std::string& text) {
    std::string with_port = text;
    const bool fine = (is_host(text) && text.front() != '*') ||
                      check_address(with_port, {.names = true, .wildcard = false, .unix_path = false}).empty();
    return fine ? std::string() : "expected a host, got \"" + text + "\"";
  });
  redirect.text("prefix", r.redirect.prefix, "path", check_path);
  redirect.text("path", r.redirect.path, "path", check_path);
  redirect.number("status", r.redirect.status, 300, 399);
  if (fields.reading().catalog) return;
  const uint16_t status = r.redirect.status;
  if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
    redirect.error("status", *redirect.given("status"),
                   "expected 301, 302, 303, 307 or 308, got \"" + std::to_string(status) + "\"");
  if (!r.redirect.prefix.empty() && !r.redirect.path.empty())
    redirect.error("path", *redirect.given("path"), "prefix and path exclude each other; give one");
  if (!r.redirect.prefix.empty() && !r.paths.empty())
    redirect.error("prefix", *redirect.given("prefix"),
                   "takes the place of the prefix that matched, and this rule matches a path: give redirect.path");
  const auto given = [&](const char* key) { return redirect.given(key) != nullptr; };
  if (!given("scheme") && !given("host") && !given("path") && !given("prefix"))
    fields.error("redirect", *fields.given("redirect"),
                 "sends the client where it already is: give scheme, host, prefix or path");
}

void read_respond(Fields& fields, Route& r) {
  if (!fields.given("respond") && !fields.reading().catalog) {
    fields.hand("respond", "", "");
    return;
  }
  Fields respond = fields.map("respond");
  r.action = Route::Action::Respond;
  respond.number("status", r.respond.status, 200, 599);
  respond.text("body", r.respond.body);
  respond.pairs("headers", r.respond.headers);
  const Node* headers = respond.given("headers");
  for (const auto& [name, value] : r.respond.headers) {
    const std::string key = to_lower(name);
    const bool framing =
        key == "content-length" || key == "transfer-encoding" || key == "connection" || key == "keep-alive" || key == "upgrade";
    const Node& at = headers && headers->find(name) ? *headers->find(name) : respond.node();
    if (!is_token(name) || framing)
      fields.reading().error(at, join_path(respond.path("headers"), name), "not a header that can be set");
    else if (value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos)
      fields.reading().error(at, join_path(respond.path("headers"), name), "a header's value is one line");
  }
}

}  // namespace

void read_route(Fields& fields, Route& r, const Layers& layers) {
  fields.text("name", r.name, "name", [](std::string& text) {
    return is_name(text) ? std::string() : "expected letters, digits and . _ - /, got \"" + text + "\"";
  });
  read_match(fields, r);
  fields.text("cluster", r.cluster, "cluster or service");
  fields.later("split");
  read_redirect(fields, r);
  read_respond(fields, r);
  fields.later("passthrough");
  fields.later("rewrite");
  fields.later("request_headers", {"{set: {}, add: {}, remove: []}"});
  fields.later("response_headers", {"{set: {}, add: {}, remove: []}"});
  fields.later("sticky");
  read_route_defaults(fields, r);
  const Node* chain = fields.hand("filters", "list of filters", "[]");
  fields.keep("filters", chain ? *chain : Node::list());
  r.filters = read_chain(fields.reading(), chain, fields.path("filters"), layers.sources);
  if (fields.reading().catalog) return;
  std::vector<std::string> actions;
  for (const char* key : {"cluster", "split", "redirect", "respond", "passthrough"})
    if (const Node* action = fields.given(key); action && !(action->is_scalar() && action->text().empty()))
      actions.push_back(key);
  if (actions.empty() && fields.node().size() > 0)
    fields.reading().error(fields.node(), fields.path(), "a rule needs one action: cluster, redirect or respond");
  if (actions.size() > 1)
    fields.reading().error(fields.node(), fields.path(), "a rule has one action, not both " + actions[0] + " and " + actions[1]);
}

void read_route_defaults(Fields& fields, Route& r) {
  fields.duration("timeout", r.timeout);
  fields.later("retry", {"{}"});
  fields.later("hedge", {"off"});
  fields.later("mirror");
  fields.later("priority", {"normal"});
  fields.later("access_log", {"on"});
}

Chain read_chain(Reading& reading, const Node* list, const std::string& path, const Sources& sources) {
  static const std::vector<std::string_view> kLater{"cors",     "jwt",       "basic_auth", "api_key",    "ext_authz",
                                                    "csrf",     "ip",        "rate_limit", "body_limit", "compress",
                                                    "grpc_web", "bandwidth", "tap"};
  Chain chain;
  if (!list || list->is_null()) return chain;
  const auto items = list->is_map() && list->size() != 1 ? std::vector<Node>() : items_of(*list);
  if (list->is_map() && list->size() != 1)
    reading.error(*list, path, "expected a list of filters, each {name: {options}}, got a map");
  for (size_t i = 0; i < items.size(); ++i) {
    const Node& item = items[i];
    const std::string at = path + (list->is_list() ? "[" + std::to_string(i) + "]" : "");
    FilterUse use;
    use.where = where_of(item);
    use.options = Node::map();
    if (item.is_scalar()) use.name = item.text();
    else if (item.is_map() && item.size() == 1) {
      use.name = item.entries().front().key;
      const Node& options = item.entries().front().value;
      if (options.is_scalar() && is_off(options.text())) use.off = true;
      else if (!options.is_null()) use.options = options;
    } else {
      reading.error(item, at, "expected one filter as {name: {options}}, got " + kind_of(item));
      continue;
    }
    if (!use.options.origin().name.size()) use.options.set_origin(item.shared_origin());
    if (use.options.mark().line == 0) use.options.set_mark(item.mark());
    use.path = join_path(at, use.name);
    const bool known =
        sources.filters.empty() || std::find(sources.filters.begin(), sources.filters.end(), use.name) != sources.filters.end();
    if (std::find(kLater.begin(), kLater.end(), use.name) != kLater.end() && (!known || sources.filters.empty())) {
      if (!use.off) reading.error(item, use.path, "this filter is not supported yet in this version");
      continue;
    }
    if (!known) {
      std::vector<std::string_view> names = sources.filters;
      names.insert(names.end(), kLater.begin(), kLater.end());
      reading.error(item, use.path, "unknown filter" + did_you_mean(use.name, names));
      continue;
    }
    if (std::string below, message;
        !use.off && sources.check_filter && !sources.check_filter(use.name, use.options, below, message)) {
      // The complaint points at the option itself where it is there.
      const Node* option = &use.options;
      for (std::string_view rest = below; option && !rest.empty();) {
        const Node* deeper = option->is_map() ? option->find(next_part(rest, '.')) : nullptr;
        if (!deeper) break;
        option = deeper;
      }
      reading.error(*option, use.path + (below.empty() ? "" : "." + below), message);
      continue;
    }
    chain.push_back(std::move(use));
  }
  return chain;
}

}  // namespace outrider::config
