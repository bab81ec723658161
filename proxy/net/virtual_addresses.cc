#include "net/virtual_addresses.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "net/dns_message.h"

namespace outrider::net {

namespace {

constexpr uint32_t kMostPlaces = 1 << 16;
constexpr size_t kMostName = 200;  // "namespace/name@version"

uint32_t places_of(const std::optional<Network>& network) {
  return network && network->length > 112 ? 1u << (128 - network->length) : kMostPlaces;
}

}  // namespace

VirtualAddresses::VirtualAddresses(std::optional<Network> v4, std::optional<Network> v6)
    : v4_(v4), v6_(v6), places_(std::max(4u, std::min(places_of(v4_), places_of(v6_)))) {}

std::optional<uint32_t> VirtualAddresses::give(std::string_view service) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_name_.find(service); known != by_name_.end()) return known->second;
  if (by_name_.size() >= room()) return {};
  uint32_t place = uint32_t(hash(service) % room());
  while (by_place_.count(1 + place)) place = (place + 1) % uint32_t(room());
  take(1 + place, service);
  return 1 + place;
}

bool VirtualAddresses::take(uint32_t place, std::string_view service) {
  if (place == 0 || place > room() || by_place_.count(place)) return false;
  const auto [at, fresh] = by_name_.emplace(service, place);
  if (fresh) by_place_[place] = &at->first;
  return fresh;
}

Address VirtualAddresses::at(const std::optional<Network>& network, uint32_t place) {
  if (!network) return {};
  IpBytes ip = network->first;
  ip[14] = uint8_t(ip[14] | place >> 8);
  ip[15] = uint8_t(ip[15] | place);
  const auto* bytes = reinterpret_cast<const char*>(ip.data());
  const bool v4 = network->length >= 96 && std::all_of(ip.begin(), ip.begin() + 10, [](uint8_t b) { return b == 0; });
  return v4 ? dns_address({bytes + 12, 4}) : dns_address({bytes, 16});
}

bool VirtualAddresses::covers(const Address& address) const {
  const auto ip = address.is_unix() ? std::nullopt : ip_bytes(address.raw());
  return ip && ((v4_ && v4_->has(*ip)) || (v6_ && v6_->has(*ip)));
}

std::string VirtualAddresses::service_of(const Address& address) const {
  if (!covers(address)) return {};
  const IpBytes ip = *ip_bytes(address.raw());
  const Network& of = v4_ && v4_->has(ip) ? *v4_ : *v6_;
  uint32_t place = uint32_t(ip[14] ^ of.first[14]) << 8 | uint32_t(ip[15] ^ of.first[15]);
  for (size_t i = 0; i < 14; ++i)
    if (ip[i] != of.first[i]) return {};  // a network larger than what is given of it
  const std::lock_guard lock(mutex_);
  const auto known = by_place_.find(place);
  return known == by_place_.end() ? std::string() : *known->second;
}

size_t VirtualAddresses::size() const {
  const std::lock_guard lock(mutex_);
  return by_name_.size();
}

std::string VirtualAddresses::text() const {
  const std::lock_guard lock(mutex_);
  std::map<uint32_t, std::string_view> sorted;
  for (const auto& [name, place] : by_name_) sorted[place] = name;
  std::string out;
  for (const auto& [place, name] : sorted) out.append(std::to_string(place)).append(" ").append(name).append("\n");
  return out;
}

size_t VirtualAddresses::load(std::string_view text) {
  const std::lock_guard lock(mutex_);
  size_t taken = 0;
  while (!text.empty()) {
    std::string_view name = next_part(text, '\n');
    const auto place = parse_number(next_part(name, ' '));
    const bool fine = place && *place < kMostPlaces && !name.empty() && name.size() <= kMostName && name.find('/') != name.npos;
    if (fine && take(uint32_t(*place), name)) ++taken;
  }
  return taken;
}

}  // namespace outrider::net
