#pragma once
// What another configuration does to traffic, as sentences: for `config diff`, for the log of a reload, for history. What takes
// effect is compared, with presets and defaults, not what was written.

#include <cstdint>
#include <string>
#include <vector>

#include "config/document.h"

namespace outrider::config {

struct Difference {
  // Breaks: somebody loses access, or gets no answer where there was one. Risk: some requests may fail or wait that did not, or
  // something is let in that was not. Changes: traffic goes elsewhere, or is treated otherwise. Note: no request notices.
  enum class Severity : uint8_t { Breaks, Risk, Changes, Note };
  enum class Kind : uint8_t {
    Listener,
    Route,
    Filter,
    Cluster,
    Endpoint,
    Access,
    Identity,
    Registry,
    Service,
    Experiment,
    Process
  };
  Kind kind;
  std::string path;      // of the key, in the new configuration or, of what is gone, in the old: "clusters.cart.timeout"
  std::string sentence;  // "cluster cart: timeout 1s -> 250ms: slower answers will be 504"
  Severity severity;
};
const char* name_of(Difference::Severity severity);  // "breaks", "risk", "changes", "note"
const char* name_of(Difference::Kind kind);          // "listener" ...

// What breaks first comes first; within that in the order of listeners, rules, clusters. Empty: nothing is different in effect.
// Values of variables and files' secrets are in none of the sentences.
std::vector<Difference> diff(const Document& before, const Document& after);

}  // namespace outrider::config
