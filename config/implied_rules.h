#pragma once
// Rules that nobody wrote, because a listener's direction says where it leads.

#include <string>
#include <vector>

#include "config/parse.h"

namespace outrider::config {

bool is_opaque(const Listener& listener);                      // HTTP is not looked for
bool is_opaque(const Listener& listener, const Route& route);  // or what this rule takes is no HTTP

// For the time of completing one document.
class ImpliedRules {
 public:
  ImpliedRules(Document& document, const Layers& layers) : document_(document), layers_(layers) { read_standard(); }
  void add(Listener& listener);  // behind those that are written

 private:
  void read_standard();
  void imply(Listener& listener, Route route);
  void imply_passthrough(Listener& listener);
  bool led_to_by_tcp(const std::string& cluster) const;
  std::vector<std::string> hosts_of(const Cluster& cluster) const;
  Document& document_;
  const Layers& layers_;
  Route standard_;  // what such a rule has of `defaults.route`
};

}  // namespace outrider::config
