// Listeners, routes, filters.

#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_listen(std::string& text) { return check_address(text, {}); }

std::string check_rate(std::string& text) {
  const bool per_second = text.ends_with("/s");
  const auto number = parse_number(std::string_view(text).substr(0, text.size() - (per_second ? 2 : 0)));
  if (number && *number <= UINT32_MAX && (per_second || *number == 0)) return "";
  return "expected so many a second, like 100/s, or 0, got \"" + text + "\"";
}

std::string check_port(std::string& text) {
  const uint64_t port = parse_number(text).value_or(0);
  return port >= 1 && port <= 65535 ? "" : "expected a port from 1 to 65535, got \"" + text + "\"";
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
  http.flag("websocket", l.websocket);
  http.size("max_header_bytes", l.max_header_bytes, 1024, 1 << 20);
  http.number("max_headers", l.max_headers, 8, 10000);
  http.size("max_body", l.max_body, 0, uint64_t(1) << 50, true);
  http.flag("normalize_path", l.normalize_path);
  http.choice("escaped_slash", l.escaped_slash,
              {{"keep", Listener::Slash::Keep}, {"decode", Listener::Slash::Decode}, {"reject", Listener::Slash::Reject}});
  http.flag("strict", l.strict);
  read_forwarded(http, l);
  http.later("server_header", {"keep"});
  http.number("max_streams", l.max_streams, 1);
  http.number("max_requests", l.max_requests);
}

std::string check_alpn(std::string& name) {
  return name == "h2" || name == "http/1.1" ? std::string() : "expected h2 or http/1.1, got \"" + name + "\"";
}

std::string check_server_name(std::string& name) {
  name = to_lower(name);
  const bool fine = is_host(name) && name != "*" && !name.starts_with('[');
  return fine ? std::string() : "expected a name, or *. and a domain, got \"" + name + "\"";
}

void read_site(Fields& own, ListenerTls& tls) {
  ListenerTls::Site site;
  own.texts("sni", site.names, "server names", check_server_name);
  own.texts("cert", site.cert, "files");
  own.texts("key", site.key, "files");
  own.text("client_ca", site.client_ca, "file");
  read_terms(own, site.terms);
  own.texts("alpn", site.alpn, "h2, http/1.1", check_alpn);
  enum class Ocsp : uint8_t { Auto, Off } ocsp = Ocsp::Auto;
  own.choice("ocsp", ocsp, {{"auto", Ocsp::Auto}, {"off", Ocsp::Off}});
  site.staple = ocsp == Ocsp::Auto;
  tls.sites.push_back(site);
  if (own.reading().catalog) return;
  const auto wrong = [&](const char* why) { own.reading().error(own.node(), own.path(), why); };
  if (site.cert.empty()) wrong("needs cert: FILE, its certificate and what stands between it and its authority");
  if (site.key.empty()) wrong("needs key: FILE, the key of its certificate");
  if (!site.cert.empty() && !site.key.empty() && site.cert.size() != site.key.size())
    wrong("needs as many files in key: as in cert:, each the key of the certificate in its place");
}

// Of two that are for the same clients, one would never be shown.
void check_names(Fields& fields, const Node& value, const ListenerTls& tls) {
  std::set<std::string> seen;
  for (const auto& site : tls.sites)
    for (const auto& name : site.names.empty() ? std::vector<std::string>{""} : site.names)
      if (!seen.insert(name).second)
        fields.error("tls", value,
                     name.empty() ? "two without sni: one is for all clients that ask for none of the others"
                                  : "two for sni " + name + ": the first would be the one that is shown");
}

void read_tls(Fields& fields, ListenerTls& tls, const Identity& home) {
  if (fields.off("tls", !fields.given("tls"))) return;
  for (const char* form : {"identity", "list"}) fields.also("tls", form);
  const Node* value = fields.given("tls");
  if (value && value->is_scalar() && value->text() == "identity") {
    fields.hand("tls", "", "");
    fields.keep("tls", *value);
    if (home.mtls != Identity::Mtls::Off) tls.identity = true;
    else if (!home) fields.error("tls", *value, "needs an identity: identity.dir is not set");
    return;
  }
  if (value && value->is_scalar()) {
    fields.error("tls", *value, "expected off, identity, a map or a list, got " + kind_of(*value));
    return;
  }
  if (!value || value->is_map()) {
    Fields own = fields.map("tls");
    return read_site(own, tls);
  }
  fields.list("tls", "list", [&](Fields& own, const Node&) { read_site(own, tls); });
  if (tls.sites.empty()) fields.error("tls", *value, "an empty list: there is nothing to be shown");
  check_names(fields, *value, tls);
}

// The table of the same name, another's name, or the rules themselves: resolved in complete().
void read_attachment(Fields& fields, std::string_view key) {
  const Node* value = fields.hand(key, "name or list", "the same name");
  if (!value) return;
  fields.keep(key, *value);
}

}  // namespace

void read_port_list(Fields& fields, const char* key, std::vector<uint16_t>& ports) {
  std::vector<std::string> texts;
  fields.texts(key, texts, "ports", check_port);
  for (const auto& text : texts) ports.push_back(uint16_t(*parse_number(text)));
}

void read_listener(Fields& fields, Listener& l, bool item, const Identity& home) {
  if (item) fields.texts("address", l.addresses, "addresses", check_listen);
  read_protocol(fields, l.protocol, {"udp"}, true);
  fields.choice("direction", l.direction,
                {{"inbound", Direction::Inbound}, {"outbound", Direction::Outbound}, {"edge", Direction::Edge}});
  enum class Way : uint8_t { Off, Redirect, Tproxy };
  Way way = l.tproxy ? Way::Tproxy : l.transparent ? Way::Redirect : Way::Off;
  fields.choice("transparent", way, {{"off", Way::Off}, {"redirect", Way::Redirect}, {"tproxy", Way::Tproxy}});
  l.transparent = way != Way::Off;
  l.tproxy = way == Way::Tproxy;
  {
    Fields detect = fields.map("detect");
    detect.duration("timeout", l.detect_timeout);
    detect.flag("learn", l.detect_learn);
    read_port_list(detect, "opaque_ports", l.opaque_ports);
  }
  read_proxy_headers(fields, l.proxy_protocol);
  read_tls(fields, l.tls, home);
  read_http(fields, l);
  {
    Fields t = fields.map("timeouts");
    t.duration("proxy_protocol", l.proxy_protocol.timeout, milliseconds(1));
    t.duration("tls", l.tls_handshake);
    t.duration("request_headers", l.request_headers);
    t.duration("idle", l.idle);
    t.duration("stream_idle", l.stream_idle);
    t.duration("tunnel_idle", l.tunnel_idle);
    t.duration("max_connection", l.max_connection);
    t.duration("request", l.request);
  }
  {
    Fields limits = fields.map("limits");
    limits.number("connections", l.max_connections, 1);
    std::string rate = "0";
    limits.text("rate", rate, "number/s", check_rate);
    l.max_rate = uint32_t(parse_number(rate.substr(0, rate.find('/'))).value_or(0));
    limits.number("per_ip", l.max_per_ip);
    limits.size("buffer", l.buffer, 4096, 64 << 20);
  }
  if (!item) return;
  read_attachment(fields, "routes");
  read_attachment(fields, "filters");
}

namespace {

void read_passthrough(Fields& fields, Route& r) {
  std::string where;
  fields.text("passthrough", where, "original_dst", [](std::string& text) {
    return text == "original_dst" ? std::string() : "expected original_dst, got \"" + text + "\"";
  });
  if (!where.empty()) r.action = Route::Action::Passthrough;
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
  redirect.number("port", r.redirect.port);
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
  if (!given("scheme") && !given("host") && !r.redirect.port && !given("path") && !given("prefix"))
    fields.error("redirect", *fields.given("redirect"),
                 "sends the client where it already is: give scheme, host, port, prefix or path");
  if (r.redirect.port && r.redirect.host.find(':', r.redirect.host.rfind(']') + 1) != std::string::npos)
    redirect.error("port", *redirect.given("port"), "is given with the host, too; take one out");
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

void read_rewrite(Fields& fields, Route& r) {
  const bool catalog = fields.reading().catalog != nullptr;
  Fields rewrite = fields.map("rewrite");
  rewrite.text("prefix", r.rewrite.prefix, "path", check_path);
  rewrite.text("path", r.rewrite.path, "path", check_path);
  rewrite.text("host", r.rewrite.host, "host or host:port");
  {
    Fields regex = rewrite.map("regex");
    regex.text("match", r.rewrite.match, "regex", check_regex);
    regex.text("replace", r.rewrite.replace);
    const std::string wrong = catalog ? "" : check_replacement(r.rewrite.match, r.rewrite.replace);
    if (!wrong.empty()) regex.error("replace", regex.node(), wrong);
  }
  if (catalog) return;
  if (!r.rewrite.prefix.empty() && r.prefixes.empty())
    rewrite.error("prefix", rewrite.node(), "instead of which prefix? give match.prefix too");
  if (!r.rewrite.prefix.empty() + !r.rewrite.path.empty() + !r.rewrite.match.empty() > 1)
    rewrite.error("", rewrite.node(), "prefix, path and regex exclude each other; give one");
}

// The same as the filter of that name at the end of the rule's chain.
void read_headers(Fields& fields, Chain& chain, const Sources& sources) {
  for (const auto& [key, side] : {std::pair{"request_headers", "request"}, {"response_headers", "response"}}) {
    const Node* value = fields.hand(key, "map of set, add and remove", "{}");
    fields.keep(key, value ? *value : Node::map());
    if (!value || (value->is_map() && value->size() == 0)) continue;
    Node options = Node::map();
    options.put(side, *value);
    options.set_mark(value->mark());
    options.set_origin(value->shared_origin());
    FilterUse use{"headers", std::move(options), false, where_of(*value), fields.path(key)};
    if (check_filter(fields.reading(), use, sources, side)) chain.push_back(std::move(use));
  }
}

// The same as the filter of that name behind all others of the rule.
void read_mirror(Fields& fields, Chain& chain, const Sources& sources) {
  const Node* value = fields.hand("mirror", "options of the filter `mirror`, or off", "off");
  fields.keep("mirror", value ? *value : Node::scalar("off"));
  if (!value || (value->is_scalar() && is_off(value->text()))) return;
  FilterUse use{"mirror", *value, false, where_of(*value), fields.path("mirror")};
  if (check_filter(fields.reading(), use, sources)) chain.push_back(std::move(use));
}

void read_split(Fields& fields, Route& r) {
  const Node* value = fields.hand("split", "map of clusters and their weights", "");
  if (!value) return;
  fields.keep("split", *value);
  if (!value->is_map())
    return fields.error("split", *value, "expected a map of clusters and their weights, got " + kind_of(*value));
  uint64_t sum = 0;
  for (const auto& entry : value->entries()) {
    const auto weight = entry.value.is_scalar() ? parse_number(entry.value.text()) : std::nullopt;
    if (!weight || *weight > 1'000'000) {
      fields.reading().error(entry.value, join_path(fields.path("split"), entry.key),
                             "expected a weight from 0 to 1000000, got " + kind_of(entry.value));
      continue;
    }
    r.split.emplace_back(entry.key, uint32_t(*weight));
    sum += *weight;
  }
  if (sum == 0) fields.error("split", *value, "weights sum to 0");
}

// Checked here, and read once more over each cluster's own when those are known (complete.cc).
void read_own_tries(Fields& fields, Node& own) {
  for (const auto& [key, type] :
       {std::pair{"retry", "keys of `clusters.<name>.retry`, or off"}, {"hedge", "keys of `clusters.<name>.hedge`, or off"}})
    if (const Node* value = fields.hand(key, type, "")) {
      fields.keep(key, *value);
      own.put(key, *value);
    }
  if (own.size() == 0) return;
  Fields given(fields.reading(), &own, fields.path());
  Tries tries;
  read_tries(given, tries);
}

}  // namespace

bool check_filter(Reading& reading, const FilterUse& use, const Sources& sources, std::string_view within) {
  std::string below, message;
  if (use.off || !sources.check_filter || sources.check_filter(use.name, use.options, below, message)) return true;
  const Node* option = &use.options;
  for (std::string_view rest = below; option && !rest.empty();) {
    const Node* deeper = option->is_map() ? option->find(next_part(rest, '.')) : nullptr;
    if (!deeper) break;
    option = deeper;
  }
  if (!within.empty() && below.starts_with(within)) below.erase(0, std::min(below.size(), within.size() + 1));
  reading.error(*option, use.path + (below.empty() ? "" : "." + below), message);
  return false;
}

void read_route(Fields& fields, Route& r, const Layers& layers) {
  fields.text("name", r.name, "name", [](std::string& text) {
    return is_name(text) ? std::string() : "expected letters, digits and . _ - /, got \"" + text + "\"";
  });
  read_match(fields, r);
  fields.text("cluster", r.cluster, "cluster or service");
  read_split(fields, r);
  read_redirect(fields, r);
  read_respond(fields, r);
  read_passthrough(fields, r);
  read_rewrite(fields, r);
  fields.text("sticky", r.sticky, "cookie.NAME, header.NAME, source or identity", check_sticky);
  const Node* chain = fields.hand("filters", "list of filters", "[]");
  fields.keep("filters", chain ? *chain : Node::list());
  r.filters = read_chain(fields.reading(), chain, fields.path("filters"), layers.sources);
  read_headers(fields, r.filters, layers.sources);
  read_route_defaults(fields, r, layers.sources);
  if (fields.reading().catalog) return;
  std::vector<std::string> actions;
  for (const char* key : {"cluster", "split", "redirect", "respond", "passthrough"})
    if (const Node* action = fields.given(key); action && !(action->is_scalar() && action->text().empty()))
      actions.push_back(key);
  if (actions.empty() && fields.node().size() > 0)
    fields.reading().error(fields.node(), fields.path(),
                           "a rule needs one action: cluster, split, redirect, respond or passthrough");
  if (actions.size() > 1)
    fields.reading().error(fields.node(), fields.path(), "a rule has one action, not both " + actions[0] + " and " + actions[1]);
}

void read_route_defaults(Fields& fields, Route& r, const Sources& sources) {
  fields.duration("timeout", r.timeout);
  read_own_tries(fields, r.own_tries);
  read_mirror(fields, r.filters, sources);
  fields.choice("priority", r.priority, {{"high", Priority::High}, {"normal", Priority::Normal}, {"low", Priority::Low}});
  fields.flag("access_log", r.logged);
}

Chain read_chain(Reading& reading, const Node* list, const std::string& path, const Sources& sources) {
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
    if (!known) {
      reading.error(item, use.path, "unknown filter" + did_you_mean(use.name, sources.filters));
      continue;
    }
    if (!check_filter(reading, use, sources)) continue;
    chain.push_back(std::move(use));
  }
  return chain;
}

}  // namespace outrider::config
