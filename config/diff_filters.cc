// Chains of filters.

#include <algorithm>

#include "config/differences.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

using Impact = Difference::Severity;

struct Known {
  const char* name;
  const char* gone;   // what it means without it
  const char* fresh;  // and with
};

// Those that keep somebody out.
constexpr Known kGuards[] = {
    {"api_key", "nobody is asked for a key", "who has no key gets 401"},
    {"basic_auth", "nobody is asked for a password", "who has no password gets 401"},
    {"jwt", "nobody is asked for a token", "who has no token gets 401"},
    {"ext_authz", "nobody is asked whether it may be", "what is not allowed there is refused"},
    {"csrf", "pages of other origins may change something", "pages of other origins are refused what changes something"},
    {"ip", "whoever comes is let in, whatever the address", "who comes from other addresses is refused"},
    {"cors", "pages of other origins may not read answers", "pages of these origins may read answers"},
    {"rate_limit", "nothing limits how often somebody asks", "who asks more often gets 429"},
    {"body_limit", "bodies may be as long as they like", "longer bodies get 413"},
    {"fault", "nothing is made to fail there any more", "requests are made to fail or wait"}};

const Known* guard(const std::string& name) {
  for (const Known& each : kGuards)
    if (name == each.name) return &each;
  return nullptr;
}

std::vector<const FilterUse*> not_in(const Chain& chain, const Chain& other) {
  std::vector<const FilterUse*> out;
  std::vector<bool> used(other.size());
  for (const FilterUse& use : chain) {
    bool found = false;
    for (size_t i = 0; i < other.size() && !found; ++i)
      if (!used[i] && other[i].name == use.name && other[i].options == use.options) found = used[i] = true;
    if (!found) out.push_back(&use);
  }
  return out;
}

}  // namespace

Chain own_filters(const Listener& listener, const Route& route) {
  Chain own;
  for (const FilterUse& use : route.filters) {
    if (use.path.starts_with("experiments.")) continue;            // said of the experiment
    if (use.path.find(".filters") == std::string::npos) continue;  // request_headers, mirror: keys of the rule, said as such
    const bool shared = std::any_of(listener.filters.begin(), listener.filters.end(),
                                    [&](const FilterUse& each) { return each.path == use.path; });
    if (!shared) own.push_back(use);
  }
  return own;
}

std::vector<std::string> without_filters(const Listener& listener, const Route& route) {
  std::vector<std::string> out;
  if (!route.server_names.empty()) return out;
  for (const FilterUse& use : listener.filters)
    if (std::none_of(route.filters.begin(), route.filters.end(), [&](const FilterUse& each) { return each.path == use.path; }))
      out.push_back(use.name);
  return out;
}

void diff_chain(const Chain& before, const Chain& after, const std::string& subject, const std::string& path, Differences& out) {
  auto gone = not_in(before, after);
  const auto fresh = not_in(after, before);
  const auto add = [&](const std::string& where, std::string sentence, Impact severity) {
    out.push_back({Difference::Kind::Filter, where, subject + std::move(sentence), severity});
  };
  for (const FilterUse* use : fresh) {
    const auto same = std::find_if(gone.begin(), gone.end(), [&](const FilterUse* each) { return each->name == use->name; });
    const Known* const known = guard(use->name);
    if (same == gone.end()) {
      const std::string means = known ? std::string(": ") + known->fresh : std::string();
      add(use->path, "filter " + use->name + " is new" + means,
          !known                ? Impact::Changes
          : use->name == "cors" ? Impact::Changes
                                : Impact::Breaks);
      continue;
    }
    Differences options;
    diff_values(&(*same)->options, &use->options,
                {Difference::Kind::Filter, "filter " + use->name + ": ", {"filters"}, 1, {}, "its default"}, options);
    for (const Difference& each : options)
      add(use->path + each.path.substr(7), each.sentence, known ? Impact::Risk : Impact::Changes);
    gone.erase(same);
  }
  for (const FilterUse* use : gone) {
    const Known* const known = guard(use->name);
    add(use->path, "filter " + use->name + " is gone" + (known ? std::string(": ") + known->gone : std::string()),
        known ? use->name == "cors" ? Impact::Breaks : Impact::Risk : Impact::Changes);
  }
  if (!gone.empty() || !fresh.empty()) return;
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i)
    if (before[i].name != after[i].name || !(before[i].options == after[i].options)) {
      add(path, "filters are in another order", Impact::Changes);
      return;
    }
}

}  // namespace outrider::config
