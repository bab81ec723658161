#pragma once
// The containers and volumes that are put into a pod.

#include <string>
#include <vector>

#include "inject/settings.h"
#include "inject/wishes.h"

namespace outrider::inject {

inline constexpr const char *kIdentityVolume = "outrider-identity", *kStateVolume = "outrider-state",
                            *kConfigVolume = "outrider-config", *kKeyVolume = "outrider-registry-key";

// `probes`: the originals, as JSON; empty: none were rewritten.
Node init_container(const Wishes& wishes);
Node proxy_container(const Wishes& wishes, const Settings& settings, const Workload& workload, const std::string& probes);
std::vector<Node> volumes_of(const Wishes& wishes, const Settings& settings);
// Ports that the sidecar listens on, as `containerPort` and `protocol` would name them.
std::vector<std::pair<uint16_t, std::string>> own_ports(const Wishes& wishes);
// In a variable of a container "$(" begins the name of another one.
std::string escaped(const std::string& value);
std::string unescaped(const std::string& value);

}  // namespace outrider::inject
