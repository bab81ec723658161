#pragma once
// Whom a client has called.

#include <span>

#include "net/address.h"

namespace outrider::net {

struct Destination {
  Address address;          // AF_UNSPEC on failure
  bool redirected = false;  // by the kernel (REDIRECT, DNAT, TPROXY): it was meant for `address`, which is not ours
};

// Of an accepted socket. Where nothing was redirected, our own address: once there are any rules of NAT, the kernel answers for
// every connection, and says that of those it has left alone.
Destination destination_of(int fd);

// The same where TPROXY leads connections to a listener at `listening`: they are what they were, and so is their destination.
Destination destination_by_tproxy(int fd, const Address& listening);

// Whether a connection to `to` would come to one of these sockets that listen on this machine.
bool is_one_of(const Address& to, std::span<const Address> listening);

}  // namespace outrider::net
