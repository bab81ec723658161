#pragma once
// Sockets with addresses that are not ours: what TPROXY leads here, and connections in a client's name. The kernel lets
// nobody do that who has neither CAP_NET_ADMIN nor CAP_NET_RAW.

#include "net/address.h"

namespace outrider::net {

// The calling thread, and those it starts from then on, may make such sockets, if it is permitted to; false: it is not.
bool take_up_transparency();
// The capability that take_up_transparency() goes by: the lesser one there is, as a set of capabilities; 0: none.
uint64_t transparency();

bool let_through(int fd);  // a listening socket; false: errno says why

// Before connect(2): from the client's address, and from a port of our choice. Not from the range where clients mostly have
// theirs: two connections between the same four would be one. 0, or errno.
int bind_as(int fd, const Address& client);

}  // namespace outrider::net
