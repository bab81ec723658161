// Where requests go.

#include <algorithm>

#include "config/gateway_api/route.h"

namespace outrider::config::gateway_api {

std::string read_reference(Fields& reference, const Node& at, const About& about, const char* instead) {
  std::string group, kind = "Service", name_space = about.object.name_space, name;
  uint32_t port = 0;
  reference.text("group", group);
  reference.text("kind", kind);
  reference.text("namespace", name_space);
  reference.text("name", name);
  reference.number("port", port, 1, 65535);
  if (name.empty()) return reference.error("name", at, "missing: which Service?"), "";
  const auto nowhere = [&](const std::string& why) {
    reference.reading().warn(at, reference.path(), why + "; " + instead);
    return std::string();
  };
  if (!group.empty() && group != "core")
    return nowhere("a " + kind + " of " + group + " is nothing that can be reached, a Service is");
  if (kind != "Service") return nowhere("a " + kind + " is nothing that can be reached, a Service is");
  const std::string& own = about.object.name_space;
  if (name_space != own && !about.objects.granted(about.object.kind, own, name_space, name))
    return nowhere("no ReferenceGrant in namespace " + name_space + " lets a " + about.object.kind + " of " + own + " lead to " +
                   name);
  const std::string full = name_space + "/" + name;
  if (port) {
    const uint32_t first = about.ports.of.emplace(full, port).first->second;
    if (first != port)
      reference.reading().warn(at, reference.path(),
                               "port " + std::to_string(port) + " is the same as port " + std::to_string(first) + " of " + full +
                                   " elsewhere: one cluster is both");
  }
  const Document& d = about.document;
  if (d.cluster(full)) return full;
  if (name_space == d.service.name_space && d.cluster(name)) return name;
  if (d.registry.kind != Registry::Kind::None) {
    if (is_label(name_space) && is_label(name)) return full;
    return nowhere("\"" + full + "\" is no name of a service");
  }
  const std::string here =
      name_space == d.service.name_space ? " (or `" + name + "`, for " + name_space + " is the proxy's own namespace)" : "";
  return nowhere("there is no cluster `" + full + "`" + here + " and no registry to look it up in");
}

std::vector<Backend> read_backends(Fields& rule, const About& about) {
  std::vector<Backend> backends;
  const char* instead = about.object.kind == "GRPCRoute" ? "its share of the calls is answered with UNAVAILABLE"
                                                         : "its share of the requests is answered with 500";
  rule.list("backendRefs", "list of Services", [&](Fields& own, const Node& at) {
    Backend backend;
    backend.at = map_at(at);
    backend.cluster = read_reference(own, at, about, instead);
    own.number("weight", backend.weight, 0, 1'000'000);
    Shaping shaping = read_filters(own, about, true);
    backend.filters = std::move(shaping.filters);
    backend.rewrite = std::move(shaping.rewrite);
    if (shaping.replaces_prefix)
      own.reading().error(*shaping.replaces_prefix, own.path("filters"),
                          "ReplacePrefixMatch stands at the rule, not at one of its backends");
    backends.push_back(std::move(backend));
  });
  return backends;
}

}  // namespace outrider::config::gateway_api
