#pragma once
// What a client says before anything is encrypted: the first message of TLS (RFC 8446 4.1.2).

#include <cstdint>
#include <string>
#include <string_view>

namespace outrider::net {

inline constexpr size_t kClientHelloBytes = 5 + (1 << 14);  // with so many, heads of records and all, there is a verdict

struct ClientHello {
  enum class State : uint8_t { NotTls, Partial, Whole, Malformed } state = State::Partial;
  const char* why = "";          // Malformed: a literal
  size_t needed = 0;             // Partial: with fewer bytes, from the first on, it is not whole
  std::string_view server_name;  // RFC 6066 3: visible ASCII, without a dot at its end; empty: none was named
  std::string_view protocols;    // RFC 7301 3.1: each behind a byte that is its length; empty: none were offered
};

// `bytes` is what has come so far; more of the same never changes a verdict. What is found are views of `bytes`, or of
// `joined` where the message came in several records.
ClientHello read_client_hello(std::string_view bytes, std::string& joined);

// The extension's own bytes. False: they are malformed.
bool read_server_name(std::string_view extension, std::string_view& name);

}  // namespace outrider::net
