#pragma once
// What was built.

#include "admin/facts.h"

namespace outrider::server {

// Debian 12's OpenDHT is GPL-3+, and so is a binary linked with it; our own sources are Apache-2.0.
inline constexpr const char* kBinaryLicence =
    OUTRIDER_DHT ? "GPL-3.0-or-later (sources Apache-2.0, linked with OpenDHT)" : "Apache-2.0";

#ifndef OUTRIDER_VERSION
#define OUTRIDER_VERSION "0.0.0"
#endif
#ifndef OUTRIDER_REVISION
#define OUTRIDER_REVISION "unknown"
#endif

inline admin::Build this_build() { return {OUTRIDER_VERSION, OUTRIDER_REVISION}; }

}  // namespace outrider::server
