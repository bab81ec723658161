#include "config/diff.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "config/differences.h"
#include "config/reader.h"

namespace outrider::config {

namespace {

using Impact = Difference::Severity;
using Kind = Difference::Kind;

const Node* below(const Document& d, const char* section, const std::string& name) {
  const Node* const of = d.effective.find(section);
  return of ? of->find(name) : nullptr;
}

std::string addresses_of(const Listener& l) { return l.addresses.empty() ? "no address" : joined(l.addresses); }

template <class T>
const T* named(const std::vector<T>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const T& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

// What variables hold may be secret, and rules, addresses and names are told as they are in force: in sentences the variable
// stands in the place of its value.
class Masks {
 public:
  explicit Masks(std::initializer_list<const Document*> documents) {
    for (const Document* d : documents) gather(d->effective);
    std::stable_sort(all_.begin(), all_.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  }
  void apply(std::string& sentence) const {
    for (const auto& [value, variable] : all_)
      for (size_t at = 0; (at = sentence.find(value, at)) != sentence.npos;) {
        const size_t end = at + value.size();
        // A short one, "80" or "on", is a part of other words as well.
        const bool whole = !is_word(at ? sentence[at - 1] : ' ') && !is_word(end < sentence.size() ? sentence[end] : ' ');
        if (value.size() >= kLong || whole) sentence.replace(at, value.size(), variable), at += variable.size();
        else at = end;
      }
  }

 private:
  static constexpr size_t kLong = 6;
  static bool is_word(char c) { return is_alpha(c) || is_digit(c) || c == '_'; }
  void gather(const Node& node) {
    if (node.is_scalar() && !node.written().empty()) {
      add(node.text(), node.written());
      for (const Node& item : items_of(node)) add(item.text(), node.written());  // a list in one variable
    }
    for (const Node& item : node.items()) gather(item);
    for (const auto& entry : node.entries()) gather(entry.value);
  }
  void add(const std::string& value, const std::string& variable) {
    const std::pair both(value, variable);
    if (!value.empty() && std::find(all_.begin(), all_.end(), both) == all_.end()) all_.push_back(both);
  }
  std::vector<std::pair<std::string, std::string>> all_;  // the longest first
};

// One diff().
class Whole {
 public:
  Whole(const Document& before, const Document& after) : before_(before), after_(after) {}

  Differences take() {
    listeners();
    diff_access(before_, after_, out_);
    clusters();
    service();
    for (const auto& [section, kind] : {std::pair{"identity", Kind::Identity},
                                        {"registry", Kind::Registry},
                                        {"overload", Kind::Process},
                                        {"lifecycle", Kind::Process},
                                        {"config", Kind::Process},
                                        {"telemetry", Kind::Process},
                                        {"admin", Kind::Process},
                                        {"node", Kind::Process}})
      section_of(section, kind);
    diff_values(before_.effective.find("authorization"), after_.effective.find("authorization"),
                {Kind::Access, "authorization: ", {"authorization"}, 1, {"allow", "deny"}}, out_);
    experiments();
    mode();
    const Masks masks{&before_, &after_};
    for (Difference& each : out_) masks.apply(each.sentence);
    for (Difference& each : out_)  // what was written may hold anything; a sentence is one line of a terminal
      std::replace_if(
          each.sentence.begin(), each.sentence.end(), [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; }, ' ');
    std::stable_sort(out_.begin(), out_.end(), [](const Difference& a, const Difference& b) { return a.severity < b.severity; });
    return std::move(out_);
  }

 private:
  void add(Kind kind, std::string path, std::string sentence, Impact severity) {
    out_.push_back({kind, std::move(path), std::move(sentence), severity});
  }

  // A sidecar that becomes a gateway, or the other way round.
  void service() {
    if (bool(before_.service) == bool(after_.service)) return section_of("service", Kind::Service);
    const Service& one = before_.service ? before_.service : after_.service;
    add(Kind::Service, "service", "service " + one.name + (before_.service ? " is gone: callers no longer find it" : " is new"),
        before_.service ? Impact::Breaks : Impact::Note);
  }

  void section_of(const char* section, Kind kind) {
    diff_values(before_.effective.find(section), after_.effective.find(section),
                {kind, std::string(section) + ": ", {section}, 1}, out_);
  }

  // What else is others' is said one by one.
  void mode() {
    if (before_.mode != after_.mode)
      add(Kind::Process, "mode", std::string("mode ") + name_of(before_.mode) + " -> " + name_of(after_.mode), Impact::Changes);
  }

  void listeners() {
    std::set<std::string> tables;
    for (const Listener& old : before_.listeners) {
      const std::string path = join_path("listeners", old.name), subject = "listener " + old.name + ": ";
      const Listener* const fresh = named(after_.listeners, old.name);
      if (!fresh) {
        gone(old, path);
        continue;
      }
      if (old.addresses != fresh->addresses) addresses(old, *fresh, path + ".address", subject);
      diff_values(below(before_, "listeners", old.name), below(after_, "listeners", old.name),
                  {Kind::Listener, subject, {"listeners", old.name}, 2, {"address", "routes", "filters"}}, out_);
      diff_chain(joined_chain(old), joined_chain(*fresh), subject, join_path("filters", old.name), out_);
      if (!tables.insert(old.table + "\n" + fresh->table).second) continue;  // another listener's as well
      const bool several = before_.listeners.size() > 1 || after_.listeners.size() > 1;
      diff_routes(before_, old, after_, *fresh, several ? fresh->name + ": " : "", out_);
    }
    for (const Listener& fresh : after_.listeners)
      if (!named(before_.listeners, fresh.name))
        add(Kind::Listener, join_path("listeners", fresh.name), "listener " + fresh.name + " is new, on " + addresses_of(fresh),
            Impact::Note);
  }

  static Chain joined_chain(const Listener& l) {
    Chain chain = l.ip;
    chain.insert(chain.end(), l.filters.begin(), l.filters.end());
    return chain;
  }

  const Listener* listening(const std::string& address) const {
    for (const Listener& l : after_.listeners)
      if (std::find(l.addresses.begin(), l.addresses.end(), address) != l.addresses.end()) return &l;
    return nullptr;
  }

  void gone(const Listener& old, const std::string& path) {
    std::vector<std::string> lost;
    for (const std::string& address : old.addresses)
      if (!listening(address)) lost.push_back(address);
    if (!lost.empty())
      return add(Kind::Listener, path, "listener " + old.name + " is gone: nobody listens on " + joined(lost) + " any more",
                 Impact::Breaks);
    const Listener* const other = old.addresses.empty() ? nullptr : listening(old.addresses.front());
    add(Kind::Listener, path,
        "listener " + old.name + " is gone" +
            (other ? ": " + addresses_of(old) + " is listener " + other->name + "'s now, with its rules" : std::string()),
        Impact::Risk);
  }

  void addresses(const Listener& old, const Listener& fresh, const std::string& path, const std::string& subject) {
    std::vector<std::string> lost, come;
    for (const std::string& address : old.addresses)
      if (std::find(fresh.addresses.begin(), fresh.addresses.end(), address) == fresh.addresses.end()) lost.push_back(address);
    for (const std::string& address : fresh.addresses)
      if (std::find(old.addresses.begin(), old.addresses.end(), address) == old.addresses.end()) come.push_back(address);
    std::string text;
    if (!lost.empty()) text = "no longer on " + joined(lost);
    if (!come.empty())
      text += (text.empty() ? "" : ", but ") + std::string("on ") + joined(come) + (lost.empty() ? " as well" : "");
    if (text.empty()) text = "its addresses are in another order";
    add(Kind::Listener, path, subject + text + (lost.empty() ? "" : ": who calls there is refused"),
        lost.empty() ? Impact::Note : Impact::Breaks);
  }

  bool service_differs() const {
    const Node* const was = before_.effective.find("service");
    const Node* const is = after_.effective.find("service");
    return was && is && !(*was == *is);
  }

  // A cluster that only a rule names is as the defaults are.
  const Node* tree_of(const Document& d, const std::string& name) const {
    if (const Node* own = below(d, "clusters", name)) return own;
    return d.cluster(name) ? below(d, "defaults", "cluster") : nullptr;
  }

  void clusters() {
    std::vector<std::string> names;
    for (const Document* d : {&before_, &after_})
      for (const Cluster& cluster : d->clusters)
        if (std::find(names.begin(), names.end(), cluster.name) == names.end()) names.push_back(cluster.name);
    bool defaults_said = false;
    for (const std::string& name : names) {
      const Cluster* const old = before_.cluster(name);
      const Cluster* const fresh = after_.cluster(name);
      const std::string path = join_path("clusters", name);
      if (!old || !fresh) {  // where requests go instead is said of the rules
        if (const Cluster* one = old ? old : fresh; !one->implied)
          add(Kind::Cluster, path, "cluster " + name + (old ? " is gone" : " is new"), Impact::Note);
        continue;
      }
      const Node* const tree = tree_of(before_, name);
      const Node* const other = tree_of(after_, name);
      const bool of_defaults = old->implied && fresh->implied && old->discovery != Cluster::Discovery::OriginalDst;
      if (of_defaults && std::exchange(defaults_said, true)) continue;
      const std::string subject = of_defaults ? "clusters that only a rule names: " : "cluster " + name + ": ";
      Keys skip{"endpoints"};
      const bool of_service = name == kLocalCluster && service_differs();  // a preset makes these of what is said of the service
      if (of_service) skip = {"endpoints", "health_check", "protocol"};
      diff_values(tree, other, {Kind::Cluster, subject, {"clusters", of_defaults ? "*" : name}, 2, skip}, out_);
      if (!of_service) endpoints(*old, *fresh, path + ".endpoints");
    }
    const bool by_host = std::any_of(after_.listeners.begin(), after_.listeners.end(), [](const Listener& l) {
      return std::any_of(l.routes.begin(), l.routes.end(), [](const Route& r) { return r.action == Route::Action::ByHost; });
    });
    if (by_host && !defaults_said)
      diff_values(below(before_, "defaults", "cluster"), below(after_, "defaults", "cluster"),
                  {Kind::Cluster, "services found by the Host header: ", {"clusters", "*"}, 2}, out_);
    for (Difference& each : out_)
      if (each.path.starts_with("clusters.*")) each.path.replace(0, 10, "defaults.cluster");
  }

  void endpoints(const Cluster& old, const Cluster& fresh, const std::string& path) {
    const auto at = [](const Cluster& c, const std::string& address) {
      const auto found =
          std::find_if(c.endpoints.begin(), c.endpoints.end(), [&](const Endpoint& e) { return e.address == address; });
      return found == c.endpoints.end() ? nullptr : &*found;
    };
    const std::string subject = "cluster " + fresh.name + ": ";
    std::vector<std::string> gone, come;
    for (const Endpoint& e : old.endpoints)
      if (!at(fresh, e.address)) gone.push_back(e.address);
    for (const Endpoint& e : fresh.endpoints)
      if (!at(old, e.address)) come.push_back(e.address);
    const auto are = [](const std::vector<std::string>& all) { return all.size() == 1 ? " is " : " are "; };
    const std::string left = std::to_string(fresh.endpoints.size()) + (fresh.endpoints.size() == 1 ? " is left" : " are left");
    if (!gone.empty())
      add(Kind::Endpoint, path,
          subject + joined(gone) + are(gone) + "gone" + (come.empty() ? ", " + left : ", " + joined(come) + are(come) + "new"),
          gone.size() == old.endpoints.size() || come.empty() ? Impact::Risk : Impact::Changes);
    else if (!come.empty()) add(Kind::Endpoint, path, subject + joined(come) + are(come) + "new", Impact::Changes);
    for (const Endpoint& e : fresh.endpoints) {
      const Endpoint* const was = at(old, e.address);
      if (!was) continue;
      const std::string where = subject + "endpoint " + e.address + ": ";
      if (was->weight != e.weight)
        add(Kind::Endpoint, path,
            where + "weight " + std::to_string(was->weight) + " -> " + std::to_string(e.weight) +
                (e.weight ? "" : ": it is drained"),
            e.weight ? Impact::Changes : Impact::Risk);
      if (was->zone != e.zone || was->priority != e.priority || was->labels != e.labels)
        add(Kind::Endpoint, path, where + "its zone, priority or labels are others", Impact::Changes);
    }
  }

  void experiments() {
    for (const Experiment& e : before_.experiments)
      if (!named(after_.experiments, e.name))
        add(Kind::Experiment, join_path("experiments", e.name), "experiment " + e.name + " is over", Impact::Note);
    for (const Experiment& e : after_.experiments) {
      const std::string path = join_path("experiments", e.name),
                        about = e.cluster.empty() ? "rule " + e.route : "cluster " + e.cluster;
      if (!named(before_.experiments, e.name))
        add(Kind::Experiment, path, "experiment " + e.name + " begins, at " + about + ": requests are made to wait or fail",
            Impact::Risk);
      else
        diff_values(below(before_, "experiments", e.name), below(after_, "experiments", e.name),
                    {Kind::Experiment, "experiment " + e.name + ": ", {"experiments", e.name}, 2}, out_);
    }
  }

  const Document& before_;
  const Document& after_;
  Differences out_;
};

}  // namespace

const char* name_of(Difference::Severity severity) {
  switch (severity) {
    case Impact::Breaks: return "breaks";
    case Impact::Risk: return "risk";
    case Impact::Changes: return "changes";
    case Impact::Note: return "note";
  }
  return "";
}

const char* name_of(Difference::Kind kind) {
  switch (kind) {
    case Kind::Listener: return "listener";
    case Kind::Route: return "route";
    case Kind::Filter: return "filter";
    case Kind::Cluster: return "cluster";
    case Kind::Endpoint: return "endpoint";
    case Kind::Access: return "authorization";
    case Kind::Identity: return "identity";
    case Kind::Registry: return "registry";
    case Kind::Service: return "service";
    case Kind::Experiment: return "experiment";
    case Kind::Process: return "process";
  }
  return "";
}

std::vector<Difference> diff(const Document& before, const Document& after) { return Whole(before, after).take(); }

}  // namespace outrider::config
