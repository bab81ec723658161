#include "dns/zone_name.h"

#include <algorithm>
#include <vector>

#include "base/network.h"
#include "base/text.h"
#include "config/values.h"

namespace outrider::dns {

namespace {

constexpr size_t kV6Digits = 32;

// Empty: it is none.
std::string ip_of(std::string_view label) {
  std::string ip(label);
  if (label.size() == kV6Digits) {
    ip.clear();
    for (size_t i = 0; i < kV6Digits; i += 4) ip.append(i ? ":" : "").append(label.substr(i, 4));
  } else {
    std::replace(ip.begin(), ip.end(), '-', '.');
  }
  return ip_bytes(ip) ? ip : std::string();
}

}  // namespace

ZoneName read_zone_name(std::string_view name, std::string_view domain, std::string_view own_namespace) {
  using Kind = ZoneName::Kind;
  if (name == domain) return {Kind::Apex, {}, {}, {}};
  if (name.size() <= domain.size() || !name.ends_with(domain) || name[name.size() - domain.size() - 1] != '.') return {};
  auto labels = split(name.substr(0, name.size() - domain.size() - 1), '.');
  ZoneName read{Kind::Nobody, {}, {}, {}};
  if (labels.size() > 2 && labels[0].starts_with('_')) {
    if (labels[1] != "_tcp") return read;
    labels.erase(labels.begin(), labels.begin() + 2);
  }
  const size_t count = labels.size();
  if (count == 0 || count > 4) return read;
  const std::string_view service = count == 1 ? labels[0] : labels[count - 2],
                         space = count == 1 ? own_namespace : labels[count - 1];
  if (!config::is_label(service) || !config::is_label(space)) return read;
  if (count == 4) {
    read.ip = labels[1] == "ip" ? ip_of(labels[0]) : std::string();
    if (read.ip.empty()) return read;
  }
  if (count == 3) {
    if (!config::is_label(labels[0])) return read;
    read.version = std::string(labels[0]);
  }
  read.kind = count == 4 ? Kind::Endpoint : Kind::Service;
  read.service = std::string(space) + "/" + std::string(service);
  return read;
}

std::string name_in_zone(std::string_view key, std::string_view domain) {
  const std::string_view space = next_part(key, '/');
  const std::string_view service = next_part(key, '@');
  return (key.empty() ? "" : std::string(key) + ".") + std::string(service) + "." + std::string(space) + "." +
         std::string(domain);
}

std::string endpoint_label(std::string_view ip) {
  std::string label(ip);
  if (ip.find(':') == ip.npos) {
    std::replace(label.begin(), label.end(), '.', '-');
    return label;
  }
  const auto bytes = ip_bytes(ip);
  return bytes ? to_hex({reinterpret_cast<const char*>(bytes->data()), bytes->size()}) : std::string();
}

}  // namespace outrider::dns
