// The map `admin.probes`, which an injector writes: by container, by kind.

#include <algorithm>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

using Kind = Probe::Kind;
constexpr std::pair<const char*, Kind> kKinds[] = {{"liveness", Kind::Liveness},
                                                   {"readiness", Kind::Readiness},
                                                   {"startup", Kind::Startup},
                                                   {"post_start", Kind::PostStart},
                                                   {"pre_stop", Kind::PreStop}};
constexpr milliseconds kHookTimeout{30000};  // as long as a pod has to end, unless it says otherwise

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; });
}

// As the kubelet makes a URL of it.
std::string check_target(std::string& text) {
  if (has_control(text)) return "expected a path, got control characters";
  if (const size_t fragment = text.find('#'); fragment != text.npos) text.resize(fragment);
  if (!text.starts_with('/')) text.insert(0, "/");
  for (size_t at = 0; (at = text.find(' ', at)) != text.npos;) text.replace(at, 1, "%20");
  return {};
}

std::string check_host(std::string& text) {
  return text.empty() || is_host(text) || text.find(':') != text.npos ? "" : "expected a host, got \"" + text + "\"";
}

void read_headers(Fields& http, Probe& probe) {
  http.pairs("headers", probe.headers);
  for (const auto& [name, value] : probe.headers)
    if (!is_token(name) || has_control(value))
      http.error("headers", *http.given("headers"), "\"" + name + "\" is no field of a request");
}

void read_port(Fields& fields, Probe& probe) {
  if (!fields.reading().catalog && !fields.given("port"))
    return fields.error("port", fields.node(), "missing: the container's port, by number");
  fields.number("port", probe.port, fields.reading().catalog || fields.given("port") ? 1 : 0);
}

void read_probe(Fields& fields, Probe& probe) {
  const bool catalog = fields.reading().catalog != nullptr;
  size_t ways = 0;
  const auto way = [&](const char* key, Probe::By by, const auto& read) {
    if (!catalog && !fields.given(key)) return void(fields.hand(key, "", ""));
    ++ways;
    probe.by = by;
    Fields inside = fields.map(key);
    read_port(inside, probe);
    read(inside);
  };
  way("http", Probe::By::Http, [&](Fields& http) {
    http.text("path", probe.path, "path", check_target);
    http.text("host", probe.host, "host", check_host);
    http.choice("scheme", probe.tls, {{"http", false}, {"https", true}});
    read_headers(http, probe);
  });
  way("tcp", Probe::By::Tcp, [](Fields&) {});
  way("grpc", Probe::By::Grpc, [&](Fields& grpc) {
    probe.path.clear();
    grpc.text("service", probe.path, "service of gRPC",
              [](std::string& text) { return has_control(text) ? std::string("expected a name") : std::string(); });
  });
  fields.duration("timeout", probe.timeout, milliseconds(1), std::chrono::hours(1));
  if (!catalog && ways != 1)
    fields.reading().error(fields.node(), fields.path(),
                           "expected one of http, tcp and grpc: what is to be asked, and at which port");
}

}  // namespace

const char* name_of(Probe::Kind kind) {
  return std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& one) { return one.second == kind; })->first;
}

void read_probes(Fields& admin, std::vector<Probe>& probes) {
  const Node* const given = admin.hand("probes", "", "");
  if (admin.reading().catalog) {
    admin.reading().catalog->pop_back();  // the map as such is no key
    Fields item(admin.reading(), nullptr, "admin.probes.<container>.<kind>");
    Probe probe;
    return read_probe(item, probe);
  }
  Node kept = Node::map();
  if (given && !given->is_map()) admin.error("probes", *given, "expected a map of containers, got " + kind_of(*given));
  for (const auto& container : given ? given->entries() : std::vector<Node::Entry>{}) {
    const std::string path = join_path("admin.probes", container.key);
    if (!is_label(container.key)) {
      admin.reading().error(container.value, path, "expected the name of a container (lower-case letters, digits and -)");
      continue;
    }
    if (!container.value.is_map()) {
      admin.reading().error(container.value, path, "expected a map of probes, got " + kind_of(container.value));
      continue;
    }
    Node of_container = Node::map();
    for (const auto& entry : container.value.entries()) {
      const auto known = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& k) { return entry.key == k.first; });
      if (known == std::end(kKinds)) {
        std::vector<std::string_view> names;
        for (const auto& [name, kind] : kKinds) names.emplace_back(name);
        admin.reading().error(entry.value, join_path(path, entry.key),
                              "expected liveness, readiness, startup, post_start or pre_stop" + did_you_mean(entry.key, names));
        continue;
      }
      Probe probe;
      probe.container = container.key;
      probe.kind = known->second;
      if (probe.kind == Kind::PostStart || probe.kind == Kind::PreStop) probe.timeout = kHookTimeout;
      Fields fields(admin.reading(), &entry.value, join_path(path, entry.key));
      read_probe(fields, probe);
      of_container.put(entry.key, fields.take());
      probes.push_back(std::move(probe));
    }
    kept.put(container.key, std::move(of_container));
  }
  if (given) admin.keep("probes", std::move(kept));
}

}  // namespace outrider::config
