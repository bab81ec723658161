#pragma once
// What is asked of a socket and what it says, whoever owns it.

#include "base/result.h"
#include "base/time.h"

namespace outrider::net {

// errno as an Error of that side: Refused, Unreachable, Timeout, Closed ... with a literal `what`.
Error socket_error(int os_error, Side side);

// Of connect(2): nothing has been sent yet, and whatever it was, another endpoint may be tried.
Error connect_error(int os_error);

int pending_error(int fd);  // SO_ERROR, which that takes away

// TCP probes a peer that has been silent for `idle`, and gives it up after three that are not answered, 10 s apart.
void keep_alive(int fd, milliseconds idle);

// Reno for a TCP socket whose peer is on this machine: there is no bottleneck to probe for, and BBR, many kernels' default,
// computes a rate for every acknowledgement and paces by timers. Every kernel has Reno and lets everybody use it.
void spare_congestion_control(int fd);

}  // namespace outrider::net
