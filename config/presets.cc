// What a mode stands for, as the text a user could have written.

#include <algorithm>

#include "config/parse.h"
#include "config/values.h"

namespace outrider::config {

namespace {

Node preset(const char* name, const std::string& text) {
  const auto origin = std::make_shared<const Origin>(Origin{Origin::Kind::Preset, name});
  return parse(text, origin).root;
}

// Whether the app answers decides whether it is registered: `service.health`, as the local cluster's check.
std::string health_of(const Health& health) {
  if (health.kind == Health::Kind::Off) return "off";
  const std::string what = health.kind == Health::Kind::Http   ? "http: " + quote(health.path)
                           : health.kind == Health::Kind::Grpc ? "grpc: " + quote(health.path.empty() ? "*" : health.path)
                                                               : "tcp: connect";
  return "{" + what + ", interval: " + duration_text(health.interval) +
         ", timeout: " + duration_text(std::min(health.timeout, health.interval)) +
         ", healthy: " + std::to_string(health.healthy) + ", unhealthy: " + std::to_string(health.unhealthy) + "}";
}

}  // namespace

// Both listeners take what is sent to them and what the kernel redirects to them. Where that was meant for may be far away:
// a connection has as long as it mostly takes others that are patient.
Node preset_sidecar(const Service& service, bool mutual_tls) {
  std::string text = R"(
listeners:
  outbound: {address: ["127.0.0.1:15001", "[::1]:15001"], direction: outbound, transparent: redirect}
)";
  const std::string passthrough = "  passthrough: {connect_timeout: 10s}\n";
  if (!service || service.ports.empty()) return preset("sidecar", text + "clusters:\n" + passthrough);
  const Port& port = service.ports.front();
  const std::string host = service.address.find(':') == std::string::npos ? service.address : "[" + service.address + "]";
  const bool told = port.protocol == Protocol::Tcp || port.protocol == Protocol::Http2 || port.protocol == Protocol::Grpc;
  const std::string protocol = told ? name_of(port.protocol) : "auto";
  text += "  inbound: {address: \"[::]:15006\", direction: inbound, transparent: redirect, protocol: " +
          std::string(port.protocol == Protocol::Tcp ? "tcp" : "auto") + (mutual_tls ? ", tls: identity" : "") + "}\n";
  text += "clusters:\n  local: {endpoints: [\"" + host + ":" + std::to_string(port.port) + "\"], protocol: " + protocol +
          ", health_check: " + health_of(service.health) + "}\n" + passthrough;
  return preset("sidecar", text);
}

// Strangers are on the other side: what they say of themselves is replaced, what they may send is bounded.
Node preset_edge() {
  return preset("edge", R"(
defaults:
  listener:
    timeouts: {request_headers: 5s, idle: 60s}
    http: {forwarded: replace, escaped_slash: decode, max_body: 10MiB}
  cluster: {timeout: 15s}
)");
}

}  // namespace outrider::config
