#pragma once
// One who asks a server of DNS: by a socket of its own each time, over UDP or TCP, with a limit that only a hang meets.

#include <poll.h>

#include <string>

#include "tests/support/dns_server.h"
#include "tests/support/sockets.h"

namespace outrider::test {

struct DnsAsk {
  std::string name;
  unsigned type = 1, klass = 1;
  unsigned udp_bytes = 0;  // 0: without EDNS
  bool recursion = true;
  uint16_t id = 0x1234;
  std::string message() const {
    std::string out = dns::two(id) + std::string{char(recursion ? 1 : 0), 0} + dns::two(1) + dns::two(0) + dns::two(0) +
                      dns::two(udp_bytes ? 1 : 0) + dns::name(name) + dns::two(type) + dns::two(klass);
    if (udp_bytes) out += std::string(1, '\0') + dns::two(41) + dns::two(udp_bytes) + dns::four(0) + dns::two(0);
    return out;
  }
};

struct DnsSeen {
  std::string bytes;  // empty: nothing came
  unsigned two(size_t at) const {
    return at + 2 <= bytes.size() ? unsigned(uint8_t(bytes[at]) << 8 | uint8_t(bytes[at + 1])) : 0;
  }
  int code() const { return bytes.size() < 12 ? -1 : bytes[3] & 15; }
  bool cut() const { return bytes.size() >= 12 && bytes[2] & 2; }
  bool authoritative() const { return bytes.size() >= 12 && bytes[2] & 4; }
  unsigned answers() const { return two(6); }
  unsigned authorities() const { return two(8); }
  unsigned additional() const { return two(10); }
  net::DnsAnswer read(const std::string& name, net::DnsType type) const { return net::read_dns_answer(bytes, name, type); }
  // "10.0.0.1 10.0.0.2", "a.mesh:80"; of failures their number
  std::string text(const std::string& name, net::DnsType type) const {
    std::string all;
    for (const auto& one : read(name, type).records) {
      all += all.empty() ? "" : " ";
      all += type == net::DnsType::Srv ? one.target + ":" + std::to_string(one.port) : one.address.ip();
    }
    return all.empty() ? "code " + std::to_string(code()) : all;
  }
};

inline DnsSeen ask_dns(const net::Address& server, const std::string& message, bool stream = false, int limit_ms = 20000) {
  const Fd fd(::socket(server.family(), (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), server.raw(), server.length()) != 0) return {};
  const std::string out = (stream ? dns::two(unsigned(message.size())) : "") + message;
  if (::send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL) != ssize_t(out.size())) return {};
  std::string in;
  for (;;) {
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, limit_ms) <= 0) return {};
    char bytes[65536];
    const ssize_t n = ::recv(fd.get(), bytes, sizeof bytes, 0);
    if (n <= 0) return {};
    in.append(bytes, size_t(n));
    if (!stream) return {in};
    if (in.size() >= 2 && in.size() >= 2 + (size_t(uint8_t(in[0])) << 8 | uint8_t(in[1]))) return {in.substr(2)};
  }
}

inline DnsSeen ask_dns(const net::Address& server, const DnsAsk& ask, bool stream = false) {
  return ask_dns(server, ask.message(), stream);
}

}  // namespace outrider::test
