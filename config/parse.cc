// The sections of the document, in the order the README lists them.

#include "config/parse.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace outrider::config {

namespace {

std::string check_label(std::string& text) {
  return is_label(text) ? ""
                        : "expected lower-case letters, digits and - (63 at most), got \"" + text + "\"" +
                              (is_label(to_lower(text)) ? " (did you mean \"" + to_lower(text) + "\"?)" : "");
}

std::string check_version(std::string& text) {
  return is_name(text) && text.find('/') == text.npos ? "" : "expected letters, digits and . _ -, got \"" + text + "\"";
}

std::string check_ip(std::string& text) {
  if (text == "localhost") text = "127.0.0.1";
  std::string with_port = (text.find(':') == text.npos ? text : "[" + text + "]") + ":1";
  return check_address(with_port, {.wildcard = false, .unix_path = false}).empty()
             ? ""
             : "expected an IP address, got \"" + text + "\"";
}

std::string check_spiffe_id(std::string& text) {
  return text.starts_with("spiffe://") && text.size() > 9 ? "" : "expected spiffe://domain/path, got \"" + text + "\"";
}

void read_node(Fields& top, Self& node) {
  Fields fields = top.map("node");
  fields.text("id", node.id, "name",
              [](std::string& text) { return text.size() <= 253 ? std::string() : "longer than 253 characters"; });
  fields.text("address", node.address, "IP address", check_ip);
  fields.later("region", {"\"\""});
  fields.text("zone", node.zone);
  fields.pairs("labels", node.labels);
}

void read_ports(Fields& fields, Service& service) {
  const Node* single = fields.given("port");
  const auto protocol_of = [&](Fields& item, Port& port) { read_protocol(item, port.protocol, {"udp", "tls"}); };
  Port port;
  if (single || fields.reading().catalog) {
    fields.number("port", port.port, 1);
    if (port.port) service.ports.push_back(port);
  } else {
    fields.hand("port", "number", "0");
  }
  fields.list(
      "ports", "ports or maps",
      [&](Fields& item, const Node& at) {
        Port one;
        item.text("name", one.name, "name", check_label);
        if (item.given("port") || item.reading().catalog) item.number("port", one.port, 1);
        else item.reading().error(at, item.path("port"), "a port needs its number");
        protocol_of(item, one);
        if (one.port) service.ports.push_back(one);
      },
      [&](const Node& text, const std::string& path) {
        const auto number = parse_number(text.text());
        if (!number || *number < 1 || *number > 65535)
          return fields.reading().error(text, path, "expected a number from 1 to 65535, got " + kind_of(text));
        service.ports.push_back({"", uint16_t(*number), Protocol::Auto});
      });
  if (fields.reading().catalog) return;
  const Node* several = fields.given("ports");
  if (single && several && several->size() > 0)
    return fields.error("ports", *several, "port and ports exclude each other; give one");
  if (!single && (!several || (several->is_list() && several->size() == 0)))
    return fields.error("port", fields.node(), "missing: the port the application listens on");
  if (service.ports.size() > 1) {
    const Node& second = several->is_list() && several->size() > 1 ? several->items()[1] : *several;
    fields.error("ports", second, "more than one port is not supported yet in this version: the inbound listener leads to one");
  }
}

void read_autoscale(Fields& parent, Service& service) {
  Service::Autoscale& scale = service.autoscale;
  if (!(scale.on = !parent.off("autoscale", false))) return;
  const Node* const given = parent.given("autoscale");
  Fields fields = parent.map("autoscale");
  fields.share("target", scale.target);
  fields.number("min", scale.min, 0, 100'000);
  fields.number("max", scale.max, 1, 100'000);
  fields.duration("over", scale.over, milliseconds(1000), std::chrono::hours(1));
  if (!given || fields.reading().catalog) return;
  if (scale.target < 0.01) fields.error("target", *fields.given("target"), "expected 1% to 100%");
  if (scale.min > scale.max) parent.error("autoscale", *given, "min is more than max");
  if (service.concurrency == Service::Concurrency::Off && service.slots == 0)
    fields.reading().warn(
        *given, parent.path("autoscale"),
        "has no effect: nobody says how much the application takes at once (service.concurrency, or capacity.slots)");
}

void read_service(Fields& top, Service& service) {
  Fields fields = top.map("service");
  if (top.given("service") && !top.given("service")->is_map()) return;
  fields.text("name", service.name, "name", check_label);
  fields.text("namespace", service.name_space, "name", check_label);
  fields.text("version", service.version, "text", check_version);
  read_ports(fields, service);
  fields.text("address", service.address, "IP address", check_ip);
  fields.flag("register", service.do_register);
  fields.number("weight", service.weight, 0, 10000);
  read_health(fields, "health", service.health, false);
  read_admission(fields, service);
  read_autoscale(fields, service);
  // An empty `namespace` (an unset variable) is the default, not a namespace without a name.
  if (service.name_space.empty()) service.name_space = "default";
  if (!fields.reading().catalog && !fields.given("name"))
    fields.error("name", fields.node(), "missing: what the service is registered as");
}

void read_identity(Fields& top, Identity& identity, const Document& document, const Layers& layers) {
  Fields fields = top.map("identity");
  fields.text("trust_domain", identity.trust_domain, "domain", check_trust_domain);
  if (document.service) {
    std::string account = document.service.name;
    for (const auto& [name, value] : layers.sources.environment)
      if (name == "SERVICE_ACCOUNT" && !value.empty()) account = value;
    identity.spiffe_id = "spiffe://" + identity.trust_domain + "/ns/" + document.service.name_space + "/sa/" + account;
  }
  fields.text("spiffe_id", identity.spiffe_id, "SPIFFE ID", check_spiffe_id);
  fields.text("dir", identity.dir, "folder");
  fields.address("workload_api", identity.workload_api, {.wildcard = false, .port_zero = false}, true);
  fields.duration("wait", identity.wait);
  if (!identity.workload_api.empty()) identity.dir.clear();
  identity.mtls = identity ? Identity::Mtls::Strict : Identity::Mtls::Off;
  fields.choice("mtls", identity.mtls,
                {{"strict", Identity::Mtls::Strict}, {"permissive", Identity::Mtls::Permissive}, {"off", Identity::Mtls::Off}});
  if (const Node* given = fields.given("mtls"); given && !identity && identity.mtls != Identity::Mtls::Off) {
    fields.reading().warn(*given, fields.path("mtls"), "has no effect without an identity: identity.dir is not set");
    identity.mtls = Identity::Mtls::Off;
  }
  fields.duration("drain", identity.drain);
  {
    Fields tls = fields.map("tls");
    read_terms(tls, identity.tls);
  }
  fields.pairs("trust", identity.trust);
  for (auto& [domain, file] : identity.trust) {
    if (std::string wrong = check_trust_domain(domain); !wrong.empty()) fields.error("trust", *fields.given("trust"), wrong);
    else if (domain == identity.trust_domain)
      fields.error("trust", *fields.given("trust"), "is for other trust domains: the authorities of our own are in identity.dir");
    else if (file.empty()) fields.error("trust", *fields.given("trust"), domain + ": which file?");
  }
  fields.share("warn_before", identity.warn_before);
}

void read_lifecycle(Fields& top, Lifecycle& l) {
  Fields fields = top.map("lifecycle");
  const Node* ready = fields.hand("ready_when", "list of listeners, identity, registry", "[listeners, identity]");
  if (ready) {
    l.wait_listeners = l.wait_identity = l.wait_registry = false;
    for (const Node& item : items_of(*ready)) {
      if (item.text() == "listeners") l.wait_listeners = true;
      else if (item.text() == "identity") l.wait_identity = true;
      else if (item.text() == "registry") l.wait_registry = true;
      else
        fields.error("ready_when", item,
                     "expected listeners, identity or registry, got " + kind_of(item) +
                         did_you_mean(item.text(), {"listeners", "identity", "registry"}));
    }
    fields.keep("ready_when", *ready);
  } else {
    Node standard = Node::list();
    standard.append(Node::scalar("listeners"));
    standard.append(Node::scalar("identity"));
    fields.keep("ready_when", std::move(standard));
  }
  {
    Fields drain = fields.map("drain");
    drain.duration("delay", l.drain_delay);
    drain.duration("time", l.drain_time);
  }
  fields.choice("outbound_until", l.outbound_until_drain, {{"app_exit", false}, {"drain", true}});
  fields.choice("exit_with", l.exit_with,
                {{"auto", Lifecycle::ExitWith::Auto}, {"app", Lifecycle::ExitWith::App}, {"none", Lifecycle::ExitWith::None}});
  {
    Fields app = fields.map("app");
    app.texts("process", l.app.process);
    app.texts("ignore", l.app.ignore);
    app.duration("wait", l.app.wait, milliseconds(1));
    app.duration("grace", l.app.grace);
  }
  fields.flag("sandbox", l.sandbox);
  fields.choice("quit", l.quit_page, {{"loopback", true}, {"off", false}});
  if ((l.upgrade = !fields.off("upgrade", false))) {
    Fields upgrade = fields.map("upgrade");
    upgrade.duration("timeout", l.upgrade_timeout, milliseconds(1));
  }
  fields.choice("pid", l.pid,
                {{"auto", Lifecycle::Pid::Auto}, {"keep", Lifecycle::Pid::Keep}, {"change", Lifecycle::Pid::Change}});
}

// The items of a section, each with what its presets and defaults say below it.
void each_named(Fields& top, const Layers& layers, const char* section, const char* defaults,
                const std::function<void(Fields&, const std::string& name, Where)>& each) {
  top.hand(section, "", "");
  if (top.reading().catalog) {
    top.reading().catalog->pop_back();  // the section as such is no key
    Fields item(top.reading(), nullptr, std::string(section) + ".<name>");
    return each(item, "<name>", {});
  }
  Node kept = Node::map();
  std::vector<std::pair<std::string, Mark>> names;
  const Node* user = top.given(section);
  if (user && !user->is_map())
    top.error(section, *user, "expected a map of " + std::string(section) + " by name, got " + kind_of(*user));
  for (const Node* from : {layers.preset.find(section), user})
    if (from)
      for (const auto& entry : from->entries()) {
        const auto known = std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == entry.key; });
        if (known == names.end()) names.emplace_back(entry.key, entry.key_mark);
        else known->second = entry.key_mark;
      }
  for (const auto& [name, mark] : names) {
    const Node merged = layers.item(section, defaults, name);
    const Node* own = user ? user->find(name) : nullptr;
    if (!is_name(name)) {
      const bool versioned = std::string(section) == "clusters" && name.find('@') != name.npos;
      top.reading().complain(Severity::Error, own ? *own : merged, mark, join_path(section, name),
                             versioned ? "a version of a service (\"" + name + "\") is not supported yet in this version"
                                       : "expected a name of letters, digits and . _ - /, got \"" + name + "\"");
      continue;
    }
    Fields item(top.reading(), &merged, join_path(section, name));
    each(item, name, where_of(own && own->origin().kind != Origin::Kind::Default ? *own : merged, mark));
    kept.put(name, item.take());
  }
  top.keep(section, std::move(kept));
}

Node read_defaults(Fields& top, Document& document, const Layers& layers) {
  Listener listener;
  Route route;
  const Node* user = top.given("defaults");
  Node merged = Node::map();
  for (const Node* from : {layers.preset.find("defaults"), user})
    if (from) merged.merge(*from);
  top.hand("defaults", "", "");
  std::vector<Key>* const catalog = top.reading().catalog;
  if (catalog) catalog->pop_back();
  const size_t before = catalog ? catalog->size() : 0;
  Fields fields(top.reading(), &merged, "defaults");
  {
    Fields f = fields.map("cluster");
    read_cluster(f, document.cluster_defaults, false);
  }
  {
    Fields f = fields.map("route");
    read_route_defaults(f, route, layers.sources);
  }
  {
    Fields f = fields.map("listener");
    read_listener(f, listener, false, document.identity);
  }
  for (size_t i = before; catalog && i < catalog->size(); ++i) (*catalog)[i].listed = false;  // it is with the item
  return fields.take();
}

}  // namespace

std::string check_trust_domain(std::string& text) {
  return is_host(text) && text.front() != '*' && text.front() != '[' ? "" : "expected a domain, got \"" + text + "\"";
}

Node Layers::item(std::string_view section, std::string_view kind, std::string_view name) const {
  Node merged;
  for (const Node* layer : {&preset, &user}) {
    if (const Node* of = layer->find("defaults"))
      if (const Node* own = of->find(kind)) merged.merge(*own);
    if (const Node* of = layer->find(section))
      if (const Node* own = of->find(name)) merged.merge(*own);
  }
  return merged;
}

Node Layers::defaults(std::string_view kind) const { return item("", kind, ""); }

Where where_of(const Node& node, Mark mark) {
  if (node.origin().kind == Origin::Kind::File) return {node.origin().name, mark.line, mark.column};
  return {node.where()};
}

uint64_t digest_of(const Node& node) {
  uint64_t h = hash(node.text(), uint64_t(node.kind()) + 1);
  for (const Node& item : node.items()) h = mix(h ^ digest_of(item)) + 1;
  for (const auto& entry : node.entries()) h = mix(h ^ hash(entry.key)) ^ digest_of(entry.value);
  return mix(h);
}

Document read_document(Reading& reading, Layers& layers) {
  Document d;
  const bool catalog = reading.catalog != nullptr;
  Node merged = layers.base;
  merged.merge(layers.user);
  // Because a namespace from the environment does not make a service.
  const bool has_service = layers.user.find("service") && !layers.user.find("service")->is_null();
  Fields top(reading, &merged, "");
  {
    uint32_t version = 1;
    const Node* given = top.given("version");
    top.number("version", version);
    if (given && version != 1) top.error("version", *given, "expected 1, got " + kind_of(*given));
    if (!given && layers.sources.file && layers.user.is_map())
      reading.complain(Severity::Error, layers.user, {1, 1}, "version", "missing: a file begins with version: 1");
  }
  d.mode = has_service ? Mode::Sidecar : Mode::Edge;
  top.choice("mode", d.mode, {{"sidecar", Mode::Sidecar}, {"edge", Mode::Edge}}, {"lab"});
  read_node(top, d.node);
  if (has_service || catalog) read_service(top, d.service);
  else {
    top.hand("service", "", "");
    if (const Node* base = layers.base.find("service"))
      if (const Node* name = base->find("namespace"); name && is_label(name->text())) d.service.name_space = name->text();
  }
  read_identity(top, d.identity, d, layers);
  if (!catalog && !layers.sources.registry_only)
    layers.preset = d.mode == Mode::Sidecar ? preset_sidecar(d.service, d.identity.mtls != Identity::Mtls::Off) : preset_edge();
  read_authorization(top, d.authorization);
  read_registry(top, d.registry);
  if (d.registry.kind == Registry::Kind::Kubernetes && !d.registry.kubernetes.name_space.empty())
    d.service.name_space = d.registry.kubernetes.name_space;

  Node defaults = read_defaults(top, d, layers);  // first: what is wrong there is said there, not at each item
  each_named(top, layers, "listeners", "listener", [&](Fields& item, const std::string& name, Where where) {
    Listener listener;
    listener.name = name;
    listener.where = std::move(where);
    read_listener(item, listener, true, d.identity);
    d.listeners.push_back(std::move(listener));
  });
  top.hand("routes", "", "");
  top.keep("routes", Node::map());  // filled in by complete(), as each listener reads its table
  if (catalog) {
    Fields item(reading, nullptr, "routes.<table>[]");
    Route route;
    reading.catalog->pop_back();
    read_route(item, route, layers);
  }
  read_routes_from(top, d.routes_from);
  each_named(top, layers, "clusters", "cluster", [&](Fields& item, const std::string& name, Where where) {
    Cluster cluster;
    cluster.name = name;
    cluster.where = std::move(where);
    read_cluster(item, cluster, true);
    d.clusters.push_back(std::move(cluster));
  });
  const Node* chains = top.hand("filters", "", "");
  if (chains) top.keep("filters", *chains);
  if (catalog) reading.catalog->back() = {"filters.<chain>", "list of filters", "[]", true};
  read_overload(top, d.overload);
  read_lifecycle(top, d.lifecycle);
  read_upkeep(top, d.upkeep);
  read_telemetry(top, d, layers.sources);
  {
    Fields admin = top.map("admin");
    admin.address("address", d.admin.address, {}, true);
    admin.address("health", d.admin.health, {}, true);
    admin.flag("debug", d.admin.debug);
    if (admin.off("explain", false)) {
      d.admin.explain.keep = 0;
    } else {
      Fields explain = admin.map("explain");
      explain.number("keep", d.admin.explain.keep, 1, 10000);
      explain.duration("slower", d.admin.explain.slower, milliseconds(1));
    }
    read_probes(admin, d.admin.probes);
  }
  top.keep("defaults", std::move(defaults));
  each_named(top, layers, "experiments", "experiment", [&](Fields& item, const std::string& name, Where) {
    Experiment experiment;
    experiment.name = name;
    read_experiment(item, experiment, layers);
    d.experiments.push_back(std::move(experiment));
  });
  d.effective = top.take();
  d.file = layers.sources.file.value_or("");
  if (!catalog) complete(reading, d, layers);
  return d;
}

std::vector<Key> all_keys() {
  std::vector<Key> keys = all_forms();
  std::erase_if(keys, [](const Key& key) { return !key.listed; });
  return keys;
}

std::vector<Key> all_forms() {
  std::vector<Key> keys;
  Reading reading;
  reading.catalog = &keys;
  const Sources sources;
  Layers layers{Node(), Node(), Node(), sources};
  read_document(reading, layers);
  return keys;
}

}  // namespace outrider::config
