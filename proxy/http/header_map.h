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
  XForwardedClientCert,
  XRequestId,
  Traceparent,
  Tracestate,
  XOutriderReason,
  GrpcStatus,
  GrpcMessage,
  GrpcTimeout,
  XOutriderAttempt,
  XOutriderMirror,
  XOutriderLoad,
  XOutriderTimeout,
  Count
};

HeaderId header_id(std::string_view name);  // ignores case
std::string_view header_name(HeaderId id);  // in its usual spelling; empty for Other

using HeaderSet = uint64_t;  // a bit an id
static_assert(size_t(HeaderId::Count) <= 64);
template <class... Ids>
constexpr HeaderSet set_of(Ids... ids) {
  return ((HeaderSet{1} << unsigned(ids)) | ...);
}

// What concerns one connection only and is never passed on (RFC 9110 7.6.1).
inline constexpr HeaderSet kHopByHop = set_of(HeaderId::Connection, HeaderId::KeepAlive, HeaderId::ProxyConnection, HeaderId::Te,
                                              HeaderId::TransferEncoding, HeaderId::Upgrade);
constexpr bool is_hop_by_hop(HeaderId id) { return kHopByHop & set_of(id); }

// Fields that frame or route a message are never read from behind its body, and others that we act on were acted on
// with the head (RFC 9110 6.5.1).
constexpr bool breaks_as_trailer(HeaderId id) {
  return is_hop_by_hop(id) ||
         (set_of(HeaderId::Host, HeaderId::ContentLength, HeaderId::Trailer, HeaderId::Expect) & set_of(id)) != 0;
}
constexpr bool may_be_trailer(HeaderId id) {
  return (set_of(HeaderId::Other, HeaderId::Date, HeaderId::Server, HeaderId::XOutriderReason, HeaderId::GrpcStatus,
                 HeaderId::GrpcMessage) &
          set_of(id)) != 0;
}

struct Field {
  HeaderId id = HeaderId::Other;
  bool never_index = false;  // HPACK: secrets
  bool clean = false;        // a token and a field value (RFC 9110 5.1, 5.5) for sure: no need to look before it is written
  bool verbatim = false;     // clean, and "name: value\r\n" is what stands in memory: written as one run
  std::string_view name;     // as it came; compared without case
  std::string_view value;
  std::string_view line() const { return {name.data(), size_t(value.data() + value.size() + 2 - name.data())}; }  // if verbatim
};

// Typical messages fit the inline array; more fields go to the arena. Owned by a message head.
class HeaderMap {
 public:
  explicit HeaderMap(Arena& arena) : arena_(arena) {}
  HeaderMap(const HeaderMap&) = delete;
  HeaderMap& operator=(const HeaderMap&) = delete;
  Arena& arena() const { return arena_; }
  bool has_any(HeaderSet ids) const { return present_ & ids; }
  const Field* find(HeaderId id) const { return has_any(set_of(id)) ? find_present(id) : nullptr; }  // the first of that name
  const Field* find(std::string_view name) const;                                                    // ignores case
  template <class Name>
  std::string_view value(Name name) const {  // empty when absent
    const Field* const field = find(name);
    return field ? field->value : std::string_view{};
  }
  void add(std::string_view name, std::string_view value);  // copies both into the arena
  void set(std::string_view name, std::string_view value);  // replaces every field of that name, in its place
  void set(HeaderId id, std::string_view value) { set_copied(id, header_name(id), arena_.copy(value), false); }
  // Views of what lives as long as the arena, and is clean (see Field); verbatim where it stands so in a message.
  void add_view(HeaderId id, std::string_view name, std::string_view value, bool verbatim = false);
  void set_view(HeaderId id, std::string_view value) { set_copied(id, header_name(id), value, true); }
  size_t remove(HeaderSet ids);  // without Other
  size_t remove(HeaderId id) { return id == HeaderId::Other ? 0 : remove(set_of(id)); }
  size_t remove(std::string_view name);
  std::span<const Field> fields() const { return {fields_, count_}; }
  size_t bytes() const;  // names and values and four more each, as on the wire
  void clear();          // the arena keeps what it has

 private:
  const Field* find_present(HeaderId id) const;
  void set_copied(HeaderId id, std::string_view name, std::string_view value, bool clean);
  template <class Unwanted>
  size_t erase(uint32_t from, Unwanted unwanted);
  static constexpr uint32_t kInline = 24;
  Arena& arena_;
  std::array<Field, kInline> inline_{};
  Field* fields_ = inline_.data();
  uint32_t count_ = 0, capacity_ = kInline;
  HeaderSet present_ = 0;  // the ids there are
};

}  // namespace outrider::http
