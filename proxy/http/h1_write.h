#pragma once
// HTTP/1 heads and bodies to bytes. Framing is decided here, never by what a head says of it; a name, a value or a
// target that could end its own line is never written.

#include <span>

#include "base/buffer.h"
#include "http/message.h"

namespace outrider::http {

// How the body behind a head goes out, and how much of it is still to come.
struct BodyOut {
  enum class Kind : uint8_t { None, Length, Chunked, UntilClose };  // None: bytes are swallowed
  Kind kind = Kind::None;
  uint64_t left = 0;  // Length
};

struct ResponseShape {
  bool end = false;      // no body follows
  bool to_head = false;  // answers HEAD
  bool to_http10 = false;
  bool keep_alive = true;
};

// A head with a protocol goes out as a request to upgrade to it; nothing may follow before the answer.
BodyOut write_request(Buffer& out, const RequestHead& head, std::span<const Field> own, bool end);
// Clears shape.keep_alive where only the end of the connection can end the body, or where the head says close.
BodyOut write_response(Buffer& out, const ResponseHead& head, ResponseShape& shape);
void write_interim(Buffer& out, const ResponseHead& head, std::string_view protocol = {});  // protocol: what a 101 switches to

// The first n bytes of `data` as the body goes: small ones are copied behind what is there, large ones move.
void write_piece(Buffer& out, Buffer& data, size_t n, const BodyOut& body);
void write_last_chunk(Buffer& out, const HeaderMap* trailers);

}  // namespace outrider::http
