#pragma once
// Endpoints as they are written, in the configuration or in a file of their own.

#include <vector>

#include "config/document.h"
#include "discovery/registry.h"

namespace outrider::discovery {

std::vector<Instance> instances_of(const std::vector<config::Endpoint>& endpoints);  // an address may be name:port

}  // namespace outrider::discovery
