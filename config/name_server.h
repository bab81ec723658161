#pragma once
// `registry.dns`: the server of DNS beside an application.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace outrider::config {

struct Document;
class Fields;

struct NameServer {
  std::vector<std::string> listen;  // ip:port; none: off
  bool implied = false;             // nobody has written that down
  enum class Answers : uint8_t { Auto, Virtual, Endpoints } answers = Answers::Auto;
  std::string ipv4 = "240.240.0.0/16", ipv6 = "fd6f:7574:7269::/112";  // of virtual addresses; empty: none of that family
  milliseconds ttl{5000}, wait{3000}, timeout{2000}, idle{10000};
  std::vector<std::string> servers;  // ip:port; empty: the system's
  uint32_t max_answers = 8, max_names = 1000, max_queries = 512, max_connections = 64, max_rate = 2000;
};

// Of a document that has been read without an error; from its effective tree, for it is asked for when the process starts and
// hardly ever else. The domain, which requests are led by, too, is `document.registry.domain`.
NameServer name_server_of(const Document& document);

void read_name_server(Fields& dns);                 // the keys; complains about what is wrong
std::string check_dns_server(std::string& server);  // "ip" or "ip:port", to the latter; also of clusters (parse_cluster.cc)

// Whether connections are redirected to a listener that leads them on by where they were meant for: then a virtual address is
// one.
bool passes_redirected_on(const Document& document);

}  // namespace outrider::config
