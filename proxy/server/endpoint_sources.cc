#include "server/endpoint_sources.h"

#include <algorithm>

#include "discovery/configured.h"
#include "stats/names.h"

namespace outrider::server {

EndpointSources::EndpointSources(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, milliseconds file_look)
    : catalog_(catalog), shard_(shard), dns_(control, *this), files_(control, dns_, *this, file_look) {}

Services::Source EndpointSources::add(const config::Cluster& cluster, discovery::Registry* mesh) {
  using Discovery = config::Cluster::Discovery;
  if (cluster.discovery != Discovery::File) files_.remove(cluster.name);
  switch (cluster.discovery) {
    case Discovery::Static: {
      const bool names = std::any_of(cluster.endpoints.begin(), cluster.endpoints.end(),
                                     [](const auto& each) { return !net::Address::parse(each.address); });
      if (names) {
        fixed_.remove(cluster.name);
        dns_.add(cluster.name, discovery::instances_of(cluster.endpoints), cluster.dns);
      } else {
        dns_.remove(cluster.name);
        fixed_.add(cluster.name, discovery::instances_of(cluster.endpoints));
      }
      return {names ? static_cast<discovery::Registry*>(&dns_) : &fixed_, cluster.name, !names};
    }
    case Discovery::File:
      fixed_.remove(cluster.name);
      if (!files_.has(cluster.name)) dns_.remove(cluster.name);
      files_.add(cluster.name, cluster.endpoints_file, cluster.dns);
      return {&files_, cluster.name};
    case Discovery::Dns: {
      fixed_.remove(cluster.name);
      discovery::Instance one;
      one.address = cluster.dns.name + ":" + std::to_string(cluster.dns.port);
      dns_.add(cluster.name, {std::move(one)}, cluster.dns);
      return {&dns_, cluster.name};
    }
    case Discovery::OriginalDst: return {nullptr, cluster.name, true};
    case Discovery::Registry:
    case Discovery::Auto: break;
  }
  remove(cluster.name);
  return {mesh, cluster.service};
}

// Files first: they have names in DNS.
void EndpointSources::remove(const std::string& cluster) {
  files_.remove(cluster);
  dns_.remove(cluster);
  fixed_.remove(cluster);
}

void EndpointSources::on_dns_lookup(const char* result) {
  shard_.add(catalog_.slot(stats::names::kDnsLookups, {{"result", result}}));
}

void EndpointSources::on_endpoints_file(const std::string& cluster, bool good) {
  shard_.add(catalog_.slot(stats::names::kEndpointsFileReads, {{"cluster", cluster}, {"result", good ? "success" : "failure"}}));
}

}  // namespace outrider::server
