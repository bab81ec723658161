#pragma once
// What has passed since the start, put together from the catalog's series. Plain values, for pages.

#include <map>
#include <string>
#include <utility>

#include "stats/histogram.h"
#include "stats/stats.h"

namespace outrider::admin {

struct Traffic {  // of one direction and cluster
  uint64_t requests = 0, failures = 0;
  std::map<std::string, uint64_t> codes;  // "2xx", "other"
  int64_t in_flight = 0;
  uint64_t request_bytes = 0, response_bytes = 0;
  stats::Histogram duration;
};

struct Upstream {  // of one cluster
  uint64_t retries = 0, connect_failures = 0;
  int64_t connections = 0, pending = 0;
};

struct Peer {  // who calls us, or whom we call, by mutual TLS
  uint64_t requests = 0, failures = 0;
};

struct Picture {
  std::map<std::pair<std::string, std::string>, Traffic> traffic;  // by direction and cluster
  std::map<std::string, Upstream> upstream;
  std::map<std::pair<std::string, std::string>, Peer> peers;  // by direction and identity
};

// ?cluster=NAME as is_asked() takes it; "" is all, and only then are there peers.
Picture picture_of(const stats::Catalog& catalog, const std::string& only = {});

}  // namespace outrider::admin
