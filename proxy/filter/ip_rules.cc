#include "filter/ip_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace outrider::filter {

namespace {

constexpr uint8_t kV4Prefix = 96;

IpBytes mapped(const in_addr& v4) {
  IpBytes bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(bytes.data() + 12, &v4, sizeof v4);
  return bytes;
}

IpBytes bytes_of(const in6_addr& v6) {
  IpBytes bytes;
  std::memcpy(bytes.data(), &v6, sizeof v6);
  return bytes;
}

bool bit(const IpBytes& ip, size_t at) { return ip[at / 8] >> (7 - at % 8) & 1; }

bool is_in(const IpBytes& ip, const IpBytes& network, uint8_t length) {
  const size_t whole = length / 8;
  if (!std::equal(ip.begin(), ip.begin() + whole, network.begin())) return false;
  for (size_t at = whole * 8; at < length; ++at)
    if (bit(ip, at) != bit(network, at)) return false;
  return true;
}

}  // namespace

std::optional<IpBytes> ip_bytes(std::string_view ip) {
  const std::string text(ip);
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return mapped(v4);
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return bytes_of(v6);
  return std::nullopt;
}

std::optional<IpBytes> ip_bytes(const sockaddr* address) {
  if (address->sa_family == AF_INET) return mapped(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  if (address->sa_family == AF_INET6) return bytes_of(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  return std::nullopt;
}

bool IpRules::add(std::vector<Rule>& rules, const char* kind, std::string_view network) {
  const size_t slash = network.find('/');
  const std::string_view address = network.substr(0, slash);
  const auto ip = ip_bytes(address);
  if (!ip) return false;
  const uint8_t before = address.find(':') == address.npos ? kV4Prefix : 0;
  uint64_t length = 128u - before;
  if (slash != network.npos) {
    const auto given = parse_number(network.substr(slash + 1));
    if (!given || *given > length) return false;
    length = *given;
  }
  length += before;
  for (size_t at = length; at < 128; ++at)
    if (bit(*ip, at)) return false;
  rules.push_back({std::string("ip.") + kind + "[" + std::to_string(rules.size()) + "]", *ip, uint8_t(length)});
  return true;
}

bool IpRules::allow(std::string_view network) { return add(allow_, "allow", network); }

bool IpRules::deny(std::string_view network) { return add(deny_, "deny", network); }

const IpRules::Rule* IpRules::find(const std::vector<Rule>& rules, const IpBytes& ip) {
  for (const Rule& rule : rules)
    if (is_in(ip, rule.network, rule.length)) return &rule;
  return nullptr;
}

IpRules::Verdict IpRules::judge(const std::optional<IpBytes>& ip) const {
  if (ip) {
    if (const Rule* rule = find(deny_, *ip)) return {false, rule->name.c_str()};
    if (const Rule* rule = find(allow_, *ip)) return {true, rule->name.c_str()};
  }
  return {allow_.empty(), "ip.default"};
}

}  // namespace outrider::filter
