#include "config/clusters.h"

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

// A cluster that is only named: those endpoints of another that have a version, or a service of the registry, with the
// defaults.
void Clusters::name_cluster(const std::string& name, const std::string& path, const Node& at) {
  if (name == kPassthroughCluster)
    return reading_.error(at, path, "this cluster has no endpoints of its own; a rule leads there by passthrough: original_dst");
  if (document_.cluster(name)) return;
  if (const Node* all = layers_.user.find("clusters"); all && all->is_map() && all->find(name)) return;
  const std::string base = name.substr(0, name.find('@')), version = base == name ? "" : name.substr(base.size() + 1);
  if (base != name && (version.empty() || version.find('@') != version.npos))
    return reading_.error(at, path, "expected a version behind the @, got \"" + name + "\"");
  if (const Cluster* whole = document_.cluster(base)) {
    Cluster part = *whole;
    part.name = name;
    part.version = version;
    part.where = where_of(at);
    document_.clusters.push_back(std::move(part));
    return;
  }
  Cluster cluster;
  const Node merged = layers_.defaults("cluster");
  Fields fields(reading_, &merged, join_path("clusters", name));
  read_cluster(fields, cluster, false);
  cluster.name = name;
  cluster.service = base;
  cluster.version = version;
  cluster.where = where_of(at);
  cluster.implied = true;
  using Discovery = Cluster::Discovery;
  if ((cluster.discovery == Discovery::Dns || (cluster.discovery == Discovery::Auto && base.find('.') != base.npos)) &&
      is_host(base)) {
    cluster.discovery = Discovery::Dns;
    cluster.service.clear();
    cluster.dns.name = base;
    return document_.clusters.push_back(std::move(cluster));
  }
  cluster.discovery = Discovery::Registry;
  if (document_.registry.kind == Registry::Kind::None) {
    std::vector<std::string_view> known;
    for (const Cluster& one : document_.clusters) known.push_back(one.name);
    return reading_.error(
        at, path, "unknown cluster \"" + base + "\"" + did_you_mean(base, known) + ", and there is no registry to look it up in");
  }
  if (!resolve(cluster, at, path)) return;
  document_.clusters.push_back(std::move(cluster));
}

// Whom a filter asks is named like that too.
void Clusters::name_cluster_of(const FilterUse& use) {
  if (const Node* cluster = use.options.find("cluster"); cluster && cluster->is_scalar())
    name_cluster(cluster->text(), use.path + ".cluster", *cluster);
}

// From a reference (service, namespace/service) to the registry's "namespace/service"; Kubernetes' may name a port behind it.
bool Clusters::resolve(Cluster& cluster, const Node& at, const std::string& path) {
  const auto fail = [&](const std::string& message) {
    reading_.error(at, path, message);
    return false;
  };
  const std::string& name = cluster.service;
  const size_t slash = name.find('/');
  const std::string space = slash == name.npos ? document_.service.name_space : name.substr(0, slash);
  const std::string service = slash == name.npos ? name : name.substr(slash + 1);
  const size_t colon = document_.registry.kind == Registry::Kind::Kubernetes ? service.find(':') : service.npos;
  if (!is_label(space) || !is_label(service.substr(0, colon)) || (colon != service.npos && !is_label(service.substr(colon + 1))))
    return fail("expected a service or namespace/service (lower-case letters, digits and -), got \"" + name + "\"");
  cluster.service = space + "/" + service;
  return true;
}

// `auto` is what follows from the other keys; what is said must fit to them.
bool Clusters::decide_discovery(Cluster& cluster, const Node* own, const std::string& path) {
  using Discovery = Cluster::Discovery;
  const auto given = [&](const char* key) -> const Node* {
    const Node* const value = own && own->is_map() ? own->find(key) : nullptr;
    return value && !value->is_null() ? value : nullptr;
  };
  const auto fail = [&](const char* key, const std::string& message) {
    const Node* const at = given(key);
    reading_.error(at ? *at : own ? *own : layers_.user, at ? path + "." + key : path, message);
    return false;
  };
  if (cluster.name == kPassthroughCluster) {
    const std::pair<const char*, bool> meant[] = {
        {"discovery", cluster.discovery != Discovery::Auto}, {"endpoints", !cluster.endpoints.empty()},
        {"endpoints_file", !cluster.endpoints_file.empty()}, {"dns", !cluster.dns.name.empty() || cluster.dns.port},
        {"protocol", cluster.protocol != Protocol::Auto},    {"health_check", cluster.health_check.kind != Health::Kind::Off},
        {"tls", cluster.tls.kind == ClusterTls::Kind::Given}};
    for (const auto& [key, said] : meant)
      if (said && given(key))
        return fail(key,
                    std::string("has no meaning here: passthrough: original_dst leads to the address that was called, and ") +
                        "sends there what it was sent; take it out, or give this cluster another name");
    cluster.discovery = Discovery::OriginalDst;
    return true;
  }
  const std::string base = cluster.name.substr(0, cluster.name.find('@'));
  const bool listed = !cluster.endpoints.empty() || given("endpoints"), filed = !cluster.endpoints_file.empty();
  const bool asked = !cluster.dns.name.empty() || cluster.dns.port || cluster.dns.type == Dns::Type::Srv;
  const bool named = !listed && !filed && (asked || base.find('.') != base.npos);
  if (listed && filed) return fail("endpoints_file", "endpoints and endpoints_file exclude each other");
  if (cluster.discovery == Discovery::Auto)
    cluster.discovery = listed ? Discovery::Static : filed ? Discovery::File : named ? Discovery::Dns : Discovery::Registry;
  const bool is_static = cluster.discovery == Discovery::Static, is_file = cluster.discovery == Discovery::File;
  if (is_static && !listed) return fail("discovery", "discovery: static needs endpoints");
  if (is_file && !filed) return fail("discovery", "discovery: file needs endpoints_file");
  const std::string word = cluster.discovery == Discovery::Dns ? "discovery: dns"
                           : is_file                           ? "discovery: file"
                                                               : "discovery: registry";
  if (!is_static && listed) return fail("endpoints", word + " and endpoints exclude each other");
  if (!is_file && filed)
    return fail("endpoints_file", (is_static ? "discovery: static" : word) + " and endpoints_file exclude each other");
  if (cluster.discovery == Discovery::Registry) {
    if (asked) return fail("dns", "discovery: registry and dns exclude each other");
    cluster.service = base;
    return true;
  }
  if (cluster.discovery == Discovery::Dns) {
    if (cluster.dns.name.empty()) cluster.dns.name = base;
    if (is_host(cluster.dns.name)) return true;
    return fail("dns", "expected dns.name, a host's name, for \"" + cluster.dns.name + "\" is none");
  }
  if (!cluster.dns.name.empty() || cluster.dns.port)
    return fail("dns", std::string("name and port are those of ") + (is_file ? "the endpoints in the file" : "endpoints"));
  if (cluster.dns.type == Dns::Type::Srv)
    return fail("dns", "SRV records have ports of their own: expected A, AAAA or any, for endpoints have a port each");
  return true;
}

void Clusters::resolve_configured() {
  const Node* section = user("clusters");
  for (Cluster& cluster : document_.clusters) {
    if (cluster.implied) continue;
    const Node* own = section && section->is_map() ? section->find(cluster.name.substr(0, cluster.name.find('@'))) : nullptr;
    const Node& at = own ? *own : layers_.user;
    const std::string path = join_path("clusters", cluster.name);
    if (!decide_discovery(cluster, own, path) || cluster.discovery != Cluster::Discovery::Registry) continue;
    if (document_.registry.kind == Registry::Kind::None)
      reading_.error(at, path, "needs endpoints: there is no registry to look it up in");
    else resolve(cluster, at, path);
  }
}

// Where nobody has said which: that of HTTP, or of HTTPS.
void Clusters::infer_ports() {
  for (Cluster& cluster : document_.clusters) {
    if (cluster.discovery != Cluster::Discovery::Dns || cluster.dns.port || cluster.dns.type == Dns::Type::Srv) continue;
    const Node* own = named(cluster.name);
    if (cluster.protocol == Protocol::Tcp)
      reading_.error(own ? *own : layers_.user, join_path("clusters", cluster.name) + ".dns.port",
                     "needs a port (or type: SRV): plain bytes have none of their own");
    cluster.dns.port = cluster.tls.kind == ClusterTls::Kind::Given ? 443 : 80;
  }
}

void Clusters::imply_passthrough() {
  const bool needed = std::any_of(document_.listeners.begin(), document_.listeners.end(), [](const Listener& listener) {
    return std::any_of(listener.routes.begin(), listener.routes.end(), [](const Route& route) { return route.passes_on(); });
  });
  if (!needed || document_.cluster(kPassthroughCluster)) return;
  Cluster cluster;
  const Node merged = layers_.defaults("cluster");
  Fields fields(reading_, &merged, join_path("clusters", kPassthroughCluster));
  read_cluster(fields, cluster, false);
  cluster.name = kPassthroughCluster;
  cluster.discovery = Cluster::Discovery::OriginalDst;
  cluster.implied = true;
  document_.clusters.push_back(std::move(cluster));
}

}  // namespace outrider::config
