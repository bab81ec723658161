#pragma once
// The handshake of WebSocket (RFC 6455 4), for bridges to and from HTTP/2, which does without it (RFC 8441 5.1).

#include <string_view>

#include "base/random.h"
#include "http/message.h"

namespace outrider::http {

bool is_websocket(std::string_view protocol);
std::string_view new_websocket_key(Random& random, Arena& arena);                    // Sec-WebSocket-Key
std::string_view websocket_accept_of(std::string_view websocket_key, Arena& arena);  // Sec-WebSocket-Accept

}  // namespace outrider::http
