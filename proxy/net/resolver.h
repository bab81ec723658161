#pragma once
// Questions to servers of DNS, by c-ares on the loop: over UDP, and TCP where an answer is too long for that.

#include <memory>
#include <string>
#include <vector>

#include "net/dns_message.h"
#include "net/loop.h"

namespace outrider::net {

class Resolver;

// A member or a base of who asks: its end takes back what is under way.
class DnsQuestion {
 public:
  virtual void on_dns_answer(const DnsAnswer& answer) = 0;  // at the end of a turn, never from inside ask()
  bool under_way() const { return pending_ != nullptr; }
  void take_back();

 protected:
  DnsQuestion() = default;
  DnsQuestion(const DnsQuestion&) = delete;
  ~DnsQuestion() { take_back(); }

 private:
  friend class Resolver;
  class Pending;
  Pending* pending_ = nullptr;
};

// Names are asked for as they are: no search domain is put behind them. Addresses that stand in /etc/hosts are taken from there.
// The servers are those of /etc/resolv.conf, which is looked at before each question, or those that are given. Owned by
// whoever asks, whose questions end first; the thread of its loop.
class Resolver {
 public:
  struct Options {
    std::vector<std::string> servers{};  // "ip:port"; then neither of the files counts
    milliseconds timeout{3000};          // of a question, all tries at all servers together
    std::string resolv_conf = "/etc/resolv.conf";
    uint16_t port = 53;  // of servers the file names
  };
  Resolver(Loop& loop, Options options);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  void ask(DnsQuestion& question, const std::string& name, DnsType type);  // nothing of it must be under way
  std::string servers() const;                                             // "10.0.0.2:53, 10.0.0.3:53"
  class Channel;                                                           // to c-ares

 private:
  std::unique_ptr<Channel> channel_;
};

}  // namespace outrider::net
