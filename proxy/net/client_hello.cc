#include "net/client_hello.h"

#include <algorithm>

namespace outrider::net {

namespace {

using State = ClientHello::State;

constexpr char kHandshake = 22, kMajor = 3, kClientHello = 1;
constexpr size_t kRecordHead = 5, kMessageHead = 4, kLongestRecord = 1 << 14;  // RFC 8446 5.1
constexpr size_t kVersion = 2, kRandom = 32, kLongestSession = 32, kLongestName = 255;
constexpr uint16_t kServerName = 0, kAlpn = 16;

ClientHello malformed(const char* why) { return {State::Malformed, why, 0, {}, {}}; }

ClientHello partial(size_t needed) {
  if (needed > kClientHelloBytes) return malformed("client_hello_too_long");
  return {State::Partial, "", needed, {}, {}};
}

size_t number(std::string_view bytes) {
  size_t value = 0;
  for (const char c : bytes) value = value << 8 | uint8_t(c);
  return value;
}

// Takes a message apart; once it has asked for more than there is, all it hands out is empty.
struct Reader {
  std::string_view rest;
  bool fine = true;

  std::string_view take(size_t n) {
    fine &= n <= rest.size();
    const auto taken = rest.substr(0, fine ? n : 0);
    rest.remove_prefix(taken.size());
    return taken;
  }
  std::string_view vector(size_t length_bytes) { return take(number(take(length_bytes))); }
};

bool visible(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool read_protocols(std::string_view extension, std::string_view& protocols) {
  Reader outer{extension};
  protocols = outer.vector(2);
  if (!outer.fine || !outer.rest.empty() || protocols.empty()) return false;
  for (Reader list{protocols}; !list.rest.empty();)
    if (list.vector(1).empty()) return false;
  return true;
}

ClientHello read_message(std::string_view message) {
  ClientHello hello{State::Whole, "", 0, {}, {}};
  Reader reader{message};
  reader.take(kVersion + kRandom);
  const auto session = reader.vector(1), ciphers = reader.vector(2), compressions = reader.vector(1);
  if (!reader.fine || session.size() > kLongestSession || ciphers.empty() || ciphers.size() % 2 || compressions.empty())
    return malformed("client_hello_length");
  if (reader.rest.empty()) return hello;  // TLS 1.2 could do without extensions
  Reader extensions{reader.vector(2)};
  if (!reader.fine || !reader.rest.empty()) return malformed("client_hello_length");
  bool named = false, offered = false;
  while (!extensions.rest.empty()) {
    const size_t type = number(extensions.take(2));
    const auto data = extensions.vector(2);
    if (!extensions.fine) return malformed("client_hello_length");
    bool* const seen = type == kServerName ? &named : type == kAlpn ? &offered : nullptr;
    if (!seen) continue;
    if (*seen) return malformed("client_hello_twice");  // RFC 8446 4.2
    *seen = true;
    if (seen == &named && !read_server_name(data, hello.server_name)) return malformed("client_hello_server_name");
    if (seen == &offered && !read_protocols(data, hello.protocols)) return malformed("client_hello_protocols");
  }
  return hello;
}

}  // namespace

// Names of other types than host names are passed over: they all have a length of two bytes.
bool read_server_name(std::string_view extension, std::string_view& name) {
  Reader outer{extension};
  Reader list{outer.vector(2)};
  if (!outer.fine || !outer.rest.empty() || list.rest.empty()) return false;
  while (!list.rest.empty()) {
    const bool host = number(list.take(1)) == 0;
    const auto one = list.vector(2);
    if (!list.fine || one.empty() || (host && !name.empty())) return false;
    if (host) name = one;
  }
  if (name.size() > kLongestName || !visible(name)) return false;
  if (name.ends_with('.')) name.remove_suffix(1);
  return true;
}

ClientHello read_client_hello(std::string_view bytes, std::string& joined) {
  bytes = bytes.substr(0, kClientHelloBytes);
  joined.clear();
  std::string_view message;
  size_t wanted = kMessageHead;
  for (size_t at = 0;;) {
    const auto record = bytes.substr(at);
    const bool handshake = record.empty() || (record[0] == kHandshake && (record.size() == 1 || record[1] == kMajor));
    if (!handshake) return at ? malformed("client_hello_interrupted") : ClientHello{State::NotTls, "", 0, {}, {}};
    if (record.size() < kRecordHead) return partial(at + kRecordHead + wanted - message.size());
    const size_t length = number(record.substr(3, 2));
    if (length == 0 || length > kLongestRecord) return malformed("client_hello_record_length");
    const auto part = record.substr(kRecordHead, length);
    if (at == 0) {
      if (!part.empty() && part[0] != kClientHello) return {State::NotTls, "", 0, {}, {}};
      message = part;
    } else {
      if (joined.empty()) joined = message;
      message = joined += part;
    }
    if (message.size() >= kMessageHead) wanted = kMessageHead + number(message.substr(1, 3));
    if (wanted > kClientHelloBytes - kRecordHead) return malformed("client_hello_too_long");
    if (message.size() >= wanted) return read_message(message.substr(kMessageHead, wanted - kMessageHead));
    const size_t missing = wanted - message.size(), to_come = length - part.size();
    if (to_come > 0) return partial(bytes.size() + missing + (missing > to_come ? kRecordHead : 0));
    at += kRecordHead + length;
  }
}

}  // namespace outrider::net
