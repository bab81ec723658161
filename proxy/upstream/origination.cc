#include "upstream/origination.h"

namespace outrider::upstream {

namespace {

constexpr uint16_t kHttps = 443;

std::string_view offered(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http1: return "\x08http/1.1";
    case Protocol::Http2: return "\x02h2";
    case Protocol::Either: return "\x02h2\x08http/1.1";
    case Protocol::Raw: break;
  }
  return {};
}

std::string_view offered_in_mesh(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http1: return "\x08http/1.1\x08outrider";
    case Protocol::Http2: return "\x02h2\x08outrider";
    case Protocol::Either: return "\x02h2\x08http/1.1\x08outrider";
    case Protocol::Raw: break;
  }
  return "\x08outrider";
}

}  // namespace

bool is_encrypted(const TlsPlan& plan, const net::Address& to, std::string_view identity, Protocol protocol) {
  if (plan.mesh && !identity.empty()) return true;
  return plan.files && (!plan.https_only || (to.port() == kHttps && protocol != Protocol::Raw));
}

std::optional<net::TlsPeer> peer_of(const TlsPlan& plan, const net::Address& to, std::string_view identity, Protocol protocol,
                                    net::TlsSessions* sessions, const std::string& host) {
  if (!is_encrypted(plan, to, identity, protocol)) return {};
  if (plan.mesh && !identity.empty())
    return net::TlsPeer{plan.mesh->get(), to.ip(), offered_in_mesh(protocol), sessions, std::string(identity)};
  const std::string& name = plan.name.empty() ? host : plan.name;
  return net::TlsPeer{plan.files->get(), name.empty() ? to.ip() : name, offered(protocol), sessions};
}

std::unique_ptr<http::Codec> encrypted_codec(http::Wire wire, http::CodecEvents& events, BlockPool& blocks,
                                             http::CodecLimits limits) {
  limits.encrypted = true;
  return http::make_codec(wire, http::Role::Client, events, blocks, limits);
}

}  // namespace outrider::upstream
