#pragma once
// A server of DNS that answers as a test says, over UDP and TCP at one port of 127.0.0.1.

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "net/dns_message.h"
#include "tests/support/sockets.h"

namespace outrider::test {

using net::DnsType;

namespace dns {

inline std::string two(unsigned n) { return {char(n >> 8), char(n)}; }
inline std::string four(uint32_t n) { return two(n >> 16) + two(n & 0xffff); }
inline std::string name(std::string_view text) {
  std::string out;
  for (std::string_view label : split(text, '.'))
    if (!label.empty()) out.append(1, char(label.size())).append(label);
  return out + '\0';
}
// Of the name that was asked for, or of `owner`.
inline std::string record(unsigned type, uint32_t ttl, const std::string& data, std::string_view owner = {}) {
  return (owner.empty() ? std::string("\xc0\x0c") : name(owner)) + two(type) + two(1) + four(ttl) + two(unsigned(data.size())) +
         data;
}
inline std::string a(const char* ip, uint32_t ttl = 0, std::string_view owner = {}) {
  char bytes[4];
  inet_pton(AF_INET, ip, bytes);
  return record(1, ttl, {bytes, 4}, owner);
}
inline std::string aaaa(const char* ip, uint32_t ttl = 0, std::string_view owner = {}) {
  char bytes[16];
  inet_pton(AF_INET6, ip, bytes);
  return record(28, ttl, {bytes, 16}, owner);
}
inline std::string srv(unsigned priority, unsigned weight, unsigned port, std::string_view target, uint32_t ttl = 0) {
  return record(33, ttl, two(priority) + two(weight) + two(port) + name(target));
}
inline std::string cname(std::string_view target, uint32_t ttl = 0, std::string_view owner = {}) {
  return record(5, ttl, name(target), owner);
}
inline std::string soa(uint32_t ttl, uint32_t least) {
  return record(6, ttl, name("ns.test") + name("root.test") + four(1) + four(2) + four(3) + four(4) + four(least));
}

}  // namespace dns

struct DnsReply {
  std::vector<std::string> answers{}, authority{};
  int code = 0;             // 3: NXDOMAIN
  bool silent = false;      // no answer at all
  bool only_tcp = false;    // over UDP: cut, and says so
  bool junk_first = false;  // before the answer come such that are none of ours
  // A whole message to a question.
  std::string message(std::string_view id, std::string_view question, bool cut = false) const {
    std::string out(id);
    out += {char(cut ? 0x86 : 0x84), char(0x80 | code)};
    out +=
        dns::two(1) + dns::two(cut ? 0 : unsigned(answers.size())) + dns::two(cut ? 0 : unsigned(authority.size())) + dns::two(0);
    out += question;
    if (cut) return out;
    for (const auto* part : {&answers, &authority})
      for (const std::string& each : *part) out += each;
    return out;
  }
};

// Names nobody has set do not exist. A thread of its own, until it ends.
class DnsServer {
 public:
  explicit DnsServer(net::Address at = net::Address::loopback(0)) {
    for (int i = 0; i < 100 && !open(at); ++i) {}
    EXPECT_TRUE(udp_ && tcp_);
    if (::pipe2(wake_, O_CLOEXEC) != 0) std::abort();
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    (void)!::write(wake_[1], "x", 1);
    thread_.join();
    for (int fd : wake_) ::close(fd);
  }
  DnsServer(const DnsServer&) = delete;
  const net::Address& address() const { return address_; }
  std::string text() const { return address_.text(); }
  void set(const std::string& name, DnsType type, DnsReply reply) {
    const std::lock_guard lock(mutex_);
    replies_[{name, type}] = std::move(reply);
  }
  int asked(const std::string& name, DnsType type) {
    const std::lock_guard lock(mutex_);
    return asked_[{name, type}];
  }
  int asked_by_tcp() const { return by_tcp_; }

 private:
  using Key = std::pair<std::string, DnsType>;
  bool open(net::Address at) {
    udp_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::bind(udp_.get(), at.raw(), at.length()) != 0) return false;
    address_ = net::Address::local_of(udp_.get());
    tcp_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(tcp_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(tcp_.get(), address_.raw(), address_.length()) == 0 && ::listen(tcp_.get(), 16) == 0) return true;
    tcp_.close();
    return false;
  }
  void serve() {
    for (;;) {
      pollfd all[] = {{wake_[0], POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
      if (::poll(all, 3, -1) < 0) continue;
      if (all[0].revents) return;
      if (all[1].revents) by_datagram();
      if (all[2].revents) by_stream();
    }
  }
  void by_datagram() {
    char bytes[2048];
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t n = ::recvfrom(udp_.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 17) return;
    for (const std::string& answer : answers_to({bytes, size_t(n)}, false))
      ::sendto(udp_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  }
  void by_stream() {
    Fd stream(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval limit{5, 0};
    setsockopt(stream.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    unsigned char head[2];
    if (::recv(stream.get(), head, 2, MSG_WAITALL) != 2) return;
    std::string bytes(size_t(head[0]) << 8 | head[1], 0);
    if (::recv(stream.get(), bytes.data(), bytes.size(), MSG_WAITALL) != ssize_t(bytes.size()) || bytes.size() < 17) return;
    ++by_tcp_;
    for (const std::string& answer : answers_to(bytes, true)) {
      const std::string framed = dns::two(unsigned(answer.size())) + answer;
      ::send(stream.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }
  std::vector<std::string> answers_to(std::string_view bytes, bool tcp) {
    std::string name;
    size_t at = 12;
    while (at < bytes.size() && bytes[at]) {
      name += (name.empty() ? "" : ".") + to_lower(bytes.substr(at + 1, size_t(bytes[at])));
      at += size_t(bytes[at]) + 1;
    }
    if (at + 5 > bytes.size()) return {};
    const auto type = DnsType(uint8_t(bytes[at + 1]) << 8 | uint8_t(bytes[at + 2]));
    const std::string_view id = bytes.substr(0, 2), question = bytes.substr(12, at + 5 - 12);
    DnsReply reply{.code = 3};
    {
      const std::lock_guard lock(mutex_);
      ++asked_[{name, type}];
      if (const auto known = replies_.find({name, type}); known != replies_.end()) reply = known->second;
    }
    if (reply.silent) return {};
    std::vector<std::string> all;
    if (reply.junk_first && !tcp) {
      DnsReply wrong;
      wrong.answers = {dns::a("10.6.6.6", 3600)};
      const std::string other_id{char(~id[0]), id[1]};
      all = {"",
             "x",
             std::string(40, '\xff'),
             wrong.message(other_id, question),
             wrong.message(id, dns::name("evil.test") + dns::two(1) + dns::two(1)),
             std::string(id) + "\x84"};
    }
    all.push_back(reply.message(id, question, reply.only_tcp && !tcp));
    return all;
  }
  Fd udp_, tcp_;
  net::Address address_;
  int wake_[2];
  std::mutex mutex_;
  std::map<Key, DnsReply> replies_;
  std::map<Key, int> asked_;
  std::atomic<int> by_tcp_{0};
  std::thread thread_;
};

}  // namespace outrider::test
