#pragma once
// `admin.probes`: what the kubelet would ask containers of this pod, and asks us in place of them.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace outrider::config {

struct Probe {
  enum class Kind : uint8_t { Liveness, Readiness, Startup, PostStart, PreStop } kind = Kind::Liveness;
  enum class By : uint8_t { Http, Tcp, Grpc } by = By::Http;
  std::string container;
  uint16_t port = 0;
  std::string path = "/";  // Http: with its query. Grpc: the service's name; empty: the whole server
  std::string host;        // Http: whom it is for; the connection goes to the application beside us all the same
  bool tls = false;        // Http: without asking whose certificate it is, as the kubelet does
  std::vector<std::pair<std::string, std::string>> headers;  // Http
  milliseconds timeout{1000};
};
const char* name_of(Probe::Kind kind);

}  // namespace outrider::config
