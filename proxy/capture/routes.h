#pragma once
// With TPROXY: what has the mark stays on this machine, whoever's address it is sent to. Rules and routes of the kernel.

#include <string>

namespace outrider::capture {

// As `ip` has them, for people: "ip rule add ...", a line each.
std::string routes_text(bool ipv6);

// Both may be called any number of times. Empty, or why not.
std::string set_routes(bool ipv6);
std::string clear_routes();
bool has_routes();  // of IPv4; false where it cannot be seen

}  // namespace outrider::capture
