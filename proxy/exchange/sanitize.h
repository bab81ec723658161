#pragma once
// What is taken out of a message and put into it between the two sides, and what is refused.

#include "base/random.h"
#include "base/result.h"
#include "exchange/snapshot.h"
#include "filter/call.h"
#include "http/message.h"

namespace outrider::exchange {

// Checks and normalises the path (RFC 3986 6.2.2), refuses what is not served (CONNECT without a protocol: an open proxy
// otherwise), removes hop-by-hop fields, those Connection names (RFC 9110 7.6.1) and what sidecars ask each other, writes
// X-Forwarded-*, Forwarded, x-forwarded-client-cert (Envoy's, of mutual TLS) and X-Request-Id, and gives a request without Host
// one, and a WebSocket of HTTP/2 a key. An error carries the status to answer with.
Result<Done> sanitize_request(http::RequestHead& head, const ListenerPlan& plan, const filter::Peer& peer, Random& random);

inline constexpr size_t kMostRequestId = 128;  // of one that we show

std::string_view new_request_id(Arena& arena, Random& random);
void write_request_id(http::HeaderMap& headers, Random& random);  // where there is none

void sanitize_response(http::ResponseHead& head);

// Merges slashes, resolves "." and "..", decodes percent-encoded unreserved characters, applies the rule for %2F; the
// query is left alone. Empty view: the path leaves the root or holds %00. `arena` holds the result when it differs.
std::string_view normalize_path(std::string_view target, Slash escaped_slash, Arena& arena);

}  // namespace outrider::exchange
