// Rules of one listener: which have come, gone, moved, and where requests go now.

#include <algorithm>
#include <map>

#include "config/differences.h"
#include "config/shadowed.h"

namespace outrider::config {

namespace {

using Impact = Difference::Severity;
using Kind = Difference::Kind;

// Each rule with what was written of it, where it was written.
struct Table {
  const Listener& listener;
  std::vector<const Node*> nodes;

  Table(const Document& d, const Listener& l) : listener(l) {
    const Node* routes = nullptr;
    if (const Node* tables = d.effective.find("routes")) routes = tables->find(l.table);
    if (const Node* listeners = d.effective.find("listeners"))
      if (const Node* own = listeners->find(l.name))
        if (const Node* inside = own->find("routes"); inside && inside->is_list()) routes = inside;
    size_t next = 0;
    for (const Route& route : l.routes)
      nodes.push_back(!route.implied && routes && next < routes->size() ? &routes->items()[next++] : nullptr);
  }
  const std::vector<Route>& rules() const { return listener.routes; }
};

constexpr size_t kNone = SIZE_MAX;

// Of each host, or each path, a rule that asks for that alone.
std::vector<Route> one_each(const std::vector<std::string>& values, std::vector<std::string> Route::*field) {
  std::vector<Route> out;
  for (const auto& value : values) (out.emplace_back().*field) = {value};
  return out;
}

bool any_covers(std::vector<Route> one, std::vector<Route> other) {
  if (one.empty() || other.empty()) return true;
  std::string by;
  return std::any_of(one.begin(), one.end(), [&](const Route& a) {
    return std::any_of(other.begin(), other.end(), [&](const Route& b) { return covers(a, b, by) || covers(b, a, by); });
  });
}

// Whether there may be a request that both match, but for headers and the like.
bool overlap(const Route& a, const Route& b) {
  const auto paths = [](const Route& r) {
    return r.prefixes.empty() ? one_each(r.paths, &Route::paths) : one_each(r.prefixes, &Route::prefixes);
  };
  const auto &one = a.conditions.methods, &other = b.conditions.methods;
  const bool methods =
      one.empty() || other.empty() || std::find_first_of(one.begin(), one.end(), other.begin(), other.end()) != one.end();
  return methods && any_covers(one_each(a.hosts, &Route::hosts), one_each(b.hosts, &Route::hosts)) &&
         any_covers(paths(a), paths(b)) &&
         any_covers(one_each(a.server_names, &Route::server_names), one_each(b.server_names, &Route::server_names));
}

// What both take: the narrower one, or the host of one with the path of the other.
Route both_of(const Route& a, const Route& b) {
  std::string by;
  if (covers(a, b, by)) return b;
  Route out = a;
  if (covers(b, a, by)) return out;
  if (out.hosts.empty()) out.hosts = b.hosts;
  if (out.prefixes.empty() && out.paths.empty()) out.prefixes = b.prefixes, out.paths = b.paths;
  if (out.conditions.methods.empty()) out.conditions.methods = b.conditions.methods;
  return out;
}

// For each old rule its new one: by the name it was given, else by what it matches.
std::vector<size_t> pairs(const std::vector<Route>& old, const std::vector<Route>& fresh) {
  const auto given = [](const Route& r) { return !r.implied && name_of_rule(r).ends_with(")"); };
  std::vector<size_t> pair(old.size(), kNone);
  std::vector<bool> taken(fresh.size());
  const auto match = [&](auto key) {
    std::map<std::string, std::vector<size_t>> waiting;  // the first one last
    for (size_t i = fresh.size(); i-- > 0;)
      if (const std::string k = key(fresh[i]); !taken[i] && !k.empty()) waiting[k].push_back(i);
    for (size_t i = 0; i < old.size(); ++i) {
      if (pair[i] != kNone) continue;
      const auto found = waiting.find(key(old[i]));
      if (found == waiting.end() || found->second.empty()) continue;
      taken[pair[i] = found->second.back()] = true;
      found->second.pop_back();
    }
  };
  match([&](const Route& r) { return signature_of(r) + (given(r) ? r.name : ""); });
  match([](const Route& r) { return signature_of(r); });
  match([&](const Route& r) { return given(r) ? r.name : std::string(); });
  return pair;
}

// Old rules whose new places rise, as many as can be: the others have moved.
std::vector<bool> in_order(const std::vector<size_t>& pair) {
  std::vector<size_t> ends, before(pair.size(), kNone);
  for (size_t i = 0; i < pair.size(); ++i) {
    if (pair[i] == kNone) continue;
    const auto at =
        std::lower_bound(ends.begin(), ends.end(), pair[i], [&](size_t end, size_t value) { return pair[end] < value; });
    if (at != ends.begin()) before[i] = *(at - 1);
    at == ends.end() ? ends.push_back(i) : void(*at = i);
  }
  std::vector<bool> stays(pair.size());
  for (size_t i = ends.empty() ? kNone : ends.back(); i != kNone; i = before[i]) stays[i] = true;
  return stays;
}

// Who takes all of what a rule took, of a table it is not in.
class Takers {
 public:
  explicit Takers(const std::vector<Route>& table, bool tls_too) : table_(table), shadows_(tls_too) {
    for (const Route& route : table) shadows_.add(route, by_);
  }
  const Route* of(const Route& rule) {
    const Route* const found = shadows_.add(rule, by_);
    const bool in_table = found && !table_.empty() && found >= &table_.front() && found <= &table_.back();
    return in_table ? found : nullptr;
  }

 private:
  const std::vector<Route>& table_;
  Shadows shadows_;
  std::string by_;
};

bool takes_tls(const Listener& l) { return l.protocol == Protocol::Tls || l.relays(); }

// One pair of listeners.
class Comparison {
 public:
  Comparison(const Document& before, const Listener& old, const Document& after, const Listener& fresh, const std::string& prefix,
             Differences& out)
      : old_(before, old), fresh_(after, fresh), prefix_(prefix), out_(out), pair_(pairs(old.routes, fresh.routes)),
        takers_(fresh.routes, takes_tls(fresh)), former_(old.routes, takes_tls(old)) {}

  void run() {
    const auto stays = in_order(pair_);
    std::vector<bool> known(fresh_.rules().size());
    for (size_t i = 0; i < pair_.size(); ++i) {
      if (pair_[i] == kNone) {
        gone(old_.rules()[i]);
        continue;
      }
      known[pair_[i]] = true;
      same(i, pair_[i]);
      if (!stays[i]) moved(i, pair_[i]);
    }
    for (size_t i = 0; i < known.size(); ++i)
      if (!known[i]) added(fresh_.rules()[i]);
  }

 private:
  void add(const Route& at, std::string sentence, Impact severity) {
    out_.push_back({Kind::Route, at.path, prefix_ + std::move(sentence), severity});
  }

  static bool same_target(const Route& a, const Route& b) { return a.action == b.action && target_of(a) == target_of(b); }

  // Besides where they lead: filters, and how long and how often it is tried.
  static bool same_treatment(const Route& a, const Route& b) {
    const auto same_filter = [](const FilterUse& one, const FilterUse& other) {
      return one.name == other.name && one.options == other.options;
    };
    return a.timeout == b.timeout && a.own_tries == b.own_tries && a.priority == b.priority &&
           std::equal(a.filters.begin(), a.filters.end(), b.filters.begin(), b.filters.end(), same_filter);
  }

  // "goes to web", "is answered here with 503".
  static std::string fate(const Route& rule, const char* now) {
    if (rule.action == Route::Action::Respond)
      return "is " + std::string(now) + "answered here with " + std::to_string(rule.respond.status);
    return now + ("goes to " + target_of(rule));
  }

  void gone(const Route& rule) {
    const Route* const taker = takers_.of(rule);
    const std::string start = "rule " + name_of_rule(rule) + " is gone: ";
    if (!taker)
      return add(
          rule,
          start + "what it took (" + requests_of(rule) + ") is taken by no rule as a whole: what none of them takes is refused",
          Impact::Breaks);
    const std::string whose = name_of_rule(*taker) + (taker->implied || taker->path.empty() ? "" : " (" + match_of(*taker) + ")");
    if (same_target(rule, *taker)) {
      const bool same = same_treatment(rule, *taker);
      return add(
          rule,
          start + "what it took falls to " + whose + ", which leads to the same" + (same ? "" : ", with other filters or limits"),
          same ? Impact::Note : Impact::Risk);
    }
    add(rule,
        start + "what it took (" + requests_of(rule) + ") now falls to " + whose + " and " + fate(*taker, "") + " instead of " +
            target_of(rule),
        refuses(*taker) ? Impact::Breaks : Impact::Changes);
  }

  void added(const Route& rule) {
    const Route* const former = former_.of(rule);
    const std::string start = requests_of(rule) + " " + fate(rule, "now ") + " (new rule " + name_of_rule(rule) + ")";
    if (!former)
      return add(rule, start + (refuses(rule) ? "" : "; no rule took all of it before"),
                 refuses(rule) ? Impact::Risk : Impact::Note);
    if (same_target(rule, *former)) {
      const bool same = same_treatment(rule, *former);
      return add(rule, start + ", as it did by " + name_of_rule(*former) + (same ? "" : ", with other filters or limits"),
                 same ? Impact::Note : Impact::Risk);
    }
    add(rule, start + " instead of " + target_of(*former) + " (" + name_of_rule(*former) + ")",
        refuses(rule) && !refuses(*former) ? Impact::Breaks : Impact::Changes);
  }

  // Does it take what another took, or the other way round, now that they have changed places?
  void moved(size_t from, size_t to) {
    const Route& rule = fresh_.rules()[to];
    for (size_t i = 0; i < pair_.size(); ++i) {
      if (pair_[i] == kNone || i == from || (i < from) == (pair_[i] < to)) continue;
      const Route& other = fresh_.rules()[pair_[i]];
      const bool same = same_target(rule, other);
      if (same && same_treatment(rule, other)) continue;
      const bool now_first = to < pair_[i];
      const Route& first = now_first ? rule : other;
      const Route& second = now_first ? other : rule;
      if (looks_left_ == 0)
        return add(rule,
                   "rule " + name_of_rule(rule) + " (" + requests_of(rule) +
                       ") stands elsewhere now; too many have moved to say what comes of it",
                   Impact::Changes);
      --looks_left_;
      if (!overlap(first, second)) continue;
      const std::string start = "rule " + name_of_rule(rule) + " stands " + (now_first ? "before " : "behind ") +
                                name_of_rule(other) + " now: what both take (" + requests_of(both_of(first, second)) + ") ";
      if (same) return add(rule, start + "has the filters and limits of " + name_of_rule(first), Impact::Risk);
      return add(rule, start + fate(first, "") + " instead of " + target_of(second),
                 refuses(first) ? Impact::Breaks : Impact::Changes);
    }
    add(rule,
        "rule " + name_of_rule(rule) + " (" + requests_of(rule) + ") stands elsewhere now, and no request goes elsewhere by that",
        Impact::Note);
  }

  void same(size_t from, size_t to) {
    const Route& was = old_.rules()[from];
    const Route& is = fresh_.rules()[to];
    if (signature_of(was) != signature_of(is))
      add(is, "rule " + name_of_rule(is) + " takes " + requests_of(is) + " now instead of " + requests_of(was), Impact::Changes);
    if (!same_target(was, is)) target(was, is);
    else if (!(was.respond.body == is.respond.body && was.respond.headers == is.respond.headers))
      add(is, requests_of(is) + " is answered here with another text or other headers", Impact::Changes);
    if (!was.implied && !is.implied && was.name != is.name && old_.listener.table == fresh_.listener.table && from == to)
      add(is, "rule " + name_of_rule(is) + " is called " + is.name + " in metrics and logs now, no longer " + was.name,
          Impact::Note);
    if (was.implied != is.implied || !old_.nodes[from] || !fresh_.nodes[to]) return;
    const std::string subject = prefix_ + requests_of(is) + ": ";
    Differences found;
    // The path in the sentences is the rule's: these are keys of it.
    diff_values(old_.nodes[from], fresh_.nodes[to],
                {Kind::Route,
                 subject,
                 {"rule"},
                 1,
                 {"name", "match", "cluster", "split", "redirect", "respond", "passthrough", "filters"},
                 "as the cluster has it"},
                found);
    for (Difference& each : found) {
      each.path = is.path + each.path.substr(4);
      weigh(each);
      out_.push_back(std::move(each));
    }
    diff_chain(own_filters(old_.listener, was), own_filters(fresh_.listener, is), subject, is.path + ".filters", out_);
    taken_out(was, is, subject);
  }

  static void weigh(Difference& each) {
    for (const char* key : {".access_log", ".name"})
      if (each.path.ends_with(key)) each.severity = Impact::Note;
    for (const char* key : {".timeout", ".retry", ".hedge"})
      if (each.path.find(key) != each.path.npos) each.severity = Impact::Risk;
  }

  // Filters of the listener that the rule switches off: `{jwt: off}`.
  void taken_out(const Route& was, const Route& is, const std::string& subject) {
    const auto before = without_filters(old_.listener, was), after = without_filters(fresh_.listener, is);
    const auto missing = [](const std::vector<std::string>& in, const std::string& name) {
      return std::find(in.begin(), in.end(), name) == in.end();
    };
    for (const std::string& name : after)
      if (missing(before, name))
        out_.push_back({Kind::Filter, is.path + ".filters", subject + "the listener's filter " + name + " no longer looks at it",
                        Impact::Risk});
    for (const std::string& name : before)
      if (missing(after, name))
        out_.push_back(
            {Kind::Filter, is.path + ".filters", subject + "the listener's filter " + name + " looks at it now", Impact::Risk});
  }

  static const uint32_t* weight(const Route& route, const std::string& name) {
    for (const auto& [cluster, weight] : route.split)
      if (cluster == name) return &weight;
    return nullptr;
  }

  static std::string share(const Route& route, const std::string& name) {
    uint64_t sum = 0;
    for (const auto& [cluster, each] : route.split) sum += each;
    const uint32_t* const own = weight(route, name);
    return percent_text(own && sum ? double(*own) / double(sum) : 0);
  }

  // Where requests go: as little as is needed to say what is new about it.
  void target(const Route& was, const Route& is) {
    const std::string what = requests_of(is);
    const bool clusters = was.action == Route::Action::Cluster && is.action == Route::Action::Cluster;
    if (clusters && was.split.empty() && weight(is, was.cluster)) {
      std::vector<std::string> others;
      for (const auto& [name, each] : is.split)
        if (name != was.cluster) others.push_back(name + " (" + share(is, name) + ")");
      return add(is, what + " now goes to " + joined(others) + " beside " + was.cluster, Impact::Changes);
    }
    if (clusters && is.split.empty() && weight(was, is.cluster)) {
      std::vector<std::string> others;
      for (const auto& [name, each] : was.split)
        if (name != is.cluster) others.push_back(name + " (" + share(was, name) + ")");
      return add(is, what + " goes to " + is.cluster + " alone now, no longer to " + joined(others), Impact::Changes);
    }
    if (clusters && !was.split.empty() && !is.split.empty()) {
      std::vector<std::string> parts;
      for (const auto& [name, each] : is.split)
        if (share(was, name) != share(is, name)) parts.push_back(name + " " + share(was, name) + " -> " + share(is, name));
      for (const auto& [name, each] : was.split)
        if (!weight(is, name)) parts.push_back(name + " " + share(was, name) + " -> 0 %");
      return add(is, what + ": " + joined(parts), Impact::Changes);
    }
    const bool lost = refuses(is) && !refuses(was);
    add(is, what + " " + fate(is, "now ") + " instead of " + target_of(was), lost ? Impact::Breaks : Impact::Changes);
  }

  const Table old_, fresh_;
  const std::string& prefix_;
  Differences& out_;
  const std::vector<size_t> pair_;
  Takers takers_, former_;
  size_t looks_left_ = 200'000;  // at pairs of rules that have changed places: some seconds of work
};

}  // namespace

void diff_routes(const Document& before, const Listener& old, const Document& after, const Listener& fresh,
                 const std::string& prefix, Differences& out) {
  Comparison(before, old, after, fresh, prefix, out).run();
}

}  // namespace outrider::config
