// `match` of a rule: which requests it is about.

#include <re2/re2.h>

#include <algorithm>

#include "base/network.h"
#include "base/text.h"
#include "config/parse.h"
#include "config/regex.h"

namespace outrider::config {

namespace {

constexpr const char* kTextMatch = "map of texts, each one a text or {prefix, suffix, contains, regex, present or not: ...}";

std::string check_matched_host(std::string& text) {
  text = to_lower(text);
  const bool wildcard = text == "*" || is_host(text);
  return wildcard ? "" : "expected a host without port, or \"*.\" and a domain, got \"" + text + "\"";
}

std::string check_required_path(std::string& text) { return text.empty() ? "expected a path, got \"\"" : check_path(text); }

void read_text_match(Reading& reading, const Node& value, const std::string& path, TextMatch& match) {
  using Kind = TextMatch::Kind;
  static constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"prefix", Kind::Prefix}, {"suffix", Kind::Suffix}, {"contains", Kind::Contains}, {"regex", Kind::Regex}};
  if (value.is_scalar()) {
    match.text = value.text();
    return;
  }
  if (!value.is_map() || value.size() != 1)
    return reading.error(value, path,
                         "expected a text or one of prefix, suffix, contains, regex, present, not; got " + kind_of(value));
  const auto& [key, mark, inner] = value.entries().front();
  if (key == "not") {
    match.negated = !match.negated;
    return read_text_match(reading, inner, join_path(path, key), match);
  }
  if (key == "present") {
    const auto is = inner.is_scalar() ? switch_of(inner.text()) : std::nullopt;
    if (!is) return reading.error(inner, join_path(path, key), "expected true or false, got " + kind_of(inner));
    match.kind = Kind::Present;
    if (!*is) match.negated = !match.negated;
    return;
  }
  const auto* known = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& kind) { return kind.first == key; });
  if (known == std::end(kKinds))
    return reading.error(value, join_path(path, key), "unknown key; expected prefix, suffix, contains, regex, present or not");
  if (!inner.is_scalar()) return reading.error(inner, join_path(path, key), "expected a text, got " + kind_of(inner));
  match.kind = known->second;
  match.text = inner.text();
  if (match.kind != Kind::Regex) return;
  if (std::string wrong = check_regex(match.text); !wrong.empty()) reading.error(inner, join_path(path, key), std::move(wrong));
}

void read_text_matches(Fields& match, const char* key, bool token, std::vector<std::pair<std::string, TextMatch>>& out) {
  const Node* value = match.hand(key, kTextMatch, "{}");
  match.keep(key, value ? *value : Node::map());
  if (!value) return;
  if (!value->is_map()) return match.error(key, *value, "expected a map of texts, got " + kind_of(*value));
  for (const auto& entry : value->entries()) {
    const std::string path = join_path(match.path(key), entry.key);
    if (token && !is_token(entry.key)) match.reading().error(entry.value, path, "\"" + entry.key + "\" is no name of a " + key);
    out.emplace_back(entry.key, TextMatch{});
    read_text_match(match.reading(), entry.value, path, out.back().second);
  }
}

void read_grpc(Fields& match, Route& r) {
  if (!match.given("grpc") && !match.reading().catalog) {
    match.hand("grpc", "", "");
    return;
  }
  std::string service, method;
  {
    Fields grpc = match.map("grpc");
    grpc.text("service", service, "name");
    grpc.text("method", method, "name");
  }
  if (match.reading().catalog) return;
  r.conditions.grpc = true;
  if (!r.prefixes.empty() || !r.paths.empty())
    match.error("grpc", *match.given("grpc"), "stands for a path itself; take prefix and path out");
  if (service.empty() && !method.empty())
    match.error("grpc", *match.given("grpc"), "a method of which service? grpc: {service: shop.Cart, method: Add}");
  if (service.empty()) return match.keep("grpc", *match.given("grpc"));  // `grpc: {}` says something, too
  if (method.empty()) r.prefixes = {"/" + service};
  else r.paths = {"/" + service + "/" + method};
}

bool is_named(std::string_view text) {
  for (const std::string_view prefix : {"header.", "cookie."})
    if (text.starts_with(prefix) && is_token(text.substr(prefix.size()))) return true;
  return false;
}

}  // namespace

std::string check_method(std::string& text) { return is_token(text) ? std::string() : "expected a method, got \"" + text + "\""; }

std::string check_regex(std::string& text) {
  const auto regex = compile_regex(text);
  return regex->ok() ? std::string() : "no regular expression of RE2: " + regex->error();
}

std::string check_replacement(const std::string& regex, const std::string& replacement) {
  const auto compiled = compile_regex(regex);
  std::string why;
  return !compiled->ok() || compiled->CheckRewriteString(replacement, &why) ? std::string() : why;
}

std::string check_hash(std::string& text) {
  if (text == "source" || text == "identity" || text == "host" || text == "path" || is_named(text)) return {};
  return "expected source, identity, host, path, header.NAME or cookie.NAME, got \"" + text + "\"";
}

std::string check_sticky(std::string& text) {
  if (text == "source" || text == "identity" || is_named(text)) return {};
  return "expected cookie.NAME, header.NAME, source or identity, got \"" + text + "\"";
}

bool Conditions::of_requests() const {
  return grpc || !regex.empty() || !methods.empty() || !headers.empty() || !queries.empty() || !cookies.empty();
}

bool Conditions::any() const {
  return of_requests() || percent < 1 || !identities.empty() || !networks.empty() || !ports.empty();
}

std::string check_network(std::string& text) {
  bool stray = false;
  if (Network::parse(text, &stray)) return {};
  if (!stray) return "expected a network (10.0.0.0/8, \"fd00::/8\") or an address, got \"" + text + "\"";
  return "\"" + text + "\" has bits behind its prefix; " + text.substr(0, text.find('/')) +
         " alone, or the network's first address?";
}

void read_match(Fields& fields, Route& r) {
  Conditions& c = r.conditions;
  Fields match = fields.map("match");
  match.texts("host", r.hosts, "hosts", check_matched_host);
  match.texts("prefix", r.prefixes, "paths", check_required_path);
  match.texts("path", r.paths, "paths", check_required_path);
  match.text("regex", c.regex, "regex", check_regex);
  match.texts("method", c.methods, "methods", check_method);
  read_text_matches(match, "header", true, c.headers);
  read_text_matches(match, "query", false, c.queries);
  read_text_matches(match, "cookie", true, c.cookies);
  read_grpc(match, r);
  {
    Fields source = match.map("source");
    source.texts("identity", c.identities, "identities", check_identity);
    source.texts("cidr", c.networks, "networks", check_network);
  }
  read_port_list(match, "port", c.ports);
  match.texts("sni", r.server_names, "server names", check_matched_host);
  match.share("percent", c.percent);
  if (std::find(r.hosts.begin(), r.hosts.end(), "*") != r.hosts.end()) r.hosts.clear();
  if (!r.prefixes.empty() && !r.paths.empty())
    match.error("path", *match.given("path"), "prefix and path exclude each other; give one");
  if (!r.server_names.empty() && c.any())
    match.error("sni", *match.given("sni"), "of TLS that is passed through nothing else can be seen; take the others out");
}

}  // namespace outrider::config
