#pragma once
// Addresses of a host by its name.

#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/loop.h"

namespace outrider::net {

class LookupEvents {
 public:
  virtual void on_looked_up(const std::vector<Address>& found, const std::string& trouble) = 0;  // nothing found: why

 protected:
  ~LookupEvents() = default;
};

// One look-up at a time, on a thread of its own, for the system's resolver may block for long. Owned by whoever asks; the thread
// of its loop, which outlives it. What is under way when it ends goes nowhere.
class Lookup {
 public:
  Lookup(Loop& loop, LookupEvents& events);
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  void start(const std::string& host, uint16_t port);  // nothing must be under way; never answers from inside

 private:
  struct Mailbox;
  Loop& loop_;
  LookupEvents& events_;
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace outrider::net
