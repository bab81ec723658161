#include "tests/support/origin.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace outrider::test {

namespace {

constexpr int kIdleMs = 300'000;

int bind_anywhere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const net::Address at = net::Address::loopback(0);
  EXPECT_EQ(::bind(fd, at.raw(), at.length()), 0);
  return fd;
}

int listen_anywhere() {
  const int fd = bind_anywhere();
  EXPECT_EQ(::listen(fd, 1024), 0);
  return fd;
}

}  // namespace

Origin::Origin(Serve serve) : serve_(std::move(serve)), fd_(listen_anywhere()), address_(net::Address::local_of(fd_)) {
  accepting_ = std::thread([this] { accept(); });
}

void Origin::accept() {
  for (;;) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    std::lock_guard lock(mutex_);
    if (stopped_) {
      ::close(fd);
      return;
    }
    ++connections_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] {
      {
        Stream stream(::dup(fd));  // the number stays ours until we take it off the list
        serve_(stream);
        if (!stream.open()) {  // aborted: nothing may soften that
          const linger now{1, 0};
          setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
      }
      std::lock_guard guard(mutex_);
      std::erase(open_, fd);
      ::close(fd);
    });
  }
}

void Origin::stop() {
  if (stopped_.exchange(true)) return;
  ::shutdown(fd_, SHUT_RDWR);
  if (accepting_.joinable()) accepting_.join();
  ::close(fd_);
  {
    std::lock_guard lock(mutex_);
    for (const int fd : open_) {
      const linger now{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      ::shutdown(fd, SHUT_RDWR);
    }
  }
  for (auto& thread : threads_) thread.join();
}

Origin::~Origin() { stop(); }

std::unique_ptr<Origin> Origin::answering(std::string body) {
  return answering([body](const Message&) { return ok(body); });
}

std::unique_ptr<Origin> Origin::answering(std::function<std::string(const Message&)> make) {
  auto counter = std::make_shared<std::atomic<int>*>(nullptr);
  auto origin = std::make_unique<Origin>([make, counter](Stream& connection) {
    while (connection.await(kIdleMs)) {  // in somebody's pool
      const auto request = connection.read_message();
      if (!request) return;
      if (*counter) ++**counter;
      if (!connection.send(make(*request))) return;
    }
  });
  *counter = &origin->requests_;
  return origin;
}

net::Address refusing_address() {
  // Bound, so that no other process gets it, until this one ends; and never listening.
  return net::Address::local_of(bind_anywhere());
}

std::string ok(std::string_view body, std::string_view more_fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more_fields) + "\r\n" +
         std::string(body);
}

}  // namespace outrider::test
