#pragma once
// What passes through a running proxy, as two looks at it show. For the verbs stat and top.

#include <rapidjson/document.h>

#include <map>
#include <string>
#include <vector>

#include "stats/histogram.h"

namespace outrider::server {

// What /stat and /clusters said at one moment.
struct Look {
  using Key = std::vector<std::string>;
  struct Counts {
    double requests = 0, failures = 0, in_flight = 0;
    stats::Histogram duration;
  };
  struct Upstream {
    double retries = 0, connect_failures = 0, connections = 0, pending = 0;
  };
  struct Endpoint {
    double requests = 0, in_flight = 0, ewma_ms = 0;
    std::string state, why;
  };
  std::string name;
  double uptime = 0;
  std::map<Key, Counts> traffic;      // by direction and cluster
  std::map<Key, Counts> routes;       // by direction, route and cluster
  std::map<Key, Counts> peers;        // by direction and peer
  std::map<Key, Upstream> upstream;   // by cluster
  std::map<Key, Endpoint> endpoints;  // by cluster and address

  bool read_stat(const rapidjson::Value& answer);  // of /stat?buckets; false: it is another's
  void read_clusters(const rapidjson::Value& answer);
};

// What passed in between, for each that is there now.
struct Rates {
  struct Row {
    Look::Key key;
    double rps = 0, failures = 0, requests = 0, in_flight = 0;  // failures: a second; requests: since the start
    double success = -1, p50 = -1, p95 = -1, p99 = -1;          // less than 0: nothing has passed; ms
  };
  struct Upstream {
    Look::Key key;
    double retries = 0, connect_failures = 0, connections = 0, pending = 0;  // the first two: a second
  };
  struct Endpoint {
    Look::Key key;
    double rps = 0, in_flight = 0, ewma_ms = 0;
    std::string state, why;
  };
  std::string name;
  double uptime = 0, seconds = 0;
  std::vector<Row> traffic, routes, peers;
  std::vector<Upstream> upstream;
  std::vector<Endpoint> endpoints;
};
// A proxy that has started anew in between is seen from its start, and so is everything where `before` is empty.
Rates rates_of(const Look& before, const Look& now);

std::string rates_json(const Rates& rates);  // a line

}  // namespace outrider::server
