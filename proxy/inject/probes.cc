#include "inject/probes.h"

#include <algorithm>

#include "base/text.h"
#include "inject/pointer.h"

namespace outrider::inject {

namespace {

struct Kind {
  const char* name;    // in our path
  const char* parent;  // of a hook: "lifecycle"
  const char* key;
};

constexpr Kind kKinds[] = {
    {"liveness", "", "livenessProbe"},        {"readiness", "", "readinessProbe"},  {"startup", "", "startupProbe"},
    {"post_start", "lifecycle", "postStart"}, {"pre_stop", "lifecycle", "preStop"},
};

// A hook has no time limit of its own in Kubernetes but the pod's grace.
constexpr const char* kHookTimeout = "30s";

struct Found {
  std::string pointer;  // of the container
  const Node* container;
};

std::vector<Found> containers_of(const Workload& workload) {
  std::vector<Found> all;
  for (const char* list : {"initContainers", "containers"}) {
    const Node* const found = workload.spec->find(list);
    if (!found) continue;
    for (size_t i = 0; i < found->items().size(); ++i) {
      const Node& container = found->items()[i];
      if (list == std::string_view("initContainers") && container.text_of("restartPolicy") != "Always") continue;
      all.push_back({workload.pod + "/spec/" + list + "/" + std::to_string(i), &container});
    }
  }
  return all;
}

std::string path_of(const std::string& container, const Kind& kind) { return "/probe/" + container + "/" + kind.name; }

Node asks_us(const std::string& path) { return Node::map({{"path", Node::text(path)}, {"port", Node::number(kHealthPort)}}); }

// One rewrite_probes().
class Rewriting {
 public:
  explicit Rewriting(const Workload& workload) : workload_(workload) {}

  Rewritten run() {
    for (const Found& place : containers_of(workload_)) {
      Node originals;
      for (const Kind& kind : kKinds) probe(place, kind, originals);
      if (originals.is_map()) result_.originals.put(place.container->text_of("name"), std::move(originals));
    }
    return std::move(result_);
  }

 private:
  void probe(const Found& place, const Kind& kind, Node& originals) {
    const bool hook = *kind.parent;
    const Node* const handler = hook ? place.container->find({kind.parent, kind.key}) : place.container->find(kind.key);
    if (!handler || !handler->is_map()) return;
    const std::string at = place.pointer + (hook ? "/lifecycle/" : "/") + kind.key;
    const std::string ours = path_of(place.container->text_of("name"), kind);
    Node original;
    if (const Node* http = handler->find("httpGet")) {
      original.put("http", http_of(*http, *place.container, at + "/httpGet"));
      result_.operations.push_back({Operation::Kind::Replace, at + "/httpGet", asks_us(ours)});
    } else if (const Node* tcp = handler->find("tcpSocket")) {
      original.put("tcp", Node::map({{"port", port_of(*tcp, *place.container, at + "/tcpSocket")}}));
      if (const std::string& host = tcp->text_of("host"); !host.empty())
        result_.warnings.push_back(at + "/tcpSocket/host: " + host + " is not asked, but the app beside the sidecar");
      instead(at, "tcpSocket", ours);
    } else if (const Node* grpc = handler->find("grpc")) {
      original.put("grpc", Node::map({{"port", port_of(*grpc, *place.container, at + "/grpc")},
                                      {"service", Node::text(grpc->text_of("service"))}}));
      instead(at, "grpc", ours);
    } else {
      return;
    }
    const std::string& seconds = handler->text_of("timeoutSeconds");
    original.put("timeout", Node::text(hook ? kHookTimeout : (seconds.empty() ? "1" : seconds) + "s"));
    originals.put(kind.name, std::move(original));
  }

  void instead(const std::string& at, const char* key, const std::string& ours) {
    result_.operations.push_back({Operation::Kind::Remove, at + "/" + key, {}});
    result_.operations.push_back({Operation::Kind::Add, at + "/httpGet", asks_us(ours)});
  }

  Node http_of(const Node& http, const Node& container, const std::string& at) {
    const std::string &path = http.text_of("path"), &scheme = http.text_of("scheme");
    Node told = Node::map({{"path", Node::text(path.empty() ? "/" : path)},
                           {"port", port_of(http, container, at)},
                           {"scheme", Node::text(scheme.empty() ? "http" : to_lower(scheme))}});
    if (!http.text_of("host").empty()) told.put("host", Node::text(http.text_of("host")));
    Node headers;
    if (const Node* list = http.find("httpHeaders"))
      for (const Node& header : list->items()) {
        const std::string &name = header.text_of("name"), &before = headers.text_of(name);
        headers.put(name, Node::text(before.empty() ? header.text_of("value") : before + ", " + header.text_of("value")));
      }
    if (headers.is_map()) told.put("headers", std::move(headers));
    return told;
  }

  Node port_of(const Node& handler, const Node& container, const std::string& at) {
    const std::string& given = handler.text_of("port");
    if (const auto number = parse_number(given); number && *number >= 1 && *number <= 65535)
      return Node::number(int64_t(*number));
    if (const Node* list = container.find("ports"))
      for (const Node& port : list->items())
        if (!given.empty() && port.text_of("name") == given)
          if (const auto number = parse_number(port.text_of("containerPort"))) return Node::number(int64_t(*number));
    if (result_.refusal.empty())
      result_.refusal = at + "/port: \"" + given + "\" is neither a port nor the name of one of the container's ports";
    return Node::number(0);
  }

  const Workload& workload_;
  Rewritten result_;
};

Node as_written(const Node& original, std::string& key) {
  Node out = Node::map();
  if (const Node* http = original.find("http")) {
    key = "httpGet";
    if (http->text_of("path") != "/") out.put("path", *http->find("path"));
    if (const Node* port = http->find("port")) out.put("port", *port);
    if (!http->text_of("host").empty()) out.put("host", *http->find("host"));
    if (http->text_of("scheme") == "https") out.put("scheme", Node::text("HTTPS"));
    if (const Node* headers = http->find("headers")) {
      Node list = Node::list();
      for (const Node::Entry& e : headers->entries()) list.append(Node::map({{"name", Node::text(e.key)}, {"value", e.value}}));
      out.put("httpHeaders", std::move(list));
    }
  } else if (const Node* tcp = original.find("tcp")) {
    key = "tcpSocket";
    out = *tcp;
  } else if (const Node* grpc = original.find("grpc")) {
    key = "grpc";
    if (const Node* port = grpc->find("port")) out.put("port", *port);
    if (!grpc->text_of("service").empty()) out.put("service", *grpc->find("service"));
  }
  return out;
}

}  // namespace

Rewritten rewrite_probes(const Workload& workload) { return Rewriting(workload).run(); }

std::vector<Operation> original_probes(const Workload& workload, const Node& originals) {
  std::vector<Operation> operations;
  for (const Found& place : containers_of(workload)) {
    const std::string& name = place.container->text_of("name");
    for (const Kind& kind : kKinds) {
      const bool hook = *kind.parent;
      const Node* const handler = hook ? place.container->find({kind.parent, kind.key}) : place.container->find(kind.key);
      const Node* const http = handler ? handler->find("httpGet") : nullptr;
      const Node* const original = originals.find({name, kind.name});
      if (!http || !original || http->text_of("path") != path_of(name, kind)) continue;
      std::string key;
      Node before = as_written(*original, key);
      const std::string at = place.pointer + (hook ? "/lifecycle/" : "/") + kind.key + "/";
      if (key == "httpGet") {
        operations.push_back({Operation::Kind::Replace, at + key, std::move(before)});
      } else if (!key.empty()) {
        operations.push_back({Operation::Kind::Remove, at + "httpGet", {}});
        operations.push_back({Operation::Kind::Add, at + key, std::move(before)});
      }
    }
  }
  return operations;
}

}  // namespace outrider::inject
