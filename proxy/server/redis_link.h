#pragma once
// A connection to one Redis that comes back by itself.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "filter/shared.h"
#include "net/lookup.h"
#include "net/transport.h"

struct redisReader;
struct redisReply;

namespace outrider::server {

class RedisEvents {
 public:
  virtual void on_ready() = 0;                                      // it has answered: ask() from now on
  virtual void on_answer(const std::vector<int64_t>& numbers) = 0;  // to the oldest ask(); as many as it asked for
  virtual void on_gone(const char* reason,
                       std::string_view why) = 0;  // what was asked has no answer. A literal of kStoreFailures

 protected:
  ~RedisEvents() = default;
};

// hiredis writes and reads the protocol, the sockets are ours: its own adapter for libuv knows neither time nor errors of a poll.
// Clear text; the password goes with it. Control loop; owned by whoever asks.
class RedisLink final : net::TransportEvents, net::LookupEvents {
 public:
  RedisLink(net::Loop& loop, const filter::Store& store, RedisEvents& events);
  ~RedisLink();
  void connect();  // once; on_ready or on_gone follows, and after on_gone it tries again
  bool ready() const { return ready_; }
  // `words` is a command that answers with so many numbers. Goes out with flush(). Only when ready().
  void ask(const std::vector<std::string_view>& words, size_t numbers);
  void flush();
  bool idle() const { return expected_.empty(); }

 private:
  enum class Kind : uint8_t { Auth, Ping, Numbers };
  struct Expected {
    Kind kind;
    size_t numbers;
  };
  void on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) override;
  void on_ready() override;
  void on_readable() override;
  void on_writable() override { flush(); }
  void on_closed(const Error& why) override;
  void open(const net::Address& to);
  void say(const std::vector<std::string_view>& words, Expected answer);
  void hear(const redisReply& reply);
  void hear_numbers(const redisReply& reply, size_t expected);
  void on_late();
  void give_up(const char* reason, std::string_view why);

  net::Loop& loop_;
  const filter::Store& store_;
  RedisEvents& events_;
  net::Lookup lookup_{loop_, *this};
  std::unique_ptr<net::Transport> transport_;
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  Buffer unsent_;
  std::deque<Expected> expected_;
  std::vector<int64_t> numbers_;
  size_t unread_ = 0;  // bytes of a reply that is not whole
  uint32_t tries_ = 0;
  milliseconds pause_{0};  // before the next try
  bool ready_ = false;
  net::BoundTimer<RedisLink, &RedisLink::on_late> limit_{*this};
  net::BoundTimer<RedisLink, &RedisLink::connect> again_{*this};
};

}  // namespace outrider::server
