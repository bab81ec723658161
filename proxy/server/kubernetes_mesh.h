#pragma once
// registry.kind: kubernetes, as the supervisor sees it.

#include <memory>
#include <string>

#include "admin/facts.h"
#include "config/document.h"
#include "discovery/kubernetes/kubernetes_registry.h"
#include "server/kubernetes_api.h"
#include "stats/collector.h"

namespace outrider::server {

// The registry, the API server it asks and the certificates that this one is known by. Owned by Mesh; control loop.
class KubernetesMesh final : discovery::KubernetesEvents {
 public:
  KubernetesMesh(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard);
  ~KubernetesMesh();
  // Empty, or what could not be done and by what key. An API server that does not answer is no reason not to start.
  std::string start(const config::Document& document, milliseconds file_look);
  discovery::KubernetesRegistry& registry() const { return *registry_; }
  admin::RegistryView view() const;
  void add_samples(stats::Samples& samples) const;

 private:
  void on_lookup(milliseconds took) override;
  void on_event(const char* type) override;
  void on_failure(const char* reason) override;
  void on_not_believed(const char* reason) override;
  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  TlsFiles files_;
  std::unique_ptr<KubernetesApi> api_;
  std::unique_ptr<discovery::KubernetesRegistry> registry_;
};

}  // namespace outrider::server
