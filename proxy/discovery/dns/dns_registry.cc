#include "discovery/dns/dns_registry.h"

#include <algorithm>

#include "base/log.h"

namespace outrider::discovery {

using net::DnsType;
using Result = net::DnsAnswer::Result;

namespace {

const char* label_of(Result result) {
  static constexpr const char* kNames[] = {"found",          "no_name", "no_data",   "timeout",
                                           "server_failure", "refused", "malformed", "unreachable"};
  return kNames[size_t(result)];
}

std::vector<std::vector<DnsType>> types_of(config::Dns::Type type) {
  switch (type) {
    case config::Dns::Type::A: return {{DnsType::A}};
    case config::Dns::Type::Aaaa: return {{DnsType::Aaaa}};
    case config::Dns::Type::Any: return {{DnsType::A}, {DnsType::Aaaa}};  // each on its own
    case config::Dns::Type::Srv: return {{DnsType::Srv}};
  }
  return {};
}

const std::vector<DnsType> kTarget{DnsType::A, DnsType::Aaaa};  // one after the other

// Whom a certificate must be for: "_https._tcp.example.com" is a service of example.com.
std::string host_of(std::string_view name) {
  std::string_view rest = name;
  while (rest.starts_with('_') && rest.find('.') != rest.npos) rest.remove_prefix(rest.find('.') + 1);
  return std::string(rest);
}

}  // namespace

class DnsRegistry::Service final : DnsName::Events, net::EndOfTurn {
 public:
  Service(DnsRegistry& registry, std::string key) : registry_(registry), key_(std::move(key)) {}
  void set(std::vector<Instance> endpoints, const config::Dns& options);
  void watch(Watcher& watcher);
  void unwatch(Watcher& watcher);
  Origin origin() const;

 private:
  struct Endpoint {
    std::shared_ptr<const Instance> facts;
    std::string host;  // empty: its address is one
    uint16_t port = 0;
  };
  using Key = std::pair<std::string, std::vector<DnsType>>;
  using Set = std::vector<std::shared_ptr<const Instance>>;
  void on_dns_result(Result result) override { registry_.events_.on_dns_lookup(label_of(result)); }
  void on_name_changed() override { registry_.control_.at_end_of_turn(*this); }
  void on_end_of_turn() override;
  void follow();
  const DnsName* name(const std::string& host, const std::vector<DnsType>& types) const;
  Set found();
  void add(Set& to, const Endpoint& endpoint, const net::DnsRecord& record) const;
  void add_services(Set& to, const Endpoint& endpoint, const DnsName& name) const;
  void judge(const Set& set);
  DnsRegistry& registry_;
  const std::string key_;
  std::vector<Endpoint> endpoints_;
  config::Dns options_;
  std::vector<Watcher*> watchers_;
  std::map<Key, std::unique_ptr<DnsName>> names_;  // while somebody watches
  Set set_;
  Known known_ = Known::NotYet;
  std::string trouble_;
  bool cut_ = false;
};

void DnsRegistry::Service::set(std::vector<Instance> endpoints, const config::Dns& options) {
  endpoints_.clear();
  options_ = options;
  for (auto& each : endpoints) {
    Endpoint endpoint;
    if (!net::Address::parse(each.address)) {
      const size_t colon = each.address.rfind(':');
      endpoint.host = each.address.substr(0, colon);
      endpoint.port = uint16_t(std::atoi(each.address.c_str() + colon + 1));
      each.host = host_of(endpoint.host);
    }
    endpoint.facts = std::make_shared<const Instance>(std::move(each));
    endpoints_.push_back(std::move(endpoint));
  }
  if (!watchers_.empty()) on_end_of_turn();
}

void DnsRegistry::Service::watch(Watcher& watcher) {
  if (std::find(watchers_.begin(), watchers_.end(), &watcher) == watchers_.end()) watchers_.push_back(&watcher);
  follow();
  set_ = found();
  judge(set_);
  watcher.on_instances(key_, known_, set_);
}

void DnsRegistry::Service::unwatch(Watcher& watcher) {
  std::erase(watchers_, &watcher);
  if (!watchers_.empty()) return;
  names_.clear();
  unlink();
}

void DnsRegistry::Service::on_end_of_turn() {
  follow();
  set_ = found();
  judge(set_);
  for (Watcher* watcher : std::vector<Watcher*>(watchers_)) watcher->on_instances(key_, known_, set_);
}

const DnsName* DnsRegistry::Service::name(const std::string& host, const std::vector<DnsType>& types) const {
  const auto it = names_.find({host, types});
  return it == names_.end() ? nullptr : it->second.get();
}

// Those names that are wanted now, whether they stand in the configuration or in an answer; others are asked for no more.
void DnsRegistry::Service::follow() {
  std::map<Key, std::unique_ptr<DnsName>> wanted;
  const auto want = [&](const std::string& host, const std::vector<DnsType>& types) -> const DnsName& {
    auto& name = wanted[{host, types}];
    if (name) return *name;
    if (const auto known = names_.find({host, types}); known != names_.end()) name = std::move(known->second);
    else
      name = std::make_unique<DnsName>(registry_.control_, registry_.resolver_of(options_), host, types, options_,
                                       static_cast<DnsName::Events&>(*this));
    return *name;
  };
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.host.empty()) continue;
    for (const auto& types : types_of(options_.type)) {
      const auto& records = want(endpoint.host, types).records();
      if (options_.type != config::Dns::Type::Srv) continue;
      for (size_t i = 0; i < std::min(records.size(), options_.max_endpoints); ++i) want(records[i].target, kTarget);
    }
  }
  names_ = std::move(wanted);
}

void DnsRegistry::Service::add(Set& to, const Endpoint& endpoint, const net::DnsRecord& record) const {
  auto facts = std::make_shared<Instance>(*endpoint.facts);
  net::Address address = record.address;
  address.set_port(endpoint.port);
  facts->address = address.text();
  to.push_back(std::move(facts));
}

// Priorities are ranks, since there are only a few; who has no weight gets a little (RFC 2782); a target's addresses share its
// own.
void DnsRegistry::Service::add_services(Set& to, const Endpoint& endpoint, const DnsName& name) const {
  uint8_t rank = 0;
  const auto& records = name.records();
  for (size_t i = 0; i < std::min(records.size(), options_.max_endpoints); ++i) {
    const net::DnsRecord& record = records[i];
    if (i > 0 && record.priority != records[i - 1].priority && rank < UINT8_MAX) ++rank;
    const DnsName* target = this->name(record.target, kTarget);
    if (!target) continue;
    for (const net::DnsRecord& found : target->records()) {
      auto facts = std::make_shared<Instance>(*endpoint.facts);
      net::Address address = found.address;
      address.set_port(record.port);
      facts->address = address.text();
      facts->priority = rank;
      facts->weight = std::max(1u, uint32_t(record.weight / target->records().size()));
      to.push_back(std::move(facts));
    }
  }
}

DnsRegistry::Service::Set DnsRegistry::Service::found() {
  Set set;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.host.empty()) set.push_back(endpoint.facts);
    else
      for (const auto& types : types_of(options_.type)) {
        const DnsName* name = this->name(endpoint.host, types);
        if (!name) continue;
        if (options_.type == config::Dns::Type::Srv) add_services(set, endpoint, *name);
        else
          for (const auto& record : name->records()) add(set, endpoint, record);
      }
  }
  const size_t all = set.size();
  const bool cut = all > options_.max_endpoints;
  if (cut) set.resize(options_.max_endpoints);
  if (cut) registry_.events_.on_dns_lookup("cut");
  if (cut && !cut_)
    log::warn("DNS has more endpoints than dns.max_endpoints, the others are not used",
              {{"cluster", key_}, {"found", all}, {"used", options_.max_endpoints}});
  cut_ = cut;
  return set;
}

// While one name answers, another that has nothing is no trouble.
void DnsRegistry::Service::judge(const Set& set) {
  using State = DnsName::State;
  const DnsName *asking = nullptr, *failing = nullptr, *none = nullptr;
  for (const auto& [key, name] : names_) {
    if (name->state() == State::Asking) asking = name.get();
    if (name->state() == State::Failing) failing = name.get();
    if (name->state() == State::None) none = name.get();
  }
  const DnsName* worst = failing;
  if (!set.empty()) {
    known_ = failing ? Known::Stale : Known::Yes;
  } else if (asking) {
    known_ = Known::NotYet;
    worst = asking;
  } else {
    known_ = failing && options_.keep ? Known::Stale : Known::Absent;
    if (!failing) worst = none;
  }
  trouble_ = worst ? worst->trouble() : std::string();
}

Origin DnsRegistry::Service::origin() const {
  std::string from = "DNS";
  for (const auto& [key, name] : names_) from += (from.size() > 3 ? ", " : ": ") + name->question();
  return {from, trouble_};
}

DnsRegistry::DnsRegistry(net::Loop& control, DnsEvents& events) : control_(control), events_(events) {}

DnsRegistry::~DnsRegistry() = default;

net::Resolver& DnsRegistry::resolver_of(const config::Dns& options) {
  std::string key = std::to_string(options.timeout.count());
  for (const std::string& server : options.servers) key += " " + server;
  auto& resolver = resolvers_[key];
  if (!resolver)
    resolver =
        std::make_unique<net::Resolver>(control_, net::Resolver::Options{.servers = options.servers, .timeout = options.timeout});
  return *resolver;
}

void DnsRegistry::add(const std::string& service, std::vector<Instance> endpoints, const config::Dns& options) {
  auto& entry = services_[service];
  if (!entry) entry = std::make_unique<Service>(*this, service);
  entry->set(std::move(endpoints), options);
}

void DnsRegistry::remove(const std::string& service) { services_.erase(service); }

void DnsRegistry::watch(const std::string& service, Watcher& watcher) {
  const auto it = services_.find(service);
  if (it == services_.end()) return watcher.on_instances(service, Known::Absent, {});
  it->second->watch(watcher);
}

void DnsRegistry::unwatch(const std::string& service, Watcher& watcher) {
  if (const auto it = services_.find(service); it != services_.end()) it->second->unwatch(watcher);
}

Origin DnsRegistry::origin(const std::string& service) const {
  const auto it = services_.find(service);
  return it == services_.end() ? Origin{} : it->second->origin();
}

}  // namespace outrider::discovery
