#pragma once
// Where services are found and announced.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"

namespace outrider::discovery {

// NotYet: nothing heard so far. Yes: fresh. Stale: last known good, nothing answers. Absent: asked, and there is none.
enum class Known : uint8_t { NotYet, Yes, Stale, Absent };

struct Instance {           // one replica of a service, as somebody vouches for it; immutable once published
  std::string address;      // ip:port
  std::string host;         // the name it was found by, whom its certificate must be for; empty: its address
  std::string identity;     // what its certificate must say, or "namespace/*"; empty: nobody vouches
  bool mutual_tls = false;  // and it is to be asked to: it takes connections by mutual TLS
  std::string instance;     // id of the replica, hex; empty for fixed endpoints
  std::string version;      // of the service: v2
  std::string zone;
  std::string protocol;  // auto, http1, tcp ...
  std::vector<std::pair<std::string, std::string>> labels;
  uint32_t weight = 100;  // 0: drain
  uint32_t slots = 0;     // requests it works on at a time; 0: it does not say
  uint8_t priority = 0;
  bool draining = false;
  uint64_t sequence = 0;  // newest wins
  WallTime issued{}, expires = WallTime::max();
};

class Watcher {
 public:  // the full set, each time; at most every 100 ms a service; on the control loop
  virtual void on_instances(const std::string& service, Known known, std::vector<std::shared_ptr<const Instance>> all) = 0;

 protected:
  ~Watcher() = default;
};

// For people: where the endpoints of a service come from, and what is wrong with that now; empty: nothing is.
struct Origin {
  std::string from, trouble;
};

// Lives on the control loop; a provider with threads of its own (the DHT) comes home through Loop::post before it
// calls a watcher. A watcher may be called from inside watch().
class Registry {
 public:
  virtual ~Registry() = default;
  virtual void watch(const std::string& service, Watcher& watcher) = 0;
  virtual void unwatch(const std::string& service, Watcher& watcher) = 0;
  virtual void announce(const std::string& service, const Instance& self) = 0;  // and keep it fresh; again: changes it
  virtual void withdraw(const std::string& service) = 0;
  virtual Origin origin(const std::string&) const { return {}; }
};

}  // namespace outrider::discovery
