#include "dns/zone.h"

#include <algorithm>

#include "base/text.h"
#include "net/dns_message.h"

namespace outrider::dns {

using net::DnsCode;
using net::DnsQuery;
using net::DnsReply;

namespace {

constexpr uint16_t kPointer = 12, kAuthority = 6;
constexpr size_t kLooked = 64;            // at endpoints, for one answer: as many as registry.dns.max_answers may be
constexpr uint16_t kNoMoreAddresses = 0;  // of RFC 8914: other

bool asks(const DnsQuery& query, net::DnsType type) { return query.type == uint16_t(type); }

// ANY is answered with the addresses of one family, which are enough (RFC 8482).
bool wants(const DnsQuery& query, const net::Address& address) {
  if (query.type == net::kDnsAny) return true;
  return asks(query, address.family() == AF_INET ? net::DnsType::A : net::DnsType::Aaaa);
}

// Of IPv6 many machines have no route: nobody there is told what he cannot even try.
bool is_of_use(net::Address address) {
  if (address.family() != AF_INET6) return address.valid();
  address.set_port(1);
  return net::Address::towards(address).valid();
}

}  // namespace

Zone::Answer Zone::negative(const DnsQuery& query, DnsCode code, std::string_view zone, size_t most) const {
  DnsReply reply(query, code, true);
  reply.authority(zone, settings_.ttl);
  return {code == DnsCode::NoName ? Told::NoName : Told::NoData, reply.text(most)};
}

Zone::Answer Zone::no_name(const DnsQuery& query, size_t most) const {
  return negative(query, DnsCode::NoName, settings_.domain, most);
}

Zone::Answer Zone::of_apex(const DnsQuery& query, size_t most) const {
  if (query.type != kAuthority && query.type != net::kDnsAny) return negative(query, DnsCode::Fine, settings_.domain, most);
  DnsReply reply(query, DnsCode::Fine, true);
  reply.authority(settings_.domain, settings_.ttl, true);
  return {Told::Found, reply.text(most)};
}

Zone::Answer Zone::of_address(const DnsQuery& query, const net::Address& address, size_t most) const {
  const std::string service = addresses_->service_of(address);
  std::string_view zone = query.name;
  next_part(zone, '.');
  if (service.empty()) return negative(query, DnsCode::NoName, zone, most);
  if (query.type != kPointer && query.type != net::kDnsAny) return negative(query, DnsCode::Fine, zone, most);
  DnsReply reply(query, DnsCode::Fine, true);
  reply.pointer(name_in_zone(service, settings_.domain), settings_.ttl);
  return {Told::Found, reply.text(most)};
}

// In an order of chance, those of the first priority before others, and no more than somebody could be told. Who is leaving, or
// is to be spared, only where there is nobody else. Of thousands most are only counted: a question must not cost what they do.
std::vector<Zone::Reached> Zone::chosen(const Instances& all, const ZoneName& name) const {
  std::vector<const discovery::Instance*> fit, others;
  uint8_t first = UINT8_MAX;
  for (const auto& each : all) {
    if (!name.version.empty() && to_lower(each->version) != name.version) continue;
    const bool spared = each->draining || each->weight == 0;
    (spared ? others : fit).push_back(each.get());
    if (!spared) first = std::min(first, each->priority);
  }
  auto& from = fit.empty() ? others : fit;
  const auto rest = fit.empty()
                        ? from.end()
                        : std::partition(from.begin(), from.end(), [&](const auto* one) { return one->priority == first; });
  const size_t group = size_t(rest - from.begin()), some = std::min(group, kLooked);
  for (size_t i = 0; i < some; ++i) std::swap(from[i], from[i + random_.below(uint32_t(group - i))]);
  if (some < group) from.resize(some);
  std::vector<Reached> reached;
  for (const auto* one : from) {
    const auto address = net::Address::parse(one->address);
    if (address && !address->is_unix()) reached.push_back({*address, one->priority, one->weight});
    if (reached.size() >= kLooked) break;
  }
  return reached;
}

std::vector<Zone::Reached> Zone::the_one(const Instances& all, const ZoneName& name) const {
  const auto ip = ip_bytes(name.ip);
  const bool v6 = name.ip.find(':') != name.ip.npos;
  for (const auto& each : all) {
    if (!each->address.starts_with(v6 ? "[" : name.ip + ":")) continue;
    const auto address = net::Address::parse(each->address);
    if (address && ip_bytes(address->raw()) == ip) return {{*address, each->priority, each->weight}};
  }
  return {};
}

Zone::Answer Zone::answer(const DnsQuery& query, const ZoneName& name, const Instances& all, size_t most) const {
  const bool one = name.kind == ZoneName::Kind::Endpoint;
  auto known = one ? the_one(all, name) : chosen(all, name);
  if (known.empty()) return no_name(query, most);
  return addresses_ && !one ? virtually(query, name, known, most) : directly(query, name, std::move(known), most);
}

Zone::Answer Zone::virtually(const DnsQuery& query, const ZoneName& name, const std::vector<Reached>& reached,
                             size_t most) const {
  const auto place = addresses_->give(name.key());
  if (!place) {
    DnsReply reply(query, DnsCode::Failure, false);
    reply.explain(kNoMoreAddresses, "all virtual addresses are given: a larger network in registry.dns.ipv4 and ipv6");
    return {Told::NoRoom, reply.text(most)};
  }
  DnsReply reply(query, DnsCode::Fine, true);
  size_t told = 0;
  const net::Address both[] = {addresses_->v4(*place), addresses_->v6(*place)};
  if (asks(query, net::DnsType::Srv)) {
    const std::string target = name_in_zone(name.key(), settings_.domain);
    reply.service(0, 0, reached.front().address.port(), target, settings_.ttl);
    for (const net::Address& one : both)
      if (is_of_use(one)) reply.also(target, one, settings_.ttl);
    return {Told::Found, reply.text(most)};
  }
  for (const net::Address& one : both)
    if (told == 0 && wants(query, one) && is_of_use(one)) reply.address(one, settings_.ttl), ++told;
  if (told == 0) return negative(query, DnsCode::Fine, settings_.domain, most);
  return {Told::Found, reply.text(most)};
}

Zone::Answer Zone::directly(const DnsQuery& query, const ZoneName& name, std::vector<Reached> reached, size_t most) const {
  DnsReply reply(query, DnsCode::Fine, true);
  if (asks(query, net::DnsType::Srv)) {
    if (reached.size() > settings_.most_answers) reached.resize(settings_.most_answers);
    const std::string base = name_in_zone(name.service, settings_.domain);
    for (const Reached& one : reached) {
      const std::string target = endpoint_label(one.address.ip()) + ".ip." + base;
      reply.service(one.priority, uint16_t(one.weight), one.address.port(), target, settings_.ttl);
      reply.also(target, one.address, settings_.ttl);
    }
    return {Told::Found, reply.text(most)};
  }
  // Only those of the first priority: a resolver knows of none. Several endpoints of one address are one record.
  std::vector<std::string> told;
  int family = 0;
  for (const Reached& one : reached) {
    if (one.priority != reached.front().priority || told.size() >= settings_.most_answers || !wants(query, one.address)) continue;
    if (family && one.address.family() != family) continue;
    const std::string ip = one.address.ip();
    if (std::find(told.begin(), told.end(), ip) != told.end()) continue;
    family = one.address.family();
    reply.address(one.address, settings_.ttl);
    told.push_back(ip);
  }
  if (told.empty()) return negative(query, DnsCode::Fine, settings_.domain, most);
  return {Told::Found, reply.text(most)};
}

}  // namespace outrider::dns
