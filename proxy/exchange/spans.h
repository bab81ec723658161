#pragma once
// Spans of requests that have ended, on their way to whoever exports them.

#include <string>
#include <vector>

#include "net/loop.h"
#include "stats/stats.h"

namespace outrider::exchange {

// Who takes them. Called by any worker; returns at once.
class SpanSink {
 public:
  virtual bool enter(uint32_t bytes) = 0;                     // false: there is no room for so many more
  virtual void on_spans(std::vector<std::string> spans) = 0;  // each a whole message, for which enter() has found room

 protected:
  ~SpanSink() = default;
};

inline uint32_t weight_of(const std::string& span) { return uint32_t(span.size() + sizeof span); }  // in memory

// One worker's: hands over once a turn. What finds no room is dropped and counted. Owned by the Site.
class Spans final : net::EndOfTurn {
 public:
  Spans(net::Loop& loop, stats::Catalog& catalog, stats::Shard& shard) : loop_(loop), catalog_(catalog), shard_(shard) {}
  void send_to(SpanSink* sink) { sink_ = sink; }  // outlives this; before the first add()
  void add(std::vector<std::string> spans);       // of one request: all of them, or none

 private:
  void on_end_of_turn() override { sink_->on_spans(std::exchange(waiting_, {})); }
  net::Loop& loop_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  SpanSink* sink_ = nullptr;  // null: nobody takes them
  std::vector<std::string> waiting_;
};

}  // namespace outrider::exchange
