#pragma once
// Whom a client has called.

#include "net/address.h"

namespace outrider::net {

// Of an accepted socket: where the kernel has redirected it here (REDIRECT, DNAT), the address it was meant for, else our
// own. AF_UNSPEC on failure.
Address destination_of(int fd);

}  // namespace outrider::net
