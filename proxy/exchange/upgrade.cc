// From a request to a tunnel: Upgrade, extended CONNECT, and one told as the other.

#include "base/text.h"
#include "exchange/exchange.h"
#include "http/websocket.h"

namespace outrider::exchange {

using http::HeaderId;

namespace {

constexpr std::string_view kKey = "Sec-WebSocket-Key", kAccept = "Sec-WebSocket-Accept";

}  // namespace

// A tunnel may last for as long as both sides like, and be silent for long. Without one, whatever the client has sent behind its
// request was not for this endpoint.
void Exchange::settle_upgrade() {
  upgrading_ = false;
  if (response_->status != 101) {
    request_pipe_.held.clear();
    request_pipe_.ended = true;
    return;
  }
  if (const char* bad = finish_handshake()) return fail({Code::Protocol, Side::Upstream, Retry::No, 0, bad});
  tunnel_ = true;
  deadline_.cancel();
  watch_idleness();
}

// HTTP/2 names no protocol in its answer, and has no handshake of WebSocket: where just one side speaks HTTP/1, that side's is
// ours.
const char* Exchange::finish_handshake() {
  const bool from_http2 = request_.version == http::Version::Http2, to_http2 = response_->version == http::Version::Http2;
  http::HeaderMap& headers = response_->headers;
  if (!to_http2 && !list_contains(headers.value(HeaderId::Upgrade), request_.protocol)) return "unexpected_upgrade";
  if (from_http2 == to_http2 || !http::is_websocket(request_.protocol)) return nullptr;
  const auto accept = http::websocket_accept_of(request_.headers.value(kKey), arena_);
  if (to_http2) {
    headers.set(kAccept, accept);
    return nullptr;
  }
  if (headers.value(kAccept) != accept) return "wrong_websocket_accept";
  headers.remove(kAccept);
  return nullptr;
}

}  // namespace outrider::exchange
