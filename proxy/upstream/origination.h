#pragma once
// Which endpoints are spoken to by TLS, and what they are asked first; the same for requests and for health checks.

#include <optional>
#include <string_view>

#include "net/address.h"
#include "upstream/cluster_plan.h"

namespace outrider::upstream {

// `identity` is whom mutual TLS must show, empty for endpoints that are not asked for it: Endpoint::mutual_identity().
bool is_encrypted(const TlsPlan& plan, const net::Address& to, std::string_view identity, Protocol protocol);
// No value: clear text. `sessions` may be null. `host` is whom the certificate must be for where the plan names nobody; empty:
// the address.
std::optional<net::TlsPeer> peer_of(const TlsPlan& plan, const net::Address& to, std::string_view identity, Protocol protocol,
                                    net::TlsSessions* sessions, const std::string& host = {});

// As long as the endpoint has not chosen another.
inline http::Wire wire_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http2: return http::Wire::Http2;
    case Protocol::Raw: return http::Wire::Raw;
    case Protocol::Http1:
    case Protocol::Either: break;
  }
  return http::Wire::Http1;
}

// For what the handshake has agreed on.
std::unique_ptr<http::Codec> encrypted_codec(http::Wire wire, http::CodecEvents& events, BlockPool& blocks,
                                             http::CodecLimits limits);

}  // namespace outrider::upstream
