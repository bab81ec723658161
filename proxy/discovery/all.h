#pragma once
// Which registries this program was built with.

#include <memory>
#include <string>

#include "discovery/dht/mesh_registry.h"
#include "discovery/fixed/fixed_registry.h"
#include "net/loop.h"

namespace outrider::discovery {

// Null when this program was built without it (OUTRIDER_DHT=OFF); `why` says so.
std::unique_ptr<MeshRegistry> make_dht_registry(net::Loop& control, DhtOptions options, DhtEvents& events, std::string& why);

}  // namespace outrider::discovery
