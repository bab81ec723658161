#pragma once
// HTTPRoutes and GRPCRoutes of the Gateway API (gateway.networking.k8s.io), as rules of ours.

#include <map>
#include <string>
#include <vector>

#include "config/load.h"
#include "config/reader.h"

namespace outrider::config::gateway_api {

// What was read, by listener: rules in the form a user could have written, in the order in which the Gateway API has them tried.
// Each has a name, and every value the place of the route that asks for it. Lives as long as its document is completed.
class Routes {
 public:
  const std::vector<Node>& rules(const Listener& listener) const;

 private:
  friend Routes read(Reading& reading, const Document& document, const Sources& sources);
  std::map<std::string, std::vector<Node>, std::less<>> rules_;
};

// All files of `routes_from`. The document has its listeners, the clusters that are configured, and its registry's kind.
Routes read(Reading& reading, const Document& document, const Sources& sources);

}  // namespace outrider::config::gateway_api
