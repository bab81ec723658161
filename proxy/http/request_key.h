#pragma once
// What of a request stands for who sends it, or for what is asked: for balancers, splits and limits.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "http/message.h"

namespace outrider::http {

struct Asker {
  std::string_view ip, identity;  // empty: unknown
};

// Constant, of a configuration.
struct RequestKey {
  enum class Kind : uint8_t { Nothing, Source, Identity, Host, Path, Header, Cookie };
  // "source" (the client's ip), "identity", "host", "path" (without its query), "header.NAME", "cookie.NAME"; of anything else,
  // nothing.
  static RequestKey parse(std::string_view text);
  // The same in every proxy and after every start. Nothing where a request has not, or has empty, what it is to be known by.
  std::optional<uint64_t> of(const RequestHead& head, const Asker& asker) const;
  Kind kind = Kind::Nothing;
  std::string name;
};

// From a key, or whatever is drawn in its place, to 0 or more and less than 1.
inline double draw(uint64_t lot) { return double(mix(lot) >> 11) * 0x1.0p-53; }

// "Example.com:8080" -> "Example.com"; brackets of an IPv6 literal are kept.
std::string_view without_port(std::string_view authority);

}  // namespace outrider::http
