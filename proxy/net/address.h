#pragma once
// A socket address with value semantics: IPv4, IPv6 or a unix path.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrider::net {

// Small, since every connection keeps one: the rare unix path lies elsewhere.
class Address {
 public:
  Address() = default;
  Address(const sockaddr* address, socklen_t length);
  // "127.0.0.1:80", "[::1]:80", ":80" (any, dual stack [::]), "unix:/path". Names are not looked up here: an error.
  static Result<Address> parse(std::string_view text);
  static Address loopback(uint16_t port);  // 127.0.0.1
  static Address local_of(int fd);         // getsockname; AF_UNSPEC on failure
  // Where a datagram to it would be from, by the kernel's routes; invalid: there is none.
  static Address towards(const Address& peer);
  static std::string first_reachable();  // IP of the first interface that is up and not loopback; "127.0.0.1" where there is none

  const sockaddr* raw() const { return path_ ? reinterpret_cast<const sockaddr*>(path_.get()) : &ip_.any; }
  socklen_t length() const { return length_; }
  int family() const { return path_ ? AF_UNIX : ip_.any.sa_family; }
  bool valid() const { return family() != AF_UNSPEC; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_loopback() const;
  bool is_wildcard() const;
  uint16_t port() const;  // 0 for unix
  void set_port(uint16_t port);
  uint64_t ip_key() const;   // a number for the address without its port, for counting
  std::string ip() const;    // without port and brackets; the path of a unix socket. v4-mapped as v4
  std::string text() const;  // as parse() reads it
  static constexpr size_t kMaxIpText = 64;
  size_t write_ip(char* to) const;  // text() of an IP address where there is room for kMaxIpText; how much that is
  bool operator==(const Address& other) const;

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6{};
  } ip_;  // AF_UNSPEC in an invalid one and beside a path
  socklen_t length_ = 0;
  std::shared_ptr<const sockaddr_un> path_;
};

}  // namespace outrider::net
