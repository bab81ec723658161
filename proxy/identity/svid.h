#pragma once
// What an agent's SPIFFE Workload API says of us: X509SVIDResponse (the specification's workload.proto).

#include <string>
#include <string_view>

#include "identity/identity.h"

namespace outrider::identity {

constexpr size_t kMaxSvids = 4 << 20;  // bytes of one answer

// The identity `wanted`, where the agent has several, else the first; trusted is its bundle, and those of other trust domains
// that came along. As Identity::load(), dates and the chain are not looked at.
Outcome<Identity> read_svids(std::string_view message, std::string_view wanted);

void wipe(std::string& secret);  // overwrites it, and leaves it empty

}  // namespace outrider::identity
