#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "net/address.h"

namespace outrider::test {

// A port whose queue of connections is full: what comes is neither accepted nor refused.
class Blackhole {
 public:
  Blackhole() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const net::Address any = net::Address::loopback(0);
    EXPECT_EQ(::bind(fd_, any.raw(), any.length()), 0);
    EXPECT_EQ(::listen(fd_, 0), 0);
    const net::Address at = net::Address::local_of(fd_);
    for (int& filler : fillers_) {
      filler = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      ::connect(filler, at.raw(), at.length());
    }
  }
  ~Blackhole() {
    for (const int filler : fillers_) ::close(filler);
    ::close(fd_);
  }
  std::string text() const { return net::Address::local_of(fd_).text(); }

 private:
  int fd_;
  int fillers_[4];
};

}  // namespace outrider::test
