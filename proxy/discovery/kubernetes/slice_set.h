#pragma once
// The EndpointSlices of one service, and the endpoints that they come to.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/kubernetes/slice.h"
#include "discovery/registry.h"

namespace outrider::discovery {

// How slices become endpoints.
struct SliceRules {
  enum class Tls : uint8_t { Auto, Identity, Clear };
  std::string space;          // of the service: who it may be
  std::string port;           // the name or number of the target port; empty: the one that looks most like HTTP
  std::string zone;           // our own
  bool v6_first = false;      // of a pod with addresses of both families this one is called
  Tls tls = Tls::Auto;        // Identity, Clear: of all, whatever labels say
  bool tls_expected = false;  // Auto, and no label
  bool identified = false;    // we have an identity to show
  size_t most = 10000;        // endpoints
};

struct Endpoints {
  std::vector<std::shared_ptr<const Instance>> all;
  std::string trouble;  // why there is nobody, or somebody is left out; empty: all is well
};

// Slices by name. An endpoint that is in several of them, as while it moves, counts once, as the one that was written last
// says. Owned by a ServiceWatch.
class SliceSet {
 public:
  void replace(std::vector<Slice> all);
  void put(Slice slice);
  void erase(const std::string& name) { slices_.erase(name); }
  bool empty() const { return slices_.empty(); }
  size_t endpoints() const;  // of all of them, used or not
  Endpoints endpoints(const SliceRules& rules) const;

 private:
  struct Held {
    Slice slice;
    uint64_t written = 0;
  };
  std::map<std::string, Held> slices_;
  uint64_t writes_ = 0;
};

}  // namespace outrider::discovery
