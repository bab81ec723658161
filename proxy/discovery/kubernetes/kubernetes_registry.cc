#include "discovery/kubernetes/kubernetes_registry.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::discovery {

namespace {

bool is_label(std::string_view text) {  // RFC 1123, as names of namespaces and Services are
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; });
}

// "shop/cart:grpc"; no value: nothing in a cluster is called that.
std::optional<ServiceWatch::Name> parse(std::string_view key) {
  const size_t slash = key.find('/'), colon = std::min(key.find(':'), key.size());
  if (slash == key.npos || slash > colon) return {};
  ServiceWatch::Name name{std::string(key.substr(0, slash)), std::string(key.substr(slash + 1, colon - slash - 1)), {}};
  if (!is_label(name.space) || !is_label(name.service)) return {};
  if (colon == key.size()) return name;
  name.port = key.substr(colon + 1);
  if (!is_label(name.port)) return {};
  return name;
}

}  // namespace

KubernetesRegistry::KubernetesRegistry(net::Loop& control, Api& api, KubernetesEvents& events, KubernetesOptions options)
    : control_(control), api_(api), events_(events), options_(std::move(options)) {}

KubernetesRegistry::~KubernetesRegistry() = default;

std::unique_ptr<ServiceWatch> KubernetesRegistry::watch_of(const std::string& key, ServiceWatch::Name name) {
  return std::make_unique<ServiceWatch>(control_, api_, events_, options_, key, std::move(name),
                                        static_cast<ServiceWatch::Owner&>(*this));
}

void KubernetesRegistry::start() {
  question_ = watch_of(options_.name_space, {options_.name_space, {}, {}});
  question_->start();
}

void KubernetesRegistry::watch(const std::string& service, Watcher& watcher) {
  const auto [it, fresh] = services_.try_emplace(service);
  Service& entry = it->second;
  if (std::find(entry.watchers.begin(), entry.watchers.end(), &watcher) == entry.watchers.end())
    entry.watchers.push_back(&watcher);
  if (fresh) {
    auto name = parse(service);
    if (!name) entry.trouble = "no Service can have that name";
    else if (asked_ >= options_.max_services)
      entry.trouble = std::to_string(asked_) + " services are watched already (registry.kubernetes.max_services)";
    else {
      ++asked_;
      entry.watch = watch_of(service, std::move(*name));
      entry.watch->start();
    }
  }
  if (!entry.watch) return watcher.on_instances(service, Known::Absent, {});
  if (entry.watch->known() != Known::NotYet) watcher.on_instances(service, entry.watch->known(), entry.watch->all());
}

void KubernetesRegistry::unwatch(const std::string& service, Watcher& watcher) {
  const auto it = services_.find(service);
  if (it == services_.end()) return;
  std::erase(it->second.watchers, &watcher);
  if (!it->second.watchers.empty()) return;
  if (it->second.watch) {
    --asked_;
    it->second.watch->stop();
    over_.push_back(std::move(it->second.watch));
    control_.at_end_of_turn(*this);
  }
  services_.erase(it);
}

void KubernetesRegistry::on_end_of_turn() { over_.clear(); }

void KubernetesRegistry::on_known(ServiceWatch& watch) {
  const std::string key = watch.key();
  const auto it = services_.find(key);
  if (it == services_.end() || it->second.watch.get() != &watch) return;
  const auto watchers = it->second.watchers;  // any of them may leave while being called
  for (Watcher* watcher : watchers) {
    const auto still = services_.find(key);
    if (still == services_.end() || still->second.watch.get() != &watch) return;
    const auto& there = still->second.watchers;
    if (std::find(there.begin(), there.end(), watcher) != there.end()) watcher->on_instances(key, watch.known(), watch.all());
  }
}

Origin KubernetesRegistry::origin(const std::string& service) const {
  const auto it = services_.find(service);
  if (it == services_.end()) return {};
  return {"EndpointSlices of " + service, it->second.watch ? it->second.watch->trouble() : it->second.trouble};
}

std::vector<KubernetesRegistry::Watched> KubernetesRegistry::watched() const {
  std::vector<Watched> all;
  for (const auto& [key, service] : services_) {
    if (!service.watch) continue;
    Watched one{key, service.watch->known(), uint32_t(service.watch->all().size()), 0, service.watch->age()};
    for (const auto& facts : service.watch->all()) one.draining += facts->draining;
    all.push_back(std::move(one));
  }
  return all;
}

// Of what is watched now; before anything is, of the question at the start.
KubernetesRegistry::Facts KubernetesRegistry::facts() const {
  Facts facts{question_ && question_->answered(), question_ ? question_->trouble() : ""};
  if (facts.answering) facts.trouble.clear();
  bool any = false, all = true;
  for (const auto& [key, service] : services_) {
    if (!service.watch || service.watch->known() == Known::NotYet) continue;
    any = true;
    if (service.watch->answered()) continue;
    all = false;
    facts.trouble = service.watch->trouble();
  }
  if (any) facts.answering = all;
  return facts;
}

}  // namespace outrider::discovery
