#pragma once
// What has passed since the start, put together from the catalog's series. Plain values, for pages.

#include <map>
#include <string>
#include <vector>

#include "stats/histogram.h"
#include "stats/stats.h"

namespace outrider::admin {

struct Counts {
  uint64_t requests = 0, failures = 0;
  std::map<std::string, uint64_t> codes;  // "2xx", "other"
};

struct Traffic : Counts {
  int64_t in_flight = 0;
  uint64_t request_bytes = 0, response_bytes = 0;
  stats::Histogram duration;
};

struct Upstream {  // of one cluster
  uint64_t retries = 0, connect_failures = 0;
  int64_t connections = 0, pending = 0;
};

using Key = std::vector<std::string>;  // values of the labels named below

struct Picture {
  std::map<Key, Traffic> traffic;  // by direction and cluster
  std::map<Key, Traffic> routes;   // by direction, route and cluster; in_flight is not known
  std::map<Key, Counts> peers;     // by direction and peer: who calls us, or whom we call, by mutual TLS
  std::map<std::string, Upstream> upstream;
};

// ?cluster=NAME as is_asked() takes it; "" is all, and only then are there peers.
Picture picture_of(const stats::Catalog& catalog, const std::string& only = {});

void write_upstream(class Json& json, const Picture& picture);  // the array "upstream"

}  // namespace outrider::admin
