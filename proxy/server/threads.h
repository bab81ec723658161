#pragma once
// How many workers there are.

#include <cstdint>

#include "config/document.h"

namespace outrider::server {

// A sidecar is lean: one thread, unless told otherwise. An edge uses what it may.
uint32_t threads_of(const config::Document& document);

}  // namespace outrider::server
