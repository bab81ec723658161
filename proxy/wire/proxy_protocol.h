#pragma once
// PROXY protocol, versions 1 and 2: what a proxy in front says of a connection before its first byte. No socket.

#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"

namespace outrider::wire {

enum class ProxyProtocol : uint8_t { Off, V1, V2 };

// A connection as one proxy tells the next of it.
struct Relayed {
  net::Address source, destination;  // invalid: it is not told
  // Of TLS with the client, where a header of version 2 says it.
  bool encrypted = false, certified = false;   // certified: by a certificate that was good
  std::string version, server_name, protocol;  // "TLSv1.3"; the name asked for; by ALPN
};

// The longest that is taken, TLVs and all.
inline constexpr size_t kProxyHeaderBytes = 4096;

struct ProxyHeader {
  // Absent: what has come begins no header. Partial: it may be one that is not whole.
  enum class State : uint8_t { Partial, Absent, Malformed, Whole } state = State::Partial;
  bool begun = false;     // Partial: there is no doubt that it is one
  size_t size = 0;        // Whole: what comes behind it is the connection's first byte
  const char* kind = "";  // Whole: v1 or v2; local: the proxy in front itself connects; unknown: it cannot say who does
  const char* why = "";   // Malformed
  Relayed told;
};

// Of the bytes a connection begins with. Whatever they are, more than kProxyHeaderBytes is never asked for.
ProxyHeader read_proxy_header(std::string_view bytes);

// What goes first on a connection. Null: it is our own (LOCAL, UNKNOWN).
std::string write_proxy_header(ProxyProtocol version, const Relayed* told);

}  // namespace outrider::wire
