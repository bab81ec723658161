#pragma once
// What a name that somebody asks for means to the mesh.

#include <string>
#include <string_view>

namespace outrider::dns {

// Below the domain ("mesh"), and nothing else is ours:
//   reviews.shop.mesh                 the service shop/reviews; reviews.mesh: of our own namespace
//   v2.reviews.shop.mesh              those of its endpoints that are version v2 (in rules: shop/reviews@v2, which is no name in
//   DNS) _http._tcp.reviews.shop.mesh      the same service, as RFC 2782 asks for it: any name of a port, a registration has one
//   port 10-0-0-1.ip.reviews.shop.mesh     the one endpoint, if it is one now: what SRV leads to; of IPv6 32 digits
// In front of the last three parts of a name there may be as many more as stand here, and no others.
struct ZoneName {
  enum class Kind : uint8_t { Foreign, Apex, Nobody, Service, Endpoint } kind = Kind::Foreign;
  std::string service;  // "shop/reviews"
  std::string version;  // "v2"; empty: any
  std::string ip;       // Endpoint: "10.0.0.1"
  // As virtual addresses and clusters have it: "shop/reviews@v2".
  std::string key() const { return version.empty() ? service : service + "@" + version; }
};
ZoneName read_zone_name(std::string_view name, std::string_view domain, std::string_view own_namespace);

std::string name_in_zone(std::string_view key, std::string_view domain);  // "v2.reviews.shop.mesh"
std::string endpoint_label(std::string_view ip);                          // "10-0-0-1"

}  // namespace outrider::dns
