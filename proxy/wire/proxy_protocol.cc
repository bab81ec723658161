#include "wire/proxy_protocol.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include "base/network.h"
#include "base/text.h"

namespace outrider::wire {

namespace {

using State = ProxyHeader::State;

constexpr std::string_view kV1 = "PROXY ", kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kV1Bytes = 107;  // with CRLF
constexpr size_t kV2Start = 16;   // signature, command, family, length
// Families in the high half of a byte; in the low one 1 is a stream, 2 datagrams.
constexpr uint8_t kUnspecified = 0, kInet = 1, kInet6 = 2, kUnix = 3;
constexpr uint8_t kStream = 1, kMostTransport = 2;
constexpr uint8_t kVersion2 = 0x20, kLocal = 0, kProxy = 1;
constexpr size_t kAddressBytes[] = {0, 12, 36, 216};  // both ends, by family
constexpr uint8_t kAlpn = 0x01, kAuthority = 0x02, kChecksum = 0x03, kSsl = 0x20, kSslVersion = 0x21;
constexpr uint8_t kClientSsl = 0x01, kClientCert = 0x02 | 0x04;  // shown on this connection, or earlier in its session
constexpr size_t kMostText = 255;

uint8_t byte_at(std::string_view bytes, size_t at) { return uint8_t(bytes[at]); }
size_t short_at(std::string_view bytes, size_t at) { return size_t(byte_at(bytes, at)) << 8 | byte_at(bytes, at + 1); }
bool begins(std::string_view bytes, std::string_view with) {
  const size_t n = std::min(bytes.size(), with.size());
  return bytes.substr(0, n) == with.substr(0, n);
}

ProxyHeader malformed(const char* why) {
  ProxyHeader header;
  header.state = State::Malformed;
  header.why = why;
  return header;
}

net::Address address_of(const void* ip, uint8_t family, uint16_t port) {
  if (family == kInet) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip, sizeof v4.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&v4), sizeof v4};
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, ip, sizeof v6.sin6_addr);
  return {reinterpret_cast<const sockaddr*>(&v6), sizeof v6};
}

// --- version 1: "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n" ------------------------------------------------------

// Of the family that is named, and nothing else around it: inet_pton would take a zone or leading zeros for no address, either.
std::optional<net::Address> v1_address(std::string_view ip, bool v6, uint16_t port) {
  const auto bytes = (ip.find(':') != ip.npos) == v6 ? ip_bytes(ip) : std::nullopt;
  if (!bytes) return {};
  return v6 ? address_of(bytes->data(), kInet6, port) : address_of(bytes->data() + 12, kInet, port);
}

std::optional<uint16_t> v1_port(std::string_view text) {
  const auto port = parse_number(text);
  const bool plain = !text.empty() && text.size() <= 5 && (text.front() != '0' || text == "0");
  return port && plain && *port <= UINT16_MAX ? std::optional(uint16_t(*port)) : std::nullopt;
}

ProxyHeader read_v1(std::string_view bytes) {
  const size_t end = bytes.substr(0, kV1Bytes).find('\n');
  if (end == bytes.npos) {
    if (bytes.size() >= kV1Bytes) return malformed("v1_too_long");
    ProxyHeader more;
    more.begun = true;
    return more;
  }
  if (bytes[end - 1] != '\r' || bytes.substr(0, end).find('\0') != bytes.npos) return malformed("v1_line");
  ProxyHeader header;
  header.state = State::Whole;
  header.size = end + 1;
  std::string_view rest = bytes.substr(kV1.size(), end - 1 - kV1.size());
  const std::string_view protocol = rest.substr(0, rest.find(' '));
  if (protocol == "UNKNOWN") {  // whatever comes behind it
    header.kind = "unknown";
    return header;
  }
  const bool v6 = protocol == "TCP6";
  if (!v6 && protocol != "TCP4") return malformed("v1_protocol");
  if (std::count(rest.begin(), rest.end(), ' ') != 4) return malformed("v1_line");
  next_part(rest, ' ');
  const std::string_view source = next_part(rest, ' '), destination = next_part(rest, ' ');
  const auto from = v1_port(next_part(rest, ' ')), to = v1_port(rest);
  if (!from || !to) return malformed("v1_port");
  const auto told_source = v1_address(source, v6, *from), told_destination = v1_address(destination, v6, *to);
  if (!told_source || !told_destination) return malformed("v1_address");
  header.kind = "v1";
  header.told.source = *told_source;
  header.told.destination = *told_destination;
  return header;
}

// --- version 2 ---------------------------------------------------------------------------------------------------------

// CRC32C, of all bytes but those of the sum itself. Whoever adds it does so once a connection.
uint32_t checksum(std::string_view header, size_t sum_at) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < header.size(); ++i) {
    crc ^= i >= sum_at && i < sum_at + 4 ? 0 : byte_at(header, i);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

struct Tlv {
  uint8_t type;
  std::string_view value;
};

// False: what is left is no TLV.
bool next_tlv(std::string_view& rest, Tlv& tlv) {
  if (rest.size() < 3) return false;
  const size_t length = short_at(rest, 1);
  if (rest.size() - 3 < length) return false;
  tlv = {byte_at(rest, 0), rest.substr(3, length)};
  rest.remove_prefix(3 + length);
  return true;
}

// "client" bits, "verify", and TLVs of its own.
bool read_ssl(std::string_view value, Relayed& told) {
  if (value.size() < 5) return false;
  const uint8_t client = byte_at(value, 0);
  told.encrypted = client & kClientSsl;
  told.certified = (client & kClientCert) && value.substr(1, 4) == std::string_view("\0\0\0\0", 4);
  value.remove_prefix(5);
  for (Tlv tlv; !value.empty();) {
    if (!next_tlv(value, tlv)) return false;
    if (tlv.type == kSslVersion && tlv.value.size() <= kMostText) told.version = tlv.value;
  }
  return true;
}

// What is not known is passed over: UNIQUE_ID, NETNS, NOOP, and those of one vendor alone.
const char* read_tlvs(std::string_view header, size_t at, Relayed& told) {
  std::string_view rest = header.substr(at);
  for (Tlv tlv; !rest.empty();) {
    if (!next_tlv(rest, tlv)) return "v2_tlv";
    switch (tlv.type) {
      case kAlpn:
        if (tlv.value.size() <= kMostText) told.protocol = tlv.value;
        break;
      case kAuthority:
        if (tlv.value.size() <= kMostText) told.server_name = tlv.value;
        break;
      case kSsl:
        if (!read_ssl(tlv.value, told)) return "v2_tlv";
        break;
      case kChecksum: {
        if (tlv.value.size() != 4) return "v2_tlv";
        const uint32_t sum = uint32_t(short_at(tlv.value, 0) << 16 | short_at(tlv.value, 2));
        if (sum != checksum(header, size_t(tlv.value.data() - header.data()))) return "v2_checksum";
        break;
      }
      default: break;
    }
  }
  return nullptr;
}

ProxyHeader read_v2(std::string_view bytes) {
  ProxyHeader more;
  more.begun = true;
  if (bytes.size() > kV2.size()) {
    const uint8_t command = byte_at(bytes, kV2.size());
    if ((command & 0xf0) != kVersion2) return malformed("v2_version");
    if ((command & 0x0f) > kProxy) return malformed("v2_command");
  }
  if (bytes.size() < kV2Start) return more;
  const bool local = (byte_at(bytes, kV2.size()) & 0x0f) == kLocal;
  const uint8_t family = byte_at(bytes, 13) >> 4, transport = byte_at(bytes, 13) & 0x0f;
  const size_t length = short_at(bytes, 14);
  if (kV2Start + length > kProxyHeaderBytes) return malformed("v2_too_long");
  if (!local && (family > kUnix || transport > kMostTransport)) return malformed("v2_family");
  if (!local && length < kAddressBytes[family]) return malformed("v2_address");
  if (bytes.size() < kV2Start + length) return more;
  ProxyHeader header;
  header.state = State::Whole;
  header.size = kV2Start + length;
  header.kind = local ? "local" : "unknown";
  // Of a family that cannot be used the receiver is to go by the connection it sees; of what it says of itself by nothing else.
  if (local || family == kUnspecified) return header;
  if (const char* const why = read_tlvs(bytes.substr(0, header.size), kV2Start + kAddressBytes[family], header.told))
    return malformed(why);
  if (transport != kStream || family == kUnix) {
    header.told = {};
    return header;
  }
  const char* const ends = bytes.data() + kV2Start;
  const size_t ip = family == kInet ? 4 : 16;
  header.kind = "v2";
  header.told.source = address_of(ends, family, uint16_t(short_at(bytes, kV2Start + 2 * ip)));
  header.told.destination = address_of(ends + ip, family, uint16_t(short_at(bytes, kV2Start + 2 * ip + 2)));
  return header;
}

// --- out ---------------------------------------------------------------------------------------------------------------

// Both ends in one family: IPv4 where they both are, also as ::ffff:a.b.c.d of a socket for both.
struct Ends {
  IpBytes source{}, destination{};
  uint8_t family = kUnspecified;
};

bool is_v4(const IpBytes& ip) {
  return std::all_of(ip.begin(), ip.begin() + 10, [](uint8_t b) { return b == 0; }) && ip[10] == 0xff && ip[11] == 0xff;
}

Ends ends_of(const Relayed& told) {
  const auto source = ip_bytes(told.source.raw()), destination = ip_bytes(told.destination.raw());
  if (!source || !destination) return {};
  return {*source, *destination, is_v4(*source) && is_v4(*destination) ? kInet : kInet6};
}

std::string text_of(const net::Address& ip, uint8_t family) {
  std::string text = ip.ip();
  return family == kInet6 && text.find(':') == text.npos ? "::ffff:" + text : text;
}

std::string write_v1(const Relayed* told) {
  const uint8_t family = told ? ends_of(*told).family : kUnspecified;
  if (family == kUnspecified) return "PROXY UNKNOWN\r\n";
  return std::string(kV1) + (family == kInet ? "TCP4 " : "TCP6 ") + text_of(told->source, family) + ' ' +
         text_of(told->destination, family) + ' ' + std::to_string(told->source.port()) + ' ' +
         std::to_string(told->destination.port()) + "\r\n";
}

void put_short(std::string& to, size_t value) { to += {char(value >> 8), char(value)}; }

void put_tlv(std::string& to, uint8_t type, std::string_view value) {
  if (value.empty() || value.size() > kMostText) return;
  to += char(type);
  put_short(to, value.size());
  to += value;
}

std::string write_v2(const Relayed* told) {
  std::string header(kV2), rest;
  const Ends ends = told ? ends_of(*told) : Ends{};
  if (ends.family != kUnspecified) {
    const size_t from = ends.family == kInet ? 12 : 0;
    for (const IpBytes* ip : {&ends.source, &ends.destination}) rest.append(ip->begin() + from, ip->end());
    put_short(rest, told->source.port());
    put_short(rest, told->destination.port());
    put_tlv(rest, kAlpn, told->protocol);
    put_tlv(rest, kAuthority, told->server_name);
    if (told->encrypted) {
      std::string ssl{char(told->certified ? kClientSsl | 0x02 : kClientSsl), 0, 0, 0, char(told->certified ? 0 : 1)};
      put_tlv(ssl, kSslVersion, told->version);
      put_tlv(rest, kSsl, ssl);
    }
  }
  header += char(kVersion2 | (told ? kProxy : kLocal));
  header += char(ends.family == kUnspecified ? 0 : ends.family << 4 | kStream);
  put_short(header, rest.size());
  return header + rest;
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
  if (begins(bytes, kV1) && !bytes.empty()) return bytes.size() < kV1.size() ? ProxyHeader{} : read_v1(bytes);
  if (begins(bytes, kV2) && !bytes.empty()) return bytes.size() < kV2.size() ? ProxyHeader{} : read_v2(bytes);
  ProxyHeader header;
  if (!bytes.empty()) header.state = State::Absent;
  return header;
}

std::string write_proxy_header(ProxyProtocol version, const Relayed* told) {
  switch (version) {
    case ProxyProtocol::V1: return write_v1(told);
    case ProxyProtocol::V2: return write_v2(told);
    case ProxyProtocol::Off: break;
  }
  return {};
}

}  // namespace outrider::wire
