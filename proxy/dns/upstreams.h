#pragma once
// The resolvers that are asked for what is not ours.

#include <cstdint>
#include <string>
#include <vector>

#include "base/intrusive_list.h"
#include "base/time.h"
#include "identity/file_mark.h"
#include "net/address.h"

namespace outrider::dns {

class Forward;

// Those of resolv.conf, which is looked at before each question, or those that are given; never ourselves. One that did not
// answer is asked behind the others for a while, so that a dead one costs one question its patience and not all of them. Owned
// by the server; control loop.
class Upstreams {
 public:
  struct Settings {
    std::vector<net::Address> servers;  // none: those of the file
    std::string resolv_conf = "/etc/resolv.conf";
    uint16_t port = 53;  // of those
    milliseconds timeout{2000};
  };
  explicit Upstreams(Settings settings);
  ~Upstreams();
  void leave_out(std::vector<net::Address> ourselves) { ourselves_ = std::move(ourselves); }
  std::vector<net::Address> in_order(TimePoint now);
  void note(const net::Address& server, bool answered, TimePoint now);
  milliseconds timeout() const { return settings_.timeout; }
  std::string text();                                      // for people: "10.0.0.2:53, 10.0.0.3:53", or what is wrong
  bool only_ourselves() const { return only_ourselves_; }  // as of the last look
  // Whether a question with that id, from that port, is one of ours that has come back: somebody redirects what we send, too.
  bool is_own(uint16_t port, uint16_t id);

 private:
  friend class Forward;
  struct Server {
    net::Address address;
    TimePoint avoid_until{};
  };
  void look();
  const Settings settings_;
  std::vector<net::Address> ourselves_;
  std::vector<Server> servers_;
  identity::FileMark mark_;
  bool looked_ = false, only_ourselves_ = false;
  IntrusiveList<Forward> under_way_;
};

// Addresses of the lines "nameserver IP" of such a file, eight at most.
std::vector<net::Address> read_resolv_conf(std::string_view text, uint16_t port);

}  // namespace outrider::dns
