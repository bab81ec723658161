#pragma once
// What the tests of this floor stand on: a loop with its counters, endpoint sets by hand, and an origin on the same loop.

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <list>

#include "net/listener.h"
#include "net/transport.h"
#include "stats/stats.h"
#include "upstream/attempt.h"
#include "upstream/cluster.h"

namespace outrider::upstream {

using Instances = std::vector<std::shared_ptr<const discovery::Instance>>;

inline std::shared_ptr<discovery::Instance> instance(std::string address, uint32_t weight = 100) {
  auto made = std::make_shared<discovery::Instance>();
  made->address = std::move(address);
  made->weight = weight;
  return made;
}

// A set whose endpoints were first seen `age` ago.
inline std::shared_ptr<EndpointSet> set_of(const Instances& all, Known known = Known::Yes,
                                           milliseconds age = milliseconds(3'600'000)) {
  auto set = std::make_shared<EndpointSet>();
  set->known = known;
  set->revision = 1;
  for (const auto& facts : all)
    set->members.push_back({std::make_shared<Endpoint>(facts->address, "", std::chrono::system_clock::now() - age), facts});
  return set;
}

// A worker without its thread.
class Ground {
 public:
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  net::Loop loop;  // what it still retires counts
  Context context{loop, catalog, *shard};
  std::shared_ptr<Limits> limits = std::make_shared<Limits>();
  std::shared_ptr<ClusterPlan> plan = [] {
    auto made = std::make_shared<ClusterPlan>();
    made->name = "web";
    made->balancer = "round_robin";
    return made;
  }();

  Ref<Cluster> cluster(std::shared_ptr<const EndpointSet> set) {
    Ref<Cluster> made(new Cluster(context, plan, limits));
    made->adopt(std::move(set));
    return made;
  }
  // Turns of the loop until it is so. False after far more time than anything here takes.
  bool until(const std::function<bool()>& so) {
    late_ = false;
    loop.arm(guard_, milliseconds(20000));
    while (!so() && !late_) loop.run_turn(true);
    guard_.cancel();
    return !late_;
  }
  void turns(int n) {
    for (int i = 0; i < n; ++i) loop.run_turn(false);
  }

 private:
  void on_late() { late_ = true; }
  bool late_ = false;
  net::BoundTimer<Ground, &Ground::on_late> guard_{*this};
};

// Listens on a port of its own and calls a script with everything a connection has sent since the last answer.
class Origin final : net::ListenerEvents {
 public:
  class Peer final : net::TransportEvents {
   public:
    Peer(Origin& origin, int fd)
        : number(origin.accepted), origin_(origin), transport_(origin.loop_, *this), in_(origin.loop_.blocks()),
          out_(origin.loop_.blocks()) {
      transport_.adopt(fd);
    }
    void say(std::string_view bytes) {
      out_.append(bytes);
      if (open()) on_writable();
    }
    void answer(std::string_view body = "ok", std::string_view fields = "") {
      received.clear();
      say("HTTP/1.1 200 OK\r\n" + std::string(fields) + "content-length: " + std::to_string(body.size()) + "\r\n\r\n" +
          std::string(body));
    }
    void close() { transport_.close(); }
    void reset() { transport_.abort(); }
    void pause() { transport_.pause_reading(); }
    void resume() { transport_.resume_reading(); }
    bool open() const { return transport_.open(); }
    const uint32_t number;  // 1: the first connection accepted
    std::string received;
    bool ended = false, was_reset = false;

   private:
    void on_ready() override {}
    void on_readable() override {
      const auto got = transport_.read(in_, 65536);
      if (!got) {
        was_reset = true;
        return transport_.close();
      }
      received += in_.text();
      in_.clear();
      ended |= got->ended;
      if (origin_.script) origin_.script(*this);
    }
    void on_writable() override {
      if (!transport_.write(out_)) transport_.close();
    }
    void on_closed(const Error&) override { was_reset = true; }
    Origin& origin_;
    net::Transport transport_;
    Buffer in_, out_;
  };

  explicit Origin(net::Loop& loop, std::function<void(Peer&)> what = {})
      : script(std::move(what)), loop_(loop), listener_(loop, *this, *net::open_listener(net::Address::loopback(0))) {}
  std::string address() const { return listener_.local().text(); }
  Peer& peer(size_t i) { return *std::next(peers.begin(), long(i)); }
  size_t open_peers() const {
    size_t n = 0;
    for (const Peer& peer : peers) n += peer.open() && !peer.ended;
    return n;
  }
  std::function<void(Peer&)> script;
  std::list<Peer> peers;
  uint32_t accepted = 0;

 private:
  void on_accept(int fd, const net::Address&) override {
    ++accepted;
    peers.emplace_back(*this, fd);
  }
  net::Loop& loop_;
  net::Listener listener_;
};

// Answers every request whose head is whole and whose body, if it has one, has arrived.
inline void answer_all(Origin::Peer& peer) {
  const size_t head = peer.received.find("\r\n\r\n");
  if (peer.ended) return peer.close();
  if (head == std::string::npos) return;
  const size_t field = peer.received.find("content-length: ");
  const size_t length = field < head ? std::stoul(peer.received.substr(field + 16)) : 0;
  if (peer.received.size() - head - 4 >= length) peer.answer();
}

// A port that refuses: bound, and listened at by nobody.
class Refusing {
 public:
  Refusing() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto any = net::Address::loopback(0);
    EXPECT_EQ(::bind(fd_, any.raw(), any.length()), 0);
  }
  ~Refusing() { ::close(fd_); }
  std::string address() const { return net::Address::local_of(fd_).text(); }

 private:
  const int fd_;
};

}  // namespace outrider::upstream
