#pragma once
// From the name a client uses to the name a service is registered under.

#include <string_view>

#include "base/arena.h"

namespace outrider::exchange {

// "cart", "cart.shop", "cart.shop.mesh", "cart.shop.svc.cluster.local" and "Cart:8080" to "namespace/name", the default namespace
// where none is given. Empty when it cannot be one: an address, more labels, characters no service name has.
std::string_view service_name(std::string_view authority, std::string_view default_namespace, std::string_view mesh_domain,
                              Arena& arena);

}  // namespace outrider::exchange
