#pragma once
// Memory for OpenSSL.

namespace outrider::net {

// With SSL_MODE_RELEASE_BUFFERS a connection's two buffers of a record are freed behind each of its bursts, so that idle
// connections hold none; of the C library's heap that costs a busy one more than 1 % of its requests. From here on they are
// taken from and given back to a few spare ones of each thread. Before anything else of OpenSSL is called, else it has no effect.
void keep_record_buffers();

}  // namespace outrider::net
