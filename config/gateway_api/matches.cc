// Which requests a rule is for.

#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/gateway_api/route.h"
#include "config/parse.h"

namespace outrider::config::gateway_api {

namespace {

enum class Kind : uint8_t { Exact, Prefix, Regex };
constexpr int kLongest = 1024;

// Paths are compared as requests have them once they are normalized: what is not cannot match.
std::string check_match_path(std::string& text) {
  if (std::string wrong = check_path(text); !wrong.empty()) return wrong;
  for (const char* never : {"//", "/./", "/../", "%2f", "%2F", "#"})
    if (text.find(never) != text.npos) return "a path with " + std::string(never) + " in it never matches, got \"" + text + "\"";
  if (text.ends_with("/.") || text.ends_with("/..")) return "a path with dots at its end never matches, got \"" + text + "\"";
  return {};
}

// {name: text or {regex: text}} of a list of {type, name, value}; how many.
int read_named(Fields& match, const char* key, bool fields_of_http, Node& keys, const char* ours) {
  int count = 0;
  std::set<std::string> seen;
  match.list(key, "list of {name, value}", [&](Fields& one, const Node& at) {
    Kind kind = Kind::Exact;
    std::string name, value;
    one.choice("type", kind, {{"Exact", Kind::Exact}, {"RegularExpression", Kind::Regex}});
    one.text("name", name);
    one.text("value", value, "text", nullptr);
    if (name.empty()) return one.error("name", at, "missing");
    if (!one.given("value")) return one.error("value", at, "missing: an Exact or RegularExpression for \"" + name + "\"");
    if (fields_of_http && !is_token(name))
      return one.error("name", *one.given("name"), "\"" + name + "\" is no name of a header");
    if (std::string wrong = kind == Kind::Regex ? check_regex(value) : ""; !wrong.empty())
      return one.error("value", *one.given("value"), wrong);
    if (!seen.insert(fields_of_http ? to_lower(name) : name).second)
      return one.reading().warn(at, one.path(), "\"" + name + "\" is asked for above already, and only the first counts");
    Node said = text_at(value, *one.given("value"));
    if (kind == Kind::Regex) {
      Node regex = map_at(at);
      regex.put("regex", std::move(said));
      said = std::move(regex);
    }
    Node& all = keys.at(ours);
    if (all.size() == 0) all = map_at(*match.given(key));
    all.put(name, std::move(said), at.mark());
    ++count;
  });
  return count;
}

Match match_all(const Node& at, bool grpc) {
  Match match{map_at(at), {}, !grpc};
  if (grpc) match.keys.put("grpc", map_at(at));
  else match.keys.put("prefix", text_at("/", at)), match.rank.longer = -1;
  return match;
}

void read_path(Fields& own, const Node& at, Match& match) {
  Kind kind = Kind::Prefix;
  std::string value = "/";
  if (own.given("path")) {
    Fields path = own.map("path");
    path.choice("type", kind, {{"PathPrefix", Kind::Prefix}, {"Exact", Kind::Exact}, {"RegularExpression", Kind::Regex}});
    const size_t before = path.reading().complaints.size();
    path.text("value", value, "path", kind == Kind::Regex ? check_regex : check_match_path);
    if (value.empty() && path.reading().complaints.size() == before) value = "/";
    if (value.size() > size_t(kLongest)) path.error("value", *path.given("value"), "longer than 1024 characters");
  } else {
    own.hand("path", "", "");
  }
  const Node* given = own.given("path");
  const Node& place = given && given->find("value") ? *given->find("value") : given ? *given : at;
  match.prefix = kind == Kind::Prefix;
  match.keys.put(kind == Kind::Prefix ? "prefix" : kind == Kind::Exact ? "path" : "regex", text_at(value, place));
  if (kind == Kind::Prefix)
    while (value.size() > 1 && value.ends_with('/')) value.pop_back();  // with and without it is the same prefix
  match.rank.path = kind == Kind::Exact ? 0 : kind == Kind::Regex ? 1 : 2;
  match.rank.longer = -int(value.size());
}

Match read_http(Fields& own, const Node& at) {
  Match match{map_at(at), {}, false};
  read_path(own, at, match);
  std::string method;
  own.text("method", method, "method", [](std::string& text) {
    static constexpr std::string_view kAll[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    const bool known = std::find(std::begin(kAll), std::end(kAll), text) != std::end(kAll);
    return known ? std::string() : "expected a method in capital letters, like GET, got \"" + text + "\"";
  });
  if (!method.empty()) match.keys.put("method", text_at(method, *own.given("method")));
  match.rank.method = method.empty();
  match.rank.headers = -read_named(own, "headers", true, match.keys, "header");
  match.rank.queries = -read_named(own, "queryParams", false, match.keys, "query");
  return match;
}

std::string check_grpc_name(std::string& text) {
  const bool fine =
      std::all_of(text.begin(), text.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '.'; });
  return fine ? std::string() : "expected letters, digits, _ and . alone, got \"" + text + "\"";
}

Match read_grpc(Fields& own, const Node& at) {
  Match match{map_at(at), {}, false};
  Kind kind = Kind::Exact;
  std::string service, method;
  if (own.given("method")) {
    Fields asked = own.map("method");
    asked.choice("type", kind, {{"Exact", Kind::Exact}, {"RegularExpression", Kind::Regex}});
    const auto check = kind == Kind::Regex ? check_regex : check_grpc_name;
    asked.text("service", service, "service", check);
    asked.text("method", method, "method", check);
    if (service.empty() && method.empty()) asked.error("", *own.given("method"), "expected a service, a method or both");
  } else {
    own.hand("method", "", "");
  }
  const Node& place = own.given("method") ? *own.given("method") : at;
  Node grpc = map_at(place);
  if (kind == Kind::Exact && !service.empty()) {
    grpc.put("service", text_at(service, place));
    if (!method.empty()) grpc.put("method", text_at(method, place));
  } else if (!service.empty() || !method.empty()) {
    const auto part = [&](const std::string& text) {
      if (text.empty()) return std::string("[^/]+");
      std::string out;  // a name has nothing else to be escaped
      for (const char c : text) out += kind == Kind::Exact && c == '.' ? "\\." : std::string(1, c);
      return kind == Kind::Exact ? out : "(?:" + out + ")";
    };
    match.keys.put("regex", text_at("/" + part(service) + "/" + part(method), place));
  }
  match.keys.put("grpc", std::move(grpc));
  match.rank.path = service.empty() && method.empty() ? 2 : kind == Kind::Regex ? 1 : 0;
  match.rank.longer = -int(service.size());
  match.rank.method_long = -int(method.size());
  match.rank.headers = -read_named(own, "headers", true, match.keys, "header");
  return match;
}

}  // namespace

std::vector<Match> read_matches(Fields& rule, const About& about) {
  const bool grpc = about.object.kind == "GRPCRoute";
  std::vector<Match> matches;
  rule.list("matches", "list of matches",
            [&](Fields& own, const Node& at) { matches.push_back(grpc ? read_grpc(own, at) : read_http(own, at)); });
  if (matches.empty()) matches.push_back(match_all(rule.node(), grpc));
  return matches;
}

}  // namespace outrider::config::gateway_api
