#include "server/kubernetes_mesh.h"

#include <cstdlib>

#include "base/log.h"
#include "server/url_client.h"
#include "stats/names.h"

namespace outrider::server {

namespace names = stats::names;

namespace {

discovery::SliceRules::Tls tls_of(config::Kubernetes::Tls tls) {
  switch (tls) {
    case config::Kubernetes::Tls::Identity: return discovery::SliceRules::Tls::Identity;
    case config::Kubernetes::Tls::Clear: return discovery::SliceRules::Tls::Clear;
    case config::Kubernetes::Tls::Auto: break;
  }
  return discovery::SliceRules::Tls::Auto;
}

// As every container of a pod is told; empty: this is none.
std::string server_of_pod() {
  const char *host = std::getenv("KUBERNETES_SERVICE_HOST"), *port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (!host || !*host) return {};
  const std::string name = host;
  return "https://" + (name.find(':') != name.npos ? "[" + name + "]" : name) + ":" + (port && *port ? port : "443");
}

discovery::KubernetesOptions options_of(const config::Document& document, const filter::Url& server) {
  const config::Kubernetes& from = document.registry.kubernetes;
  discovery::KubernetesOptions options;
  options.server = server.authority;
  options.name_space = document.service.name_space;
  options.zone = document.node.zone;
  options.v6_first = server.host.find(':') != server.host.npos;
  options.tls = tls_of(from.tls);
  options.tls_expected = document.identity.mtls == config::Identity::Mtls::Strict;
  options.identified = document.identity.mtls != config::Identity::Mtls::Off;
  options.timeout = from.timeout;
  options.watch = from.watch;
  options.silence = from.silence;
  options.backoff_base = from.backoff_base;
  options.backoff_max = from.backoff_max;
  options.stale_serve = document.registry.stale_serve;
  options.page = from.page;
  options.max_size = size_t(from.max_size);
  options.max_endpoints = from.max_endpoints;
  options.max_services = from.max_services;
  return options;
}

}  // namespace

KubernetesMesh::KubernetesMesh(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), catalog_(catalog), shard_(shard) {}

KubernetesMesh::~KubernetesMesh() = default;

std::string KubernetesMesh::start(const config::Document& document, milliseconds file_look) {
  const config::Kubernetes& from = document.registry.kubernetes;
  const std::string text = from.server.empty() ? server_of_pod() : from.server;
  if (text.empty())
    return "registry.kubernetes.server: this is no pod (KUBERNETES_SERVICE_HOST is not set): expected https://HOST:PORT of the API server";
  const auto url = filter::parse_url(text);
  if (!url || url->path != "/") return "registry.kubernetes.server: \"" + text + "\" is not https://HOST:PORT";
  auto tls = tls_for(*url, "registry.kubernetes", from.ca, files_);
  if (!tls) return "registry.kubernetes.ca: " + tls.why();
  files_.watch(control_, catalog_, shard_, file_look);
  auto options = options_of(document, *url);
  options.token_look = file_look;
  const KubernetesApi::Settings settings{*url, std::move(*tls), from.timeout, url->https ? from.token_file : "",
                                         uint32_t(2 * options.max_services + 10)};
  api_ = std::make_unique<KubernetesApi>(upstream::Context{control_, catalog_, shard_}, settings);
  log::info("registry: EndpointSlices of Kubernetes", {{"server", text}, {"namespace", options.name_space}});
  registry_ = std::make_unique<discovery::KubernetesRegistry>(control_, *api_, static_cast<discovery::KubernetesEvents&>(*this),
                                                              std::move(options));
  registry_->start();
  return {};
}

admin::RegistryView KubernetesMesh::view() const {
  const auto facts = registry_->facts();
  admin::RegistryView view;
  view.kind = "kubernetes";
  view.ready = facts.answering;
  view.address = registry_->options().server;
  view.detail = facts.answering         ? "the API server (" + view.address + ") answers"
                : facts.trouble.empty() ? "the API server (" + view.address + ") has not answered yet"
                                        : facts.trouble;
  return view;
}

void KubernetesMesh::add_samples(stats::Samples& samples) const {
  double valid = 0, stale = 0;
  const auto all = registry_->watched();
  for (const auto& each : all) {
    (each.known == discovery::Known::Yes ? valid : stale) += each.instances;
    if (each.age && each.known != discovery::Known::Absent)
      samples.add(names::kRegistryStaleness, double(each.age->count()) / 1000, {{"cluster", each.service}});
  }
  samples.add(names::kRegistryServices, double(all.size()));
  samples.add(names::kRegistryRecords, valid, {{"state", "valid"}});
  samples.add(names::kRegistryRecords, stale, {{"state", "stale"}});
  samples.add(names::kRegistryBytes, double(api_->bytes_in()), {{"way", "in"}});
  samples.add(names::kRegistryBytes, double(api_->bytes_out()), {{"way", "out"}});
}

void KubernetesMesh::on_lookup(milliseconds took) {
  shard_.observe(catalog_.slot(names::kRegistryLookupDuration), uint64_t(took.count()) * 1000);
}

void KubernetesMesh::on_event(const char* type) { shard_.add(catalog_.slot(names::kRegistryEvents, {{"type", type}})); }

void KubernetesMesh::on_failure(const char* reason) { shard_.add(catalog_.slot(names::kRegistryFailures, {{"reason", reason}})); }

void KubernetesMesh::on_not_believed(const char* reason) {
  shard_.add(catalog_.slot(names::kRegistryRejected, {{"reason", reason}}));
}

}  // namespace outrider::server
