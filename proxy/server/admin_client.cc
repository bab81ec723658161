#include "server/admin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "net/address.h"

namespace outrider::server {

namespace {

constexpr int kFirstSeconds = 15;

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

void limit_waiting(int fd, int seconds) {
  const timeval limit{seconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Connects and asks; a socket that answers, or -1 with `error` set. HTTP/1.0: the answer ends with the connection, and is
// never chunked.
int ask(const std::string& admin, const std::string& request, int limit_seconds, std::string& error) {
  const auto address = net::Address::parse(admin);
  if (!address) return error = "\"" + admin + "\" is no address: host:port or unix:/path", -1;
  Socket socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_waiting(socket.fd, limit_seconds);
  if (::connect(socket.fd, address->raw(), address->length()) != 0)
    error = "nobody answers at " + admin + ": " + std::strerror(errno) + " (is the proxy running? --admin says where)";
  else if (!send_all(socket.fd, request)) error = "the proxy at " + admin + " closed the connection";
  else return std::exchange(socket.fd, -1);
  return -1;
}

// 0: the end; -1: nothing came for too long, or the connection broke.
ssize_t receive(int fd, std::string& into) {
  char block[16384];
  ssize_t n;
  do n = ::recv(fd, block, sizeof block, 0);
  while (n < 0 && errno == EINTR);
  if (n > 0) into.append(block, size_t(n));
  return n;
}

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n"; }

std::optional<AdminAnswer> whole_answer(const std::string& admin, const std::string& request, int limit_seconds,
                                        std::string& error) {
  const Socket socket(ask(admin, request, limit_seconds, error));
  std::string text;
  for (ssize_t n = 1; socket.fd >= 0 && n > 0;) {
    n = receive(socket.fd, text);
    if (n < 0) error = "no answer from " + admin + " within " + std::to_string(limit_seconds) + " s";
  }
  if (!error.empty()) return {};
  auto answer = parse(text);
  if (!answer) error = "what answers at " + admin + " is not an outrider admin port";
  return answer;
}

}  // namespace

std::string admin_address(const std::string& given) {
  if (!given.empty()) return given;
  const char* named = std::getenv("OUTRIDER_ADMIN__ADDRESS");
  return named && *named ? named : "127.0.0.1:15000";
}

std::optional<AdminAnswer> ask_admin(const std::string& admin, const std::string& path, std::string& error, int limit_seconds) {
  return whole_answer(admin, get(path), limit_seconds, error);
}

std::optional<AdminAnswer> tell_admin(const std::string& admin, const std::string& path, const std::string& body,
                                      std::string& error, int limit_seconds) {
  const std::string head = "POST " + path + " HTTP/1.0\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size());
  return whole_answer(admin, head + "\r\n\r\n" + body, limit_seconds, error);
}

std::optional<AdminAnswer> follow_admin(const std::string& admin, const std::string& path,
                                        const std::function<bool(std::string_view line)>& on_line, std::string& error) {
  const Socket socket(ask(admin, get(path), kFirstSeconds, error));
  if (socket.fd < 0) return {};
  std::string text;
  std::optional<AdminAnswer> begun;
  for (;;) {
    const ssize_t n = receive(socket.fd, text);
    if (n < 0 && !begun) error = "no answer from " + admin + " within " + std::to_string(kFirstSeconds) + " s";
    if (n <= 0) break;
    if (!begun && (begun = parse(text)) && begun->status == 200) {
      text = std::exchange(begun->body, {});
      limit_waiting(socket.fd, 0);  // the page knows when it ends
    }
    if (!begun || begun->status != 200) continue;
    size_t from = 0;
    for (size_t end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
      if (!on_line(std::string_view(text).substr(from, end - from))) return begun;
    text.erase(0, from);
  }
  if (begun && begun->status != 200) begun = parse(text);
  if (!begun && error.empty()) error = "what answers at " + admin + " is not an outrider admin port";
  return begun;
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
