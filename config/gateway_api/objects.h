#pragma once
// Files of Kubernetes objects, and what Gateways and ReferenceGrants among them say.

#include <string>
#include <vector>

#include "config/load.h"
#include "config/reader.h"

namespace outrider::config::gateway_api {

constexpr const char* kGroup = "gateway.networking.k8s.io";

struct Object {
  Node node;
  std::string kind, name_space, name;
  const RoutesFrom* from = nullptr;
  std::string title() const { return kind + " " + name_space + "/" + name; }  // begins the path of every complaint
};

struct Gateway {
  struct Door {  // what it calls a listener
    std::string name, hostname, protocol;
    uint16_t port = 0;
    enum class From : uint8_t { Same, All, Some } from = From::Same;  // whose routes are let in
    std::vector<std::string> namespaces;                              // Some: of these
    std::vector<std::string> kinds;                                   // empty: any
    Node at;
  };
  std::string name_space, name;
  std::vector<Door> doors;
};

struct Grant {  // who may lead to services of another namespace
  struct From {
    std::string kind, name_space;
  };
  std::string name_space;
  std::vector<From> from;
  std::vector<std::string> services;  // "": all
};

struct Objects {
  std::vector<Object> routes;  // HTTPRoute, GRPCRoute
  std::vector<Gateway> gateways;
  std::vector<Grant> grants;
  const Gateway* gateway(const std::string& name_space, const std::string& name) const;
  bool granted(const std::string& kind, const std::string& from, const std::string& to, const std::string& service) const;
};

// Files that cannot be read, objects that are none, and kinds that are left out are said. What has no namespace is in `home`.
Objects read_objects(Reading& reading, const std::vector<RoutesFrom>& all, const Sources& sources, const std::string& home);

}  // namespace outrider::config::gateway_api
