#pragma once
// Probes: the kubelet asks the sidecar, which asks the app. The kubelet has no certificate, and a captured port takes every
// connection.

#include <string>
#include <vector>

#include "inject/plan.h"
#include "inject/workload.h"

namespace outrider::inject {

inline constexpr int kHealthPort = 15021;

struct Rewritten {
  std::vector<Operation> operations;
  Node originals;  // of the key admin.probes; null: there was nothing to rewrite
  std::string refusal;
  std::vector<std::string> warnings;
};

// http, tcp and grpc probes and hooks of containers, and of init containers that go on running; exec and sleep stay.
Rewritten rewrite_probes(const Workload& workload);
// The other way: what was at the places that ask us now. `originals`: as they were written into the environment.
std::vector<Operation> original_probes(const Workload& workload, const Node& originals);

}  // namespace outrider::inject
