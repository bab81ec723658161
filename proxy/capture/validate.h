#pragma once
// Whether capture is in force, shown by connections.

#include <string>
#include <vector>

#include "base/time.h"
#include "capture/settings.h"

namespace outrider::capture {

struct Finding {
  enum class State : uint8_t { Proven, Failed, NotLookedAt };
  State state = State::Proven;
  std::string name, text, fix;  // "outbound, IPv4"; what was seen; what to do about it
};

// Calls addresses that nobody has (192.0.2.1, 2001:db8::1: RFC 5737, RFC 3849) and sees where that comes out: at a listener of
// its own, or, where the proxy runs already, at the proxy's, as the kernel's list of connections has it. What comes in cannot be
// shown from here: there the rules are read. In force: something was proven, and nothing failed.
std::vector<Finding> validate(const Settings& settings, milliseconds timeout);
bool in_force(const std::vector<Finding>& findings);

// Whether /proc/net/tcp or tcp6 has a connection at port `here` whose other end is port `there`, whatever has become of it.
bool lists_connection(std::string_view table, uint16_t here, uint16_t there);

}  // namespace outrider::capture
