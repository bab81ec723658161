#include "upstream/endpoint.h"

#include <algorithm>
#include <unordered_map>

namespace outrider::upstream {

using discovery::Instance;

namespace {

net::Address parse(const std::string& text) {
  const auto address = net::Address::parse(text);
  return address ? *address : net::Address{};
}

std::string key_of(const Instance& facts) {
  return facts.address + '\n' + facts.identity + (facts.mutual_tls ? "\n+" : "\n") + facts.host;
}
std::string key_of(const Endpoint& endpoint) {
  return endpoint.address + '\n' + endpoint.identity + (endpoint.mutual_tls ? "\n+" : "\n") + endpoint.host;
}

// All but what a re-signing changes: number, issue and expiry.
bool same_facts(const Instance& a, const Instance& b) {
  return a.weight == b.weight && a.slots == b.slots && a.draining == b.draining && a.priority == b.priority && a.zone == b.zone &&
         a.version == b.version && a.protocol == b.protocol && a.instance == b.instance && a.labels == b.labels;
}

}  // namespace

Endpoint::Endpoint(std::string address_text, std::string identity_text, WallTime first_seen, bool mutual, std::string name)
    : address(std::move(address_text)), identity(std::move(identity_text)), host(std::move(name)), mutual_tls(mutual),
      socket(parse(address)), since_ms(to_ms(first_seen)) {}

bool is_ejected(const Endpoint& endpoint, int64_t now_ms) {
  const int64_t until = endpoint.ejected_until_ms.load(std::memory_order_relaxed);
  return until > now_ms && until <= now_ms + kLongestEjection.count();
}

bool is_half_open(const Endpoint& endpoint, int64_t now_ms) {
  return endpoint.ejections.load(std::memory_order_relaxed) > 0 && !is_ejected(endpoint, now_ms);
}

bool is_out(const Endpoint& endpoint, int64_t now_ms) { return is_ejected(endpoint, now_ms) || is_half_open(endpoint, now_ms); }

std::shared_ptr<const EndpointSet> next_set(const std::shared_ptr<const EndpointSet>& before, Known known,
                                            const std::vector<std::shared_ptr<const Instance>>& all, const std::string& trouble) {
  const bool silent = known == Known::NotYet || known == Known::Stale;
  if (silent && all.empty() && before && !before->members.empty()) {  // silence takes nobody away
    if (before->known == Known::Stale) return nullptr;
    auto next = std::make_shared<EndpointSet>(*before);
    next->known = Known::Stale;
    next->trouble = trouble;
    next->since_ms = to_ms(std::chrono::system_clock::now());
    ++next->revision;
    return next;
  }

  std::unordered_map<std::string, const Member*> survivors;
  if (before)
    for (const Member& member : before->members) survivors.emplace(key_of(*member.endpoint), &member);

  auto next = std::make_shared<EndpointSet>();
  next->known = known;
  next->trouble = trouble;
  std::unordered_map<std::string, size_t> at;
  bool changed = !before || before->known != known || before->trouble != trouble;
  for (const auto& facts : all) {
    const std::string key = key_of(*facts);
    if (const auto [seen, fresh] = at.emplace(key, next->members.size()); !fresh) {  // named twice: the newest counts
      Member& member = next->members[seen->second];
      if (facts->sequence > member.facts->sequence) member.facts = facts;
      continue;
    }
    const auto survivor = survivors.find(key);
    const auto now = std::chrono::system_clock::now();
    next->members.push_back({survivor != survivors.end() ? survivor->second->endpoint
                                                         : std::make_shared<Endpoint>(facts->address, facts->identity, now,
                                                                                      facts->mutual_tls, facts->host),
                             facts});
  }
  changed |= next->members.size() != (before ? before->members.size() : 0);
  for (const Member& member : next->members) {
    const auto survivor = survivors.find(key_of(*member.endpoint));
    changed |= survivor == survivors.end() || !same_facts(*survivor->second->facts, *member.facts);
  }
  if (!changed) return nullptr;

  next->revision = before ? before->revision + 1 : 1;
  const bool since_then = before && before->known == known && before->members.empty() == next->members.empty();
  next->since_ms = since_then ? before->since_ms : to_ms(std::chrono::system_clock::now());
  return next;
}

EndpointState state_of(const Member& member, Known known, WallTime now) {
  if (member.facts->draining || member.facts->weight == 0) return EndpointState::Draining;
  if (member.endpoint->health.load(std::memory_order_relaxed) == Health::Unhealthy) return EndpointState::Unhealthy;
  if (is_out(*member.endpoint, to_ms(now))) return EndpointState::Ejected;
  return known == Known::Stale ? EndpointState::Stale : EndpointState::Ready;
}

int64_t since_of(const Endpoint& endpoint, EndpointState state) {
  switch (state) {
    case EndpointState::Unhealthy: return endpoint.health_since_ms.load(std::memory_order_relaxed);
    case EndpointState::Ejected: return endpoint.ejected_since_ms.load(std::memory_order_relaxed);
    default: return 0;
  }
}

const char* name_of(Ejected why) {
  static constexpr const char* kNames[] = {"none", "connect_failure", "no_answer", "gateway_error", "5xx", "success_rate"};
  return kNames[size_t(why)];
}

const char* name_of(EndpointState state) {
  static constexpr const char* kNames[] = {"ready", "draining", "ejected", "unhealthy", "stale"};
  return kNames[size_t(state)];
}

}  // namespace outrider::upstream
