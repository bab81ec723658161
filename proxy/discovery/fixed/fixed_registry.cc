#include "discovery/fixed/fixed_registry.h"

#include <algorithm>

namespace outrider::discovery {

void FixedRegistry::add(const std::string& service, std::vector<Instance> endpoints) {
  Service& entry = services_[service];
  entry.endpoints.clear();
  for (auto& endpoint : endpoints) entry.endpoints.push_back(std::make_shared<const Instance>(std::move(endpoint)));
  for (Watcher* watcher : std::vector<Watcher*>(entry.watchers)) tell(service, entry, *watcher);
}

void FixedRegistry::watch(const std::string& service, Watcher& watcher) {
  Service& entry = services_[service];
  if (std::find(entry.watchers.begin(), entry.watchers.end(), &watcher) == entry.watchers.end())
    entry.watchers.push_back(&watcher);
  tell(service, entry, watcher);
}

void FixedRegistry::unwatch(const std::string& service, Watcher& watcher) {
  const auto it = services_.find(service);
  if (it != services_.end()) std::erase(it->second.watchers, &watcher);
}

void FixedRegistry::tell(const std::string& name, const Service& service, Watcher& watcher) {
  watcher.on_instances(name, service.endpoints.empty() ? Known::Absent : Known::Yes, service.endpoints);
}

}  // namespace outrider::discovery
