#pragma once
// The fields of a message, in arrival order and in their own case; bytes live in the arena of the message's owner.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/arena.h"

namespace outrider::http {

// Names we act on have a number, found once while parsing. Everything else is Other and compared as text.
enum class HeaderId : uint8_t {
  Other,
  Host,
  Connection,
  ContentLength,
  TransferEncoding,
  Te,
  Trailer,
  Upgrade,
  Expect,
  KeepAlive,
  ProxyConnection,
  ProxyAuthenticate,
  ProxyAuthorization,
  Date,
  Server,
  Via,
  Authorization,
  Cookie,
  SetCookie,
  UserAgent,
  Accept,
  ContentType,
  ContentEncoding,
  Location,
  Referer,
  Origin,
  RetryAfter,
  Forwarded,
  XForwardedFor,
  XForwardedProto,
  XForwardedHost,
  XRequestId,
  Traceparent,
  Tracestate,
  XOutriderReason,
  Count
};

HeaderId header_id(std::string_view name);  // ignores case
std::string_view header_name(HeaderId id);  // in its usual spelling; empty for Other
// True for what concerns one connection only and is never passed on (RFC 9110 7.6.1): Connection, Keep-Alive,
// Proxy-Connection, TE, Transfer-Encoding, Upgrade.
bool is_hop_by_hop(HeaderId id);

struct Field {
  HeaderId id = HeaderId::Other;
  bool never_index = false;  // HPACK: secrets
  std::string_view name;     // as it came; compared without case
  std::string_view value;
};

// Typical messages fit the inline array; more fields go to the arena. Owned by a message head.
class HeaderMap {
 public:
  explicit HeaderMap(Arena& arena) : arena_(arena) {}
  HeaderMap(const HeaderMap&) = delete;
  HeaderMap& operator=(const HeaderMap&) = delete;
  Arena& arena() const { return arena_; }
  const Field* find(HeaderId id) const;                                       // the first of that name
  const Field* find(std::string_view name) const;                             // ignores case
  std::string_view value(HeaderId id) const;                                  // empty when absent
  void add(std::string_view name, std::string_view value);                    // copies both into the arena
  void add_view(HeaderId id, std::string_view name, std::string_view value);  // both already live long enough
  void set(std::string_view name, std::string_view value);                    // replaces every field of that name, in its place
  void set(HeaderId id, std::string_view value);
  size_t remove(HeaderId id);
  size_t remove(std::string_view name);
  std::span<const Field> fields() const { return {fields_, count_}; }
  size_t bytes() const;  // names and values and four more each, as on the wire
  void clear();          // the arena keeps what it has

 private:
  void erase_if_same(HeaderId id, std::string_view name, size_t from, size_t& erased);
  static constexpr uint32_t kInline = 24;
  Arena& arena_;
  std::array<Field, kInline> inline_{};
  Field* fields_ = inline_.data();
  uint32_t count_ = 0, capacity_ = kInline;
};

}  // namespace outrider::http
