#include "config/shadowed.h"

#include <algorithm>
#include <optional>

#include "base/path.h"

namespace outrider::config {

namespace {

using Keys = std::vector<std::string>;

const std::string kAny = "*";

// Below it, with the dot: "*.a.test" is ".a.test".
std::string_view below(std::string_view name) { return name.starts_with("*.") ? name.substr(1) : name; }

bool host_covers(std::string_view wide, std::string_view narrow) {
  if (wide == narrow || wide == kAny) return true;
  if (!wide.starts_with("*.")) return false;
  const auto suffix = below(wide), name = below(narrow);
  return name.size() > suffix.size() && name.ends_with(suffix);
}

// What host_covers(X, name) holds of.
Keys names_covering(const std::string& name) {
  Keys keys{kAny};
  if (name != kAny) keys.push_back(name);
  const std::string_view rest = below(name);
  for (size_t dot = rest.find('.', 1); dot != rest.npos; dot = rest.find('.', dot + 1))
    keys.push_back("*" + std::string(rest.substr(dot)));
  return keys;
}

std::string prefix_key(std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return "<" + std::string(prefix);
}
std::string path_key(std::string_view path) { return "=" + std::string(path); }

// What covers_path(X, path) holds of, and rules for any path.
Keys prefixes_covering(const std::string& path) {
  Keys keys{kAny, prefix_key(path)};
  for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
    std::string key = prefix_key(std::string_view(path).substr(0, slash));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
  }
  return keys;
}

std::string join(const std::string& name, const std::string& path) { return name + "\n" + path; }
std::string server_name_key(const std::string& name) { return "sni\n" + name; }

}  // namespace

bool covers(const Route& earlier, const Route& rule, std::string& by) {
  if (earlier.conditions.any()) return false;
  const auto name_taken = [&](const std::string& name) {
    return std::any_of(earlier.server_names.begin(), earlier.server_names.end(),
                       [&](const std::string& wide) { return host_covers(wide, name); });
  };
  if (!earlier.server_names.empty()) {
    by = "sni \"" + earlier.server_names.front() + "\"";
    return !rule.server_names.empty() && std::all_of(rule.server_names.begin(), rule.server_names.end(), name_taken);
  }
  const auto host_taken = [&](const std::string& host) {
    return std::any_of(earlier.hosts.begin(), earlier.hosts.end(),
                       [&](const std::string& wide) { return host_covers(wide, host); });
  };
  if (!earlier.hosts.empty() && (rule.hosts.empty() || !std::all_of(rule.hosts.begin(), rule.hosts.end(), host_taken)))
    return false;
  const auto under = [&](const std::string& path) {
    return std::any_of(earlier.prefixes.begin(), earlier.prefixes.end(),
                       [&](const std::string& p) { return covers_path(p, path); });
  };
  const auto taken = [&](const std::string& path) {
    return under(path) || std::find(earlier.paths.begin(), earlier.paths.end(), path) != earlier.paths.end();
  };
  if (!earlier.prefixes.empty() || !earlier.paths.empty()) {
    const bool any_path = rule.prefixes.empty() && rule.paths.empty();
    if (any_path && !under("/")) return false;
    if (!std::all_of(rule.prefixes.begin(), rule.prefixes.end(), under)) return false;
    if (!std::all_of(rule.paths.begin(), rule.paths.end(), taken)) return false;
  }
  by = !earlier.prefixes.empty() ? "prefix \"" + earlier.prefixes.front() + "\""
       : !earlier.paths.empty()  ? "path \"" + earlier.paths.front() + "\""
       : !earlier.hosts.empty()  ? "host \"" + earlier.hosts.front() + "\""
                                 : "everything";
  return true;
}

const Shadows::Bucket* Shadows::find(const std::string& key) const {
  const auto found = by_name_and_path_.find(key);
  return found == by_name_and_path_.end() ? nullptr : &found->second;
}

// Under every name and path that it takes: whoever is covered finds it under any of its own.
void Shadows::file(const Route& rule, uint32_t index) {
  if (rule.conditions.any()) return;
  const auto add = [&](const std::string& key) {
    Bucket& bucket = by_name_and_path_[key];
    if (bucket.empty() || bucket.back() != index) bucket.push_back(index);
  };
  if (!rule.server_names.empty()) {
    for (const auto& name : rule.server_names) add(server_name_key(name));
    return;
  }
  Keys paths;
  for (const auto& prefix : rule.prefixes) paths.push_back(prefix_key(prefix));
  for (const auto& path : rule.paths) paths.push_back(path_key(path));
  if (paths.empty()) paths.push_back(kAny);
  for (const auto& host : rule.hosts.empty() ? Keys{kAny} : rule.hosts)
    for (const auto& path : paths) add(join(host, path));
}

// All that may cover it. Who covers a rule covers each of its names and paths, so that one of each is enough to look for: those
// that the fewest have.
std::vector<const Shadows::Bucket*> Shadows::candidates(const Route& rule) const {
  std::vector<const Bucket*> found;
  const auto buckets_of = [&](const Keys& keys) {
    std::vector<const Bucket*> buckets;
    for (const auto& key : keys)
      if (const Bucket* bucket = find(key)) buckets.push_back(bucket);
    return buckets;
  };
  const auto size_of = [](const std::vector<const Bucket*>& buckets) {
    size_t size = 0;
    for (const Bucket* bucket : buckets) size += bucket->size();
    return size;
  };
  std::optional<std::vector<const Bucket*>> best;
  const auto offer = [&](std::vector<const Bucket*> buckets) {
    if (!best || size_of(buckets) < size_of(*best)) best = std::move(buckets);
  };
  const auto take = [&] {
    if (best) found.insert(found.end(), best->begin(), best->end());
    best.reset();
  };
  for (const auto& name : rule.server_names) {
    Keys keys;
    for (const auto& each : names_covering(name)) keys.push_back(server_name_key(each));
    offer(buckets_of(keys));
  }
  take();
  if (!rule.server_names.empty() && !tls_too_) return found;
  std::vector<Keys> names, paths;
  for (const auto& host : rule.hosts) names.push_back(names_covering(host));
  if (names.empty()) names.push_back({kAny});
  for (const auto& prefix : rule.prefixes) paths.push_back(prefixes_covering(prefix));
  for (const auto& path : rule.paths) {
    paths.push_back(prefixes_covering(path));
    paths.back().push_back(path_key(path));
  }
  if (paths.empty()) paths.push_back({kAny, prefix_key("/")});
  for (const auto& name : names)
    for (const auto& path : paths) {
      Keys keys;
      for (const auto& one : name)
        for (const auto& other : path) keys.push_back(join(one, other));
      offer(buckets_of(keys));
    }
  take();
  return found;
}

const Route* Shadows::add(const Route& rule, std::string& by) {
  uint32_t first = uint32_t(rules_.size());
  std::string why;
  for (const Bucket* bucket : candidates(rule))
    for (const uint32_t index : *bucket) {
      if (index >= first) break;
      if (!covers(*rules_[index], rule, why)) continue;
      first = index;
      by = why;
    }
  const Route* const found = first < rules_.size() ? rules_[first] : nullptr;
  file(rule, uint32_t(rules_.size()));
  rules_.push_back(&rule);
  return found;
}

}  // namespace outrider::config
