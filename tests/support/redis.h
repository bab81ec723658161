#pragma once
// A Redis of a test's own, at a path of its own, that keeps nothing.

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/sockets.h"

namespace outrider::test {

class Redis {
 public:
  // Tests that need one skip where there is none.
  static bool there() { return ::access(kProgram, X_OK) == 0; }
  // More of redis-server's options, like {"--requirepass", "secret"}.
  explicit Redis(std::vector<std::string> options = {}) : options_(std::move(options)) {
    char dir[] = "/tmp/outrider-redis-XXXXXX";
    EXPECT_TRUE(::mkdtemp(dir));
    dir_ = dir;
    start();
  }
  ~Redis() {
    kill();
    ::unlink(path().c_str());
    ::rmdir(dir_.c_str());
  }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  std::string path() const { return dir_ + "/redis"; }
  std::string address() const { return "unix:" + path(); }

  // Returns when it answers.
  void start() {
    std::vector<std::string> words{kProgram, "--port",     "0",       "--unixsocket", path(), "--save",      "", "--appendonly",
                                   "no",     "--loglevel", "warning", "--dir",        dir_,   "--databases", "1"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ASSERT_EQ(::posix_spawn(&pid_, kProgram, &files, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (answer_to("PING\r\n").empty()) ASSERT_LT(std::chrono::steady_clock::now(), limit) << "redis-server does not answer";
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  void stop() { ::kill(pid_, SIGSTOP); }  // takes connections, and says nothing
  void go_on() { ::kill(pid_, SIGCONT); }
  // An inline command's, as far as it comes at once; empty: nobody answers.
  std::string answer_to(const std::string& command) const {
    const auto at = net::Address::parse(address());
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), at->raw(), at->length()) != 0) return {};
    if (::send(fd.get(), command.data(), command.size(), MSG_NOSIGNAL) != ssize_t(command.size())) return {};
    char bytes[4096];
    const ssize_t n = ::recv(fd.get(), bytes, sizeof bytes, 0);
    return n > 0 ? std::string(bytes, size_t(n)) : std::string();
  }

 private:
  static constexpr const char* kProgram = "/usr/bin/redis-server";
  const std::vector<std::string> options_;
  std::string dir_;
  pid_t pid_ = -1;
};

}  // namespace outrider::test
