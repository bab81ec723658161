#pragma once
// What was built.

#include "admin/facts.h"

namespace outrider::server {

// Debian 12's OpenDHT is GPL-3+, and so is a binary linked with it; our own sources are Apache-2.0.
inline constexpr const char* kBinaryLicence =
    OUTRIDER_DHT ? "GPL-3.0-or-later (sources Apache-2.0, linked with OpenDHT)" : "Apache-2.0";

admin::Build this_build();

}  // namespace outrider::server
