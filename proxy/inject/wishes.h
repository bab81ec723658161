#pragma once
// What one pod is to get: settings, and what its annotations say instead.

#include <string>
#include <vector>

#include "inject/settings.h"
#include "inject/workload.h"

namespace outrider::inject {

struct Wishes {
  enum class Inject : uint8_t { Unsaid, Yes, No };
  Inject inject = Inject::Unsaid;
  std::string refusal;                // "/metadata/annotations/outrider.dev~1port: ..."
  std::vector<std::string> warnings;  // of annotations that nobody reads

  std::string image;
  std::string service;  // empty: none, calls go out alone
  uint16_t port = 0;
  std::string protocol, version, priority, log_level;
  bool service_said = false;  // by an annotation, not taken from labels and ports
  std::string weight;
  std::string skip_inbound_ports, skip_outbound_ports, skip_outbound_cidrs;
  std::vector<std::string> opaque_ports;
  std::string capture = "redirect";
  bool dns_capture = true, rewrite_probes = true, native_sidecar = true;
  unsigned drain_seconds = 0;  // 0: unsaid
  std::string cpu_request = "10m", memory_request = "32Mi", cpu_limit, memory_limit = "128Mi";
  uint16_t admin_port = 0;
  std::string config_map;
  std::string identity_secret, identity_csi;
};

Wishes wishes_of(const Node& object, const Workload& workload, const Settings& settings);

struct Annotation {
  std::string_view name;  // behind the prefix
  std::string_view values, about;
};
// All there are, for documents and for who looks for the right word.
std::vector<Annotation> all_annotations();

}  // namespace outrider::inject
