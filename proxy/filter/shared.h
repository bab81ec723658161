#pragma once
// What this proxy counts together with others, in a store that all of them name.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"

namespace outrider::filter {

// Where, and how long anything there may take. Constant.
struct Store {
  std::string address;                 // host:port, unix:/path
  std::string password;                // a file's path; empty: none
  milliseconds timeout{100};           // of a connection, and of each answer
  milliseconds sync{10}, retry{5000};  // at least, from one telling to the next; at most, from one try to the next
  bool operator==(const Store&) const = default;
};

// What was spent of one key here since it was last told, as the time in which it grows again.
struct Spending {
  std::string key;  // as the store knows it
  uint64_t microseconds = 0;
  uint64_t most = 0;   // so much and no more is ever owed of it, whoever spent it
  uint32_t place = 0;  // the owner's own
  uint64_t owner_key = 0;
};

// Owned by its filter, which spends on any worker, and by the snapshot. The rest is the control thread's: it tells the store what
// was spent and hears what all have, so that no request waits for anybody.
class Shared {
 public:
  virtual const Store& store() const = 0;
  // Before the first request: what to call, on any thread, when something was spent and nobody is going to ask for it.
  virtual void on_spending(std::function<void()> wake) = 0;
  virtual void collect(std::vector<Spending>& into, size_t at_most) = 0;  // what is handed over is not handed over again
  virtual bool rest() = 0;  // nobody will ask until it wakes them; false: there is something already
  // What all have spent of it, as of `asked` or later, takes so long to grow again.
  virtual void settle(const Spending& told, TimePoint asked, uint64_t microseconds) = 0;
  virtual void set_answering(bool yes) = 0;  // whether the store does; at first it does not

 protected:
  ~Shared() = default;
};

}  // namespace outrider::filter
