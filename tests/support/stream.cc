#include "tests/support/stream.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace outrider::test {

namespace {
constexpr int kLimitMs = 20000;  // far beyond what anything takes; only a hang meets it
}

int Message::status() const {
  return start.starts_with("HTTP/1.") && start.size() >= 12 ? int(parse_number(start.substr(9, 3)).value_or(0)) : 0;
}

std::string Message::field(std::string_view name) const {
  for (const auto& [key, value] : fields)
    if (equals_ignore_case(key, name)) return value;
  return {};
}

size_t Message::count(std::string_view name) const {
  size_t n = 0;
  for (const auto& field : fields) n += equals_ignore_case(field.first, name);
  return n;
}

Stream::Stream(Stream&& other) noexcept { *this = std::move(other); }

Stream& Stream::operator=(Stream&& other) noexcept {
  close();
  fd_ = std::exchange(other.fd_, -1);
  ssl_ = std::exchange(other.ssl_, nullptr);
  reset_ = other.reset_;
  ended_ = other.ended_;
  unread_ = std::move(other.unread_);
  return *this;
}

Stream::~Stream() { close(); }

Stream Stream::connect(const net::Address& to) {
  const int fd = ::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, to.raw(), to.length()) != 0) {
    ADD_FAILURE() << "cannot connect to " << to.text() << ": " << std::strerror(errno);
    ::close(fd);
    return {};
  }
  return Stream(fd);
}

bool Stream::send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd wait{fd_, POLLOUT, 0};
    if (::poll(&wait, 1, kLimitMs) == 0) {
      ADD_FAILURE() << "nobody takes what is sent";
      return false;
    }
    const ssize_t n = ssl_ ? SSL_write(ssl_, bytes.data(), int(bytes.size()))
                           : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (ssl_ && n <= 0) return false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

bool Stream::await(int milliseconds) {
  pollfd wait{fd_, POLLIN, 0};
  return !unread_.empty() || (ssl_ && SSL_pending(ssl_)) || ::poll(&wait, 1, milliseconds) > 0;
}

bool Stream::fill() {
  if (ended_ || fd_ < 0) return false;
  pollfd wait{fd_, POLLIN, 0};
  if (!(ssl_ && SSL_pending(ssl_)) && ::poll(&wait, 1, kLimitMs) == 0) {
    ADD_FAILURE() << "nothing comes, after \"" << unread_.substr(0, 200) << "\"";
    ended_ = true;
    return false;
  }
  char block[65536];
  const ssize_t n = ssl_ ? SSL_read(ssl_, block, sizeof block) : ::recv(fd_, block, sizeof block, 0);
  if (n > 0) return unread_.append(block, size_t(n)), true;
  reset_ = ssl_ ? !(SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) : n < 0;
  ended_ = true;
  return false;
}

std::optional<std::string> Stream::read_until(std::string_view mark) {
  size_t at = 0;
  while ((at = unread_.find(mark)) == std::string::npos)
    if (!fill()) return {};
  std::string found = unread_.substr(0, at + mark.size());
  unread_.erase(0, found.size());
  return found;
}

std::optional<std::string> Stream::read_exactly(size_t n) {
  while (unread_.size() < n)
    if (!fill()) return {};
  std::string found = unread_.substr(0, n);
  unread_.erase(0, n);
  return found;
}

std::string Stream::read_some(size_t at_most) {
  if (unread_.empty()) fill();
  std::string found = unread_.substr(0, at_most);
  unread_.erase(0, found.size());
  return found;
}

std::string Stream::read_all() {
  while (fill()) {}
  return std::exchange(unread_, {});
}

bool Stream::at_end() {
  if (unread_.empty()) fill();
  return unread_.empty();
}

namespace {

// "Name: value" lines up to the empty one.
void read_fields(std::string_view head, std::vector<std::pair<std::string, std::string>>& into) {
  while (!head.empty()) {
    auto line = next_part(head, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto name = next_part(line, ':');
    into.emplace_back(name, trim(line));
  }
}

}  // namespace

std::optional<Message> Stream::read_message(bool head_only) {
  const auto head = read_until("\r\n\r\n");
  if (!head) return {};
  Message message;
  std::string_view rest = *head;
  auto start = next_part(rest, '\n');
  message.start = start.substr(0, start.size() - 1);
  read_fields(rest, message.fields);
  const int status = message.status();
  const bool none = head_only || (status && (status < 200 || status == 204 || status == 304));
  const auto length = parse_number(message.field("content-length"));
  if (none) message.whole = true;
  else if (list_contains(message.field("transfer-encoding"), "chunked")) {
    for (;;) {
      const auto line = read_until("\r\n");
      if (!line) return message;
      const size_t size = std::strtoul(line->c_str(), nullptr, 16);
      if (size == 0) break;
      const auto chunk = read_exactly(size + 2);
      if (!chunk) return message;
      message.body.append(*chunk, 0, size);
    }
    for (;;) {
      const auto line = read_until("\r\n");
      if (!line) return message;
      if (*line == "\r\n") break;
      read_fields(*line, message.trailers);
    }
    message.whole = true;
  } else if (length) {
    auto body = read_exactly(*length);
    message.whole = body.has_value();
    message.body = body ? *body : read_all();
  } else if (status) {  // a response that ends with its connection
    message.body = read_all();
    message.whole = !reset_;
  } else {
    message.whole = true;  // a request without a body
  }
  return message;
}

void Stream::finish_sending() { ssl_ ? SSL_shutdown(ssl_) : ::shutdown(fd_, SHUT_WR); }

void Stream::close() {
  if (ssl_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // else its session is not resumed again
  SSL_free(std::exchange(ssl_, nullptr));
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Stream::abort() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Stream::set_buffers(int bytes) {
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

}  // namespace outrider::test
