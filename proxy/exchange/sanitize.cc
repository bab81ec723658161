#include "exchange/sanitize.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "http/websocket.h"

namespace outrider::exchange {

using http::HeaderId;

namespace {

constexpr Error refuse(uint16_t status, const char* what) {
  return {status == 403 || status == 501 ? Code::Denied : Code::Protocol, Side::Downstream, Retry::No, 0, what, status};
}

int hex_value(char c) { return is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

bool is_unreserved(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

// Fields that Connection names belong to this connection only; those that frame or route the message stay ours.
void remove_hop_by_hop(http::HeaderMap& headers) {
  if (!headers.has_any(http::kHopByHop)) return;
  std::array<std::string_view, 8> lists;  // more Connection fields than that name nothing anybody would miss
  size_t count = 0;
  for (const auto& field : headers.fields())
    if (field.id == HeaderId::Connection && count < lists.size()) lists[count++] = field.value;
  for (std::string_view rest : std::span(lists).first(count)) {
    while (!rest.empty()) {
      const auto name = trim(next_part(rest, ','));
      const HeaderId id = http::header_id(name);
      if (name.empty() || id == HeaderId::Host || id == HeaderId::ContentLength || http::is_hop_by_hop(id)) continue;
      headers.remove(name);
    }
  }
  headers.remove(http::kHopByHop);
}

// The last `keep` elements of a comma-separated list.
std::string_view last_elements(std::string_view list, uint32_t keep) {
  size_t at = list.size();
  for (uint32_t i = 0; i < keep && at != 0; ++i) {
    const size_t comma = list.substr(0, at).rfind(',');
    if (comma == std::string_view::npos) return list;
    at = comma;
  }
  return keep == 0 ? std::string_view{} : trim(list.substr(at + 1));
}

// A list in several fields is one list (RFC 9110 5.3).
std::string_view joined(const http::HeaderMap& headers, HeaderId id) {
  std::string_view list;
  if (!headers.has_any(http::set_of(id))) return list;
  for (const auto& field : headers.fields())
    if (field.id == id) list = list.empty() ? field.value : headers.arena().concat(list, ", ", field.value);
  return list;
}

void write_forwarded(http::RequestHead& head, const ListenerPlan& plan, const filter::Peer& peer) {
  if (plan.forwarded == Forwarded::Off) return;
  auto& headers = head.headers;
  Arena& arena = headers.arena();
  std::string_view chain = plan.forwarded == Forwarded::Replace ? std::string_view{} : joined(headers, HeaderId::XForwardedFor);
  if (plan.trusted_hops > 0) chain = last_elements(chain, plan.trusted_hops);
  const std::string_view client = peer.remote_ip.empty() ? "unknown" : peer.remote_ip;
  headers.set_view(HeaderId::XForwardedFor, chain.empty() ? client : arena.concat(chain, ", ", client));
  if (plan.forwarded == Forwarded::Replace || !headers.find(HeaderId::XForwardedProto))
    headers.set_view(HeaderId::XForwardedProto, peer.encrypted ? "https" : "http");
  if (plan.forwarded == Forwarded::Replace) {
    headers.remove(
        http::set_of(HeaderId::XForwardedHost, HeaderId::Forwarded, HeaderId::XOutriderAttempt, HeaderId::XOutriderTimeout));
    return;
  }
  // RFC 7239: only where the client's side already speaks it; an IPv6 address is quoted and in brackets.
  const auto forwarded = joined(headers, HeaderId::Forwarded);
  if (forwarded.empty()) return;
  const bool v6 = client.find(':') != std::string_view::npos;
  const auto element = v6 ? arena.concat("for=\"[", client, "]\"") : arena.concat("for=", client);
  headers.set_view(HeaderId::Forwarded, arena.concat(forwarded, ", ", element));
}

// Who comes is ours to say: at the door of an app, and of a mesh.
void write_identity(http::HeaderMap& headers, const ListenerPlan& plan, const filter::Peer& peer) {
  if (!plan.inbound && plan.forwarded != Forwarded::Replace) return;
  headers.remove(http::set_of(HeaderId::XForwardedClientCert));
  if (peer.identity.empty()) return;
  headers.set_view(HeaderId::XForwardedClientCert, headers.arena().concat(plan.client_cert_prefix, peer.identity));
}

// True where normalize_path() could change anything: most paths are clean, and cost one pass.
bool needs_work(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%') return true;
    if (path[i] == '/' && i + 1 < path.size() && (path[i + 1] == '/' || path[i + 1] == '.')) return true;
  }
  return false;
}

}  // namespace

std::string_view new_request_id(Arena& arena, Random& random) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char* text = static_cast<char*>(arena.allocate(32, 1));
  for (int half = 0; half < 2; ++half) {
    uint64_t bits = random.next();
    for (int i = 0; i < 16; ++i, bits >>= 4) text[half * 16 + i] = kDigits[bits & 15];
  }
  return {text, 32};
}

void write_request_id(http::HeaderMap& headers, Random& random) {
  if (!headers.find(HeaderId::XRequestId))
    headers.add_view(HeaderId::XRequestId, "x-request-id", new_request_id(headers.arena(), random));
}

std::string_view normalize_path(std::string_view target, Slash escaped_slash, Arena& arena) {
  const size_t query_at = std::min(target.find('?'), target.size());
  const auto path = target.substr(0, query_at);
  if (!needs_work(path)) return target;
  char* out = static_cast<char*>(arena.allocate(target.size() + 1, 1));
  size_t n = 0;
  for (size_t i = 0; i < path.size(); ++i) {  // percent-encodings first: "%2e%2e" is ".."
    if (path[i] != '%') {
      out[n++] = path[i];
      continue;
    }
    const int high = i + 2 < path.size() ? hex_value(path[i + 1]) : -1, low = i + 2 < path.size() ? hex_value(path[i + 2]) : -1;
    if (high < 0 || low < 0) return {};
    const char c = char(high * 16 + low);
    if (c == '\0' || (c == '/' && escaped_slash == Slash::Reject)) return {};
    if (is_unreserved(c) || (c == '/' && escaped_slash == Slash::Decode)) out[n++] = c;
    else
      for (const char kept : {'%', path[i + 1], path[i + 2]}) out[n++] = kept;
    i += 2;
  }
  // Segments in place: what is written never overtakes what is read.
  const std::string_view decoded(out, n);
  size_t to = 0;
  for (size_t from = 0; from < decoded.size();) {
    const size_t slash = std::min(decoded.find('/', from + 1), decoded.size());
    const auto segment = decoded.substr(from + 1, slash - from - 1);
    const bool last = slash == decoded.size();
    if (segment == "..") {
      if (to == 0) return {};
      do --to;
      while (out[to] != '/');
      if (last) out[to++] = '/';
    } else if (segment == "." || segment.empty()) {
      if (last) out[to++] = '/';
    } else {
      std::copy(decoded.begin() + ptrdiff_t(from), decoded.begin() + ptrdiff_t(slash), out + to);
      to += slash - from;
    }
    from = slash;
  }
  std::copy(target.begin() + ptrdiff_t(query_at), target.end(), out + to);
  return {out, to + target.size() - query_at};
}

Result<Done> sanitize_request(http::RequestHead& head, const ListenerPlan& plan, const filter::Peer& peer, Random& random) {
  const bool connect = head.method == http::Method::Connect;
  if (connect && head.protocol.empty()) return refuse(501, "connect_not_supported");
  if (!plan.websocket && http::is_websocket(head.protocol)) return refuse(403, "websocket_off");
  if (head.method == http::Method::Trace &&
      (head.headers.find(HeaderId::ContentLength) || head.headers.find(HeaderId::TransferEncoding)))
    return refuse(400, "trace_with_body");  // RFC 9110 9.3.8
  if (plan.normalize_path && head.form != http::Form::Asterisk) {
    const auto path = normalize_path(head.path, plan.escaped_slash, head.headers.arena());
    if (path.empty()) return refuse(400, "bad_path");
    head.path = path;
  }
  remove_hop_by_hop(head.headers);
  head.headers.remove(HeaderId::XOutriderLoad);  // it is for us, and goes no further
  // HTTP/1.0 may do without, HTTP/1.1 upstream may not.
  if (!head.headers.find(HeaderId::Host)) head.headers.add_view(HeaderId::Host, "Host", head.authority);
  write_forwarded(head, plan, peer);
  write_identity(head.headers, plan, peer);
  write_request_id(head.headers, random);
  if (connect && http::is_websocket(head.protocol))  // HTTP/1 upstream wants one
    head.headers.set("Sec-WebSocket-Key", http::new_websocket_key(random, head.headers.arena()));
  return Done{};
}

void sanitize_response(http::ResponseHead& head) { remove_hop_by_hop(head.headers); }

}  // namespace outrider::exchange
