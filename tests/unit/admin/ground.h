#pragma once
// A server on its loop, and a client that waits for it.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "admin/admin_server.h"
#include "base/text.h"

namespace outrider::admin {

struct Answer {
  int status = 0;  // 0: the connection ended first
  std::string head, body;
};

// A blocking client, used on a thread of its own. A read that takes ten seconds fails the test.
class Client {
 public:
  explicit Client(const net::Address& to) : fd_(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(fd_, to.raw(), to.length()), 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(size_t(n));
    }
  }
  Answer read(bool head_only = false) {
    Answer answer;
    while (got_.find("\r\n\r\n") == std::string::npos)
      if (!more()) return answer;
    const size_t end = got_.find("\r\n\r\n") + 4;
    answer.head = to_lower(got_.substr(0, end));
    got_.erase(0, end);
    size_t length = 0;
    if (size_t at = answer.head.find("content-length: "); at != std::string::npos)
      length = std::stoul(answer.head.substr(at + 16));
    while (!head_only && got_.size() < length)
      if (!more()) return answer;
    answer.body = got_.substr(0, head_only ? 0 : length);
    got_.erase(0, answer.body.size());
    answer.status = std::stoi(answer.head.substr(9, 3));
    return answer;
  }
  Answer get(const std::string& path) {
    send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return read();
  }
  Answer post(const std::string& path, const std::string& body, const std::string& fields = {}) {
    send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body);
    return read();
  }
  void until(std::string_view mark) {
    while (got_.find(mark) == std::string::npos && more()) {}
  }
  std::string rest() {
    while (more()) {}
    return std::exchange(got_, {});
  }
  bool ended() { return got_.empty() && !more(); }
  int fd() const { return fd_; }

 private:
  bool more() {
    char bytes[65536];
    ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n > 0) got_.append(bytes, size_t(n));
    return n > 0;
  }
  int fd_;
  std::string got_;
};

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server->listen(net::Address::loopback(0)));
    server->page("/hello", [](const Ask& ask) { return Reply{.body = "hello " + ask.value("who") + "\n"}; });
    server->action("/echo", [](const Ask& ask) { return Reply{.body = ask.body}; });
  }
  // The client on a thread of its own, the server on this one until the client has ended.
  template <class F>
  void run(F client) {
    std::thread thread([&] {
      client();
      loop.stop();
    });
    loop.run();
    thread.join();
  }
  net::Address at() const { return server->local(); }
  net::Loop loop;
  std::unique_ptr<AdminServer> server = std::make_unique<AdminServer>(loop);
};

}  // namespace outrider::admin
