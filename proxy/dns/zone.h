#pragma once
// What is answered to names of the mesh, once it is known who is there.

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "discovery/registry.h"
#include "dns/counters.h"
#include "dns/zone_name.h"
#include "net/dns_query.h"
#include "net/virtual_addresses.h"

namespace outrider::dns {

// Two ways, by whether the sidecar catches what the application sends (registry.dns.answers):
//   virtual    one address a service, its own and always the same, while anybody is registered. Whoever connects to it is caught,
//              and led to an endpoint by the cluster of the service: balanced, over mutual TLS, retried, whatever is spoken.
//              SRV leads back to that name: any port of it does.
//   endpoints  the addresses of endpoints, in an order of chance, so many of them; SRV with their ports. For applications whose
//              connections nobody catches: they go to the endpoints' sidecars directly, without balancing and in clear text
//              (which those take with identity.mtls permissive or off).
// Owned by the server; control loop.
class Zone {
 public:
  struct Settings {
    std::string domain = "mesh", own_namespace = "default";
    uint32_t ttl = 5;  // seconds
    size_t most_answers = 8;
  };
  using Instances = std::vector<std::shared_ptr<const discovery::Instance>>;
  // `addresses`: null: endpoints are answered.
  Zone(Settings settings, net::VirtualAddresses* addresses, Random& random)
      : settings_(std::move(settings)), addresses_(addresses), random_(random) {}
  ZoneName read(std::string_view name) const { return read_zone_name(name, settings_.domain, settings_.own_namespace); }

  struct Answer {
    Told result;
    std::string text;
  };
  Answer answer(const net::DnsQuery& query, const ZoneName& name, const Instances& all, size_t most) const;
  Answer of_apex(const net::DnsQuery& query, size_t most) const;
  Answer no_name(const net::DnsQuery& query, size_t most) const;
  // Of a name that stands for a virtual address; for others it is not asked.
  Answer of_address(const net::DnsQuery& query, const net::Address& address, size_t most) const;

 private:
  struct Reached {
    net::Address address;
    uint8_t priority;
    uint32_t weight;
  };
  std::vector<Reached> chosen(const Instances& all, const ZoneName& name) const;
  std::vector<Reached> the_one(const Instances& all, const ZoneName& name) const;
  Answer virtually(const net::DnsQuery& query, const ZoneName& name, const std::vector<Reached>& reached, size_t most) const;
  Answer directly(const net::DnsQuery& query, const ZoneName& name, std::vector<Reached> reached, size_t most) const;
  Answer negative(const net::DnsQuery& query, net::DnsCode code, std::string_view zone, size_t most) const;
  const Settings settings_;
  net::VirtualAddresses* const addresses_;
  Random& random_;
};

}  // namespace outrider::dns
