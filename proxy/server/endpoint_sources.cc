#include "server/endpoint_sources.h"

#include <algorithm>

#include "discovery/configured.h"
#include "stats/names.h"

namespace outrider::server {

EndpointSources::EndpointSources(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, milliseconds file_look)
    : catalog_(catalog), shard_(shard), dns_(control, *this), files_(control, dns_, *this, file_look) {}

Services::Source EndpointSources::add(const config::Cluster& cluster, discovery::Registry* mesh) {
  using Discovery = config::Cluster::Discovery;
  switch (cluster.discovery) {
    case Discovery::Static: {
      const bool names = std::any_of(cluster.endpoints.begin(), cluster.endpoints.end(),
                                     [](const auto& each) { return !net::Address::parse(each.address); });
      if (names) dns_.add(cluster.name, discovery::instances_of(cluster.endpoints), cluster.dns);
      else fixed_.add(cluster.name, discovery::instances_of(cluster.endpoints));
      return {names ? static_cast<discovery::Registry*>(&dns_) : &fixed_, cluster.name, !names};
    }
    case Discovery::File: files_.add(cluster.name, cluster.endpoints_file, cluster.dns); return {&files_, cluster.name};
    case Discovery::Dns: {
      discovery::Instance one;
      one.address = cluster.dns.name + ":" + std::to_string(cluster.dns.port);
      dns_.add(cluster.name, {std::move(one)}, cluster.dns);
      return {&dns_, cluster.name};
    }
    case Discovery::OriginalDst: return {nullptr, cluster.name, true};
    case Discovery::Registry:
    case Discovery::Auto: break;
  }
  return {mesh, cluster.service};
}

void EndpointSources::on_dns_lookup(const char* result) {
  shard_.add(catalog_.slot(stats::names::kDnsLookups, {{"result", result}}));
}

void EndpointSources::on_endpoints_file(const std::string& cluster, bool good) {
  shard_.add(catalog_.slot(stats::names::kEndpointsFileReads, {{"cluster", cluster}, {"result", good ? "success" : "failure"}}));
}

}  // namespace outrider::server
