// Who may ask for what: not which rules are others, but what comes of all of them together.

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "config/differences.h"

namespace outrider::config {

namespace {

using Impact = Difference::Severity;
using Rule = Authorization::Rule;

constexpr size_t kMostQuestions = 50'000;
constexpr const char* kSomebody = "%somebody";  // an account that nobody can have

struct Question {
  std::string who, method, path;  // who: a whole SPIFFE ID; method empty: any other than those that are named
  uint16_t port = 0;              // 0: any other likewise
};

std::string whole(const std::string& pattern, const std::string& home) {
  if (pattern == "*") return "spiffe://" + home + "/*";
  if (pattern.starts_with("spiffe://")) return pattern;
  const size_t slash = pattern.find('/');
  const std::string space = "spiffe://" + home + "/ns/" + pattern.substr(0, slash) + "/sa/";
  return space + pattern.substr(slash + 1);
}

bool matches(const std::string& pattern, const std::string& who, const std::string& home) {
  const std::string full = whole(pattern, home);
  return full.ends_with("/*") ? who.starts_with(full.substr(0, full.size() - 1)) : who == full;
}

bool is_under(const std::string& prefix, const std::string& path) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

bool about(const Rule& rule, const Question& q, const std::string& home) {
  const auto any = [](const auto& list, auto fits) { return list.empty() || std::any_of(list.begin(), list.end(), fits); };
  return std::any_of(rule.from.begin(), rule.from.end(), [&](const std::string& p) { return matches(p, q.who, home); }) &&
         (rule.port == 0 || rule.port == q.port) && any(rule.methods, [&](const std::string& m) { return m == q.method; }) &&
         any(rule.prefixes, [&](const std::string& p) { return is_under(p, q.path); });
}

bool allowed(const Document& d, const Question& q) {
  const auto& home = d.identity.trust_domain;
  const auto is_about = [&](const Rule& rule) { return about(rule, q, home); };
  const Authorization& a = d.authorization;
  if (std::any_of(a.deny.begin(), a.deny.end(), is_about)) return false;
  return a.allow.empty() || std::any_of(a.allow.begin(), a.allow.end(), is_about);
}

// All that rules of either speak of, and one of each that none does.
struct Spoken {
  std::map<std::string, std::string> who;  // a whole id, and what to call it
  std::set<std::string> methods{""}, paths{"/"};
  std::set<uint16_t> ports{0};

  void add(const Document& d) {
    for (const auto* rules : {&d.authorization.allow, &d.authorization.deny})
      for (const Rule& rule : *rules) {
        for (const std::string& pattern : rule.from) name(pattern, d.identity.trust_domain);
        methods.insert(rule.methods.begin(), rule.methods.end());
        paths.insert(rule.prefixes.begin(), rule.prefixes.end());
        ports.insert(rule.port);
      }
  }
  void name(const std::string& pattern, const std::string& home) {
    std::string id = whole(pattern, home);
    if (id.ends_with("/*"))
      id.replace(id.size() - 1, 1, pattern == "*" ? std::string("ns/") + kSomebody + "/sa/" + kSomebody : kSomebody);
    who.emplace(id, pattern == "*" ? "everybody else" : pattern.ends_with("/*") ? "everybody else of " + pattern : pattern);
  }
};

struct Changed {  // for one identity
  std::vector<Question> lost, gained;
  size_t asked = 0;
};

// "/admin"; with the root, everything but those below it that are not meant.
std::string places(const std::set<std::string>& paths, const Spoken& spoken) {
  if (!paths.contains("/")) return joined({paths.begin(), paths.end()}, " or ");
  std::vector<std::string> others;
  std::set_difference(spoken.paths.begin(), spoken.paths.end(), paths.begin(), paths.end(), std::back_inserter(others));
  return "anything but " + joined(others);
}

std::string known_methods(const Spoken& spoken) {
  std::vector<std::string> out;
  for (const auto& method : spoken.methods)
    if (!method.empty()) out.push_back(method);
  return joined(out);
}

// "DELETE", "POST /admin", "other methods than GET".
std::string what_of(const std::vector<Question>& questions, const Spoken& spoken) {
  std::map<std::string, std::set<std::string>> paths_of;  // by method
  std::set<uint16_t> ports;
  for (const Question& q : questions) {
    paths_of[q.method].insert(q.path);
    ports.insert(q.port);
  }
  // The same for every method is said once.
  std::map<std::set<std::string>, std::vector<std::string>> methods_of;
  for (const auto& [method, paths] : paths_of) methods_of[paths].push_back(method);
  std::vector<std::string> parts;
  for (const auto& [paths, methods] : methods_of) {
    std::string text;
    if (methods.size() < spoken.methods.size()) {
      std::vector<std::string> named;
      for (const auto& method : methods)
        named.push_back(method.empty() ? "use other methods than " + known_methods(spoken) : method);
      text = joined(named, " or ");
    }
    if (paths.size() < spoken.paths.size()) text += (text.empty() ? "ask for " : " ") + places(paths, spoken);
    parts.push_back(text.empty() ? "ask for anything" : text);
  }
  std::string out = joined(parts, ", or ");
  if (ports.size() == spoken.ports.size()) return out;
  std::vector<std::string> named;
  for (const uint16_t port : ports)
    if (port) named.push_back("port " + std::to_string(port));
  if (ports.contains(0)) named.push_back("other ports");
  return out + " at " + joined(named, " or ");
}

}  // namespace

void diff_access(const Document& before, const Document& after, Differences& out) {
  if (!before.authorization && !after.authorization) return;
  Spoken spoken;
  spoken.add(before);
  spoken.add(after);
  for (const Document* d : {&before, &after}) spoken.name("*", d->identity.trust_domain);
  const auto add = [&](std::string sentence, Impact severity) {
    if (after.authorization.mode == Authorization::Mode::Shadow && severity != Impact::Risk)
      severity = Impact::Note, sentence += " (it is only counted: mode shadow)";
    out.push_back({Difference::Kind::Access, "authorization", "authorization: " + std::move(sentence), severity});
  };
  if (spoken.who.size() * spoken.methods.size() * spoken.paths.size() * spoken.ports.size() > kMostQuestions)
    return add("its rules are others, too many to say who may no longer ask for what (outrider authz answers that)",
               Impact::Risk);
  for (const auto& [id, name] : spoken.who) {
    Changed changed;
    for (const auto& method : spoken.methods)
      for (const auto& path : spoken.paths)
        for (const uint16_t port : spoken.ports) {
          const Question q{id, method, path, port};
          const bool was = allowed(before, q), is = allowed(after, q);
          ++changed.asked;
          if (was && !is) changed.lost.push_back(q);
          if (!was && is) changed.gained.push_back(q);
        }
    if (!changed.lost.empty()) add(name + " may no longer " + what_of(changed.lost, spoken), Impact::Breaks);
    if (!changed.gained.empty()) add(name + " may now " + what_of(changed.gained, spoken), Impact::Risk);
  }
}

}  // namespace outrider::config
