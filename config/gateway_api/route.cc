#include "config/gateway_api/route.h"

#include <algorithm>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config::gateway_api {

Node text_at(std::string text, const Node& at) {
  Node node = Node::scalar(std::move(text));
  node.set_mark(at.mark());
  node.set_origin(at.shared_origin());
  return node;
}

Node map_at(const Node& at) {
  Node node = Node::map();
  node.set_mark(at.mark());
  node.set_origin(at.shared_origin());
  return node;
}

Node list_at(const Node& at) {
  Node node = Node::list();
  node.set_mark(at.mark());
  node.set_origin(at.shared_origin());
  return node;
}

namespace {

// `24h` is as good as none, and the rule's 0 would be the cluster's.
constexpr const char* kNoTimeout = "24h";

std::string check_duration(std::string& text) {
  size_t parts = 0;
  for (std::string_view rest = text; !rest.empty(); ++parts) {
    size_t digits = 0, letters = 0;
    while (digits < rest.size() && is_digit(rest[digits])) ++digits;
    while (digits + letters < rest.size() && is_alpha(rest[digits + letters])) ++letters;
    const std::string_view unit = rest.substr(digits, letters);
    if (digits == 0 || digits > 5 || (unit != "h" && unit != "m" && unit != "s" && unit != "ms")) parts = 9;
    rest.remove_prefix(std::max<size_t>(digits + letters, 1));
  }
  return parts >= 1 && parts <= 4 ? std::string() : "expected a duration like 10s, 1m30s or 500ms, got \"" + text + "\"";
}

void read_timeouts(Fields& fields, Rule& rule, Node& retry) {
  if (!fields.given("timeouts")) return (void)fields.hand("timeouts", "", "");
  Fields timeouts = fields.map("timeouts");
  std::string request, backend;
  timeouts.text("request", request, "duration", check_duration);
  timeouts.text("backendRequest", backend, "duration", check_duration);
  const auto whole = duration_of(request), one = duration_of(backend);
  if (whole) rule.keys.put("timeout", text_at(whole->count() ? request : kNoTimeout, *timeouts.given("request")));
  if (one) retry.put("per_try_timeout", text_at(backend, *timeouts.given("backendRequest")));
  if (whole && one && whole->count() && *one > *whole)
    timeouts.error("backendRequest", *timeouts.given("backendRequest"), "is more than request, " + request);
}

void read_retry(Fields& fields, Node& retry) {
  if (!fields.given("retry")) return (void)fields.hand("retry", "", "");
  const Node& given = *fields.given("retry");
  Fields own = fields.map("retry");
  std::vector<std::string> codes;
  std::string backoff;
  uint32_t attempts = 0;
  own.texts("codes", codes, "statuses", [](std::string& text) {
    const auto status = parse_number(text);
    return status && *status >= 400 && *status <= 599 ? std::string() : "expected a status from 400 to 599, got \"" + text + "\"";
  });
  own.number("attempts", attempts, 0, 10);
  own.text("backoff", backoff, "duration", check_duration);
  Node when = list_at(own.given("codes") ? *own.given("codes") : given);
  when.append(text_at("safe", when));
  for (const std::string& code : codes) when.append(text_at(code, when));
  if (std::find(codes.begin(), codes.end(), "504") != codes.end()) when.append(text_at("timeout", when));
  retry.put("when", std::move(when));
  if (const Node* said = own.given("attempts")) retry.put("attempts", text_at(std::to_string(attempts), *said));
  if (const auto base = duration_of(backoff)) {
    const Node& said = *own.given("backoff");
    Node both = map_at(said);
    both.put("base", text_at(backoff, said));
    both.put("max", text_at(*base > milliseconds(1000) ? backoff : "1s", said));
    retry.put("backoff", std::move(both));
  }
}

void read_persistence(Fields& fields, Rule& rule) {
  if (!fields.given("sessionPersistence")) return (void)fields.hand("sessionPersistence", "", "");
  const Node& given = *fields.given("sessionPersistence");
  Fields own = fields.map("sessionPersistence");
  bool header = false;
  std::string name, absolute, idle;
  own.text("sessionName", name, "name", [](std::string& text) {
    return is_token(text) ? std::string() : "expected a name of letters, digits and -, got \"" + text + "\"";
  });
  own.choice("type", header, {{"Cookie", false}, {"Header", true}});
  own.text("absoluteTimeout", absolute, "duration", check_duration);
  own.text("idleTimeout", idle, "duration", check_duration);
  if (own.given("cookieConfig")) {
    Fields cookie = own.map("cookieConfig");
    bool permanent = false;
    cookie.choice("lifetimeType", permanent, {{"Session", false}, {"Permanent", true}});
  } else {
    own.hand("cookieConfig", "", "");
  }
  if (name.empty())
    return own.error("sessionName", given,
                     "missing: the proxy makes no sessions of its own, so which cookie or header has the client's?");
  const std::string sticky = (header ? "header." : "cookie.") + name;
  rule.keys.put("sticky", text_at(sticky, *own.given("sessionName")));
  own.reading().warn(given, own.path(),
                     "who sends the same " + sticky + " gets the same of several backendRefs; the proxy sends no such " +
                         (header ? "header" : "cookie") +
                         " itself, times have no effect, and for one endpoint of a service set lb: maglev and lb_options.hash: " +
                         sticky + " in its cluster");
}

void read_rule(Fields& fields, const Node& at, size_t index, Route& route, const About& about) {
  Rule rule;
  rule.at = map_at(at);
  rule.keys = map_at(at);
  rule.name = std::to_string(index);
  fields.text("name", rule.name, "name", [](std::string& text) {
    return is_name(text) && text.find('/') == text.npos ? std::string()
                                                        : "expected letters, digits, . and -, got \"" + text + "\"";
  });
  if (rule.name.empty()) rule.name = std::to_string(index);
  rule.matches = read_matches(fields, about);
  Shaping shaping = read_filters(fields, about, false);
  rule.filters = std::move(shaping.filters);
  rule.redirect = std::move(shaping.redirect);
  rule.redirect_to_listeners_port = shaping.redirect_to_listeners_port;
  if (shaping.rewrite) rule.keys.put("rewrite", *shaping.rewrite);
  if (shaping.rewrite && rule.redirect)
    fields.error("filters", at, "RequestRedirect and URLRewrite exclude each other; give one");
  const bool prefixes = std::all_of(rule.matches.begin(), rule.matches.end(), [](const Match& match) { return match.prefix; });
  if (shaping.replaces_prefix && !prefixes)
    fields.reading().error(
        *shaping.replaces_prefix, fields.path("filters"),
        "ReplacePrefixMatch is for matches with path.type: PathPrefix alone: of others there is no prefix to be replaced");
  rule.backends = read_backends(fields, about);
  if (rule.redirect && !rule.backends.empty())
    fields.error("backendRefs", *fields.given("backendRefs"),
                 "a rule with a RequestRedirect has nowhere else to lead to; take one of the two out");
  if (!rule.redirect && rule.backends.empty())
    fields.reading().warn(at, fields.path(),
                          std::string("leads nowhere: without backendRefs what it matches is answered with ") +
                              (route.grpc ? "UNAVAILABLE" : "500"));
  Node retry = map_at(at);
  if (!route.grpc) read_timeouts(fields, rule, retry);
  if (!route.grpc) read_retry(fields, retry);
  if (retry.size() > 0) rule.keys.put("retry", std::move(retry));
  read_persistence(fields, rule);
  if (std::any_of(route.rules.begin(), route.rules.end(), [&](const Rule& other) { return other.name == rule.name; }))
    fields.error("name", fields.given("name") ? *fields.given("name") : at,
                 "another rule of this route is called \"" + rule.name + "\", too");
  route.rules.push_back(std::move(rule));
}

void read_parent(Fields& fields, const Node& at, Route& route) {
  Parent parent;
  std::string group = kGroup, kind = "Gateway";
  uint32_t port = 0;
  parent.name_space = route.name_space;
  fields.text("group", group);
  fields.text("kind", kind);
  fields.text("namespace", parent.name_space);
  fields.text("name", parent.name);
  fields.text("sectionName", parent.section);
  fields.number("port", port, 1, 65535);
  parent.port = uint16_t(port);
  parent.at = map_at(at);
  parent.path = fields.path();
  parent.service = kind == "Service";
  if (parent.name.empty()) return fields.error("name", at, "missing: of which Gateway, or Service?");
  if (kind != "Service" && kind != "Gateway")
    return fields.error("kind", fields.given("kind") ? *fields.given("kind") : at,
                        "expected Gateway or Service, got \"" + kind + "\"");
  route.parents.push_back(std::move(parent));
}

}  // namespace

Route read_route(Reading& reading, const Object& object, const Objects& objects, const Document& document, Ports& ports) {
  const About about{object, objects, document, ports};
  Route route;
  route.grpc = object.kind == "GRPCRoute";
  route.title = object.title();
  route.name_space = object.name_space;
  route.name = object.name;
  route.from = object.from;
  route.at = route.hosts_at = map_at(object.node);
  if (const Node* metadata = object.node.find("metadata"))
    if (const Node* created = metadata->find("creationTimestamp"); created && created->is_scalar())
      route.created = created->text();
  Fields top(reading, &object.node, route.title);
  for (const char* key : {"apiVersion", "kind", "metadata", "status"}) top.hand(key, "", "");
  if (!top.given("spec")) {
    top.hand("spec", "", "");
    top.error("spec", object.node, "missing");
    return route;
  }
  Fields spec = top.map("spec");
  spec.list("parentRefs", "list of Gateways or Services", [&](Fields& one, const Node& at) { read_parent(one, at, route); });
  spec.texts("hostnames", route.hosts, "hosts", [](std::string& text) {
    text = to_lower(text);
    return is_host(text) && text.front() != '[' ? std::string()
                                                : "expected a host without port, or \"*.\" and a domain, got \"" + text + "\"";
  });
  if (const Node* hosts = spec.given("hostnames")) route.hosts_at = map_at(*hosts);
  size_t index = 0;
  spec.list("rules", "list of rules", [&](Fields& one, const Node& at) { read_rule(one, at, index++, route, about); });
  if (route.parents.empty()) reading.warn(object.node, route.title + ".spec", "is of no use: it has no parentRefs");
  if (index == 0 && route.grpc) reading.warn(object.node, route.title + ".spec", "is of no use: it has no rules");
  if (index == 0 && !route.grpc) {  // one rule for everything, which leads nowhere
    const Node nothing = map_at(object.node);
    Fields one(reading, &nothing, route.title + ".spec.rules[0]");
    read_rule(one, nothing, 0, route, about);
  }
  return route;
}

}  // namespace outrider::config::gateway_api
