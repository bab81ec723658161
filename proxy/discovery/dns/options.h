#pragma once
// How names are asked for; from the configuration's `dns` block of a cluster.

#include <string>
#include <vector>

#include "base/time.h"

namespace outrider::discovery {

struct DnsOptions {
  enum class Type : uint8_t { A, Aaaa, Any, Srv } type = Type::A;
  milliseconds min_ttl{1000}, max_ttl{300000};  // whatever an answer says, it holds so long
  milliseconds timeout{3000};                   // of a question
  bool keep = true;                             // what was found, while nobody answers
  size_t most = 256;                            // endpoints of one cluster
  std::vector<std::string> servers;             // ip:port; empty: the system's
};

}  // namespace outrider::discovery
