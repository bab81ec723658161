#include "server/admin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "net/address.h"

namespace outrider::server {

namespace {

constexpr int kLimitSeconds = 5;

struct Socket {
  explicit Socket(int f) : fd(f) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

bool send_all(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += size_t(n);
  }
  return true;
}

// "HTTP/1.1 200 OK ... \r\n\r\nbody", to the end of the connection.
std::optional<AdminAnswer> parse(const std::string& text) {
  const size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos || !text.starts_with("HTTP/1.") || text.size() < 12) return {};
  const auto status = parse_number(std::string_view(text).substr(9, 3));
  if (!status) return {};
  return AdminAnswer{int(*status), text.substr(head + 4)};
}

}  // namespace

std::string admin_address(const std::string& given) {
  if (!given.empty()) return given;
  const char* named = std::getenv("OUTRIDER_ADMIN__ADDRESS");
  return named && *named ? named : "127.0.0.1:15000";
}

std::optional<AdminAnswer> ask_admin(const std::string& admin, const std::string& path, std::string& error) {
  const auto address = net::Address::parse(admin);
  if (!address) {
    error = "\"" + admin + "\" is no address: host:port or unix:/path";
    return {};
  }
  const Socket socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{kLimitSeconds, 0};
  setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.fd, address->raw(), address->length()) != 0) {
    error = "nobody answers at " + admin + ": " + std::strerror(errno) + " (is the proxy running? --admin says where)";
    return {};
  }
  // HTTP/1.0: the answer ends with the connection, and is never chunked.
  if (!send_all(socket.fd, "GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n")) {
    error = "the proxy at " + admin + " closed the connection";
    return {};
  }
  std::string text;
  char block[16384];
  for (;;) {
    const ssize_t n = ::recv(socket.fd, block, sizeof block, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error = "no answer from " + admin + " within " + std::to_string(kLimitSeconds) + " s";
      return {};
    }
    if (n == 0) break;
    text.append(block, size_t(n));
  }
  auto answer = parse(text);
  if (!answer) error = "what answers at " + admin + " is not an outrider admin port";
  return answer;
}

std::string escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '/') out += c;
    else out.append({'%', kHex[uint8_t(c) >> 4], kHex[uint8_t(c) & 15]});
  }
  return out;
}

}  // namespace outrider::server
