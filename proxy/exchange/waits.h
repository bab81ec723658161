#pragma once
// Filters that let time pass: one a direction.

#include <array>

#include "filter/filter.h"
#include "net/loop.h"

namespace outrider::exchange {

class WaitEvents {
 public:
  virtual void on_waited(http::Way way, const filter::Filter& owner) = 0;

 protected:
  ~WaitEvents() = default;
};

// Owned by whoever waits; the thread of its loop. Each wait ends with on_waited() or cancel().
class Waits {
 public:
  Waits(net::Loop& loop, WaitEvents& events) : loop_(loop), events_(events) {}
  ~Waits() { cancel(); }
  void start(http::Way way, const filter::Filter& owner, std::chrono::microseconds time) {
    owners_[size_t(way)] = &owner;
    if (way == http::Way::Request) loop_.arm_precisely(request_, time);
    else loop_.arm_precisely(response_, time);
  }
  void cancel() {
    request_.cancel();
    response_.cancel();
  }

 private:
  void on_request() { events_.on_waited(http::Way::Request, *owners_[0]); }
  void on_response() { events_.on_waited(http::Way::Response, *owners_[1]); }
  net::Loop& loop_;
  WaitEvents& events_;
  std::array<const filter::Filter*, 2> owners_{};  // by Way
  net::BoundTimer<Waits, &Waits::on_request> request_{*this};
  net::BoundTimer<Waits, &Waits::on_response> response_{*this};
};

}  // namespace outrider::exchange
