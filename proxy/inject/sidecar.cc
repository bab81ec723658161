#include "inject/sidecar.h"

#include "inject/probes.h"

namespace outrider::inject {

namespace {

constexpr int kInbound = 15006, kOutbound = 15001, kDns = 15053, kMetrics = 15020, kAdmin = 15000, kRegistry = 4222;
constexpr int kUid = 1337, kInitUid = 65534;

Node text(std::string value) { return Node::text(std::move(value)); }

Node words(std::initializer_list<const char*> all) {
  Node list = Node::list();
  for (const char* word : all) list.append(Node::text(word));
  return list;
}

Node security(int uid, bool network_admin) {
  Node capabilities = Node::map({{"drop", words({"ALL"})}});
  if (network_admin) capabilities.put("add", words({"NET_ADMIN"}));
  return Node::map({{"runAsUser", Node::number(uid)},
                    {"runAsGroup", Node::number(uid)},
                    {"runAsNonRoot", Node::boolean(true)},
                    {"allowPrivilegeEscalation", Node::boolean(false)},
                    {"readOnlyRootFilesystem", Node::boolean(true)},
                    {"capabilities", std::move(capabilities)},
                    {"seccompProfile", Node::map({{"type", text("RuntimeDefault")}})}});
}

Node probe(const char* path, std::initializer_list<std::pair<const char*, int>> times) {
  Node out = Node::map({{"httpGet", Node::map({{"path", text(path)}, {"port", Node::number(kHealthPort)}})}});
  for (const auto& [key, value] : times) out.put(key, Node::number(value));
  return out;
}

Node mount(const char* volume, const char* path, bool writable = false) {
  Node out = Node::map({{"name", text(volume)}, {"mountPath", text(path)}});
  if (!writable) out.put("readOnly", Node::boolean(true));
  return out;
}

// The environment of the proxy: what it is asked to be.
class Environment {
 public:
  Node take() { return std::move(list_); }

  void field(const char* name, const char* path) {
    Node source = Node::map({{"fieldRef", Node::map({{"fieldPath", text(path)}})}});
    list_.append(Node::map({{"name", text(name)}, {"valueFrom", std::move(source)}}));
  }
  void key(std::string_view path, const std::string& value) {
    if (value.empty()) return;
    std::string name = "OUTRIDER_";
    for (const char c : path) name += c == '.' ? "__" : std::string(1, c >= 'a' && c <= 'z' ? char(c - 32) : c);
    for (Node& each : list_.items())  // the last one wins, and stands where the first one stood
      if (each.text_of("name") == name) return void(each.put("value", text(escaped(value))));
    list_.append(Node::map({{"name", text(name)}, {"value", text(escaped(value))}}));
  }

 private:
  Node list_ = Node::list();
};

std::string bracketed(const std::vector<std::string>& parts) {
  std::string out = "[";
  for (const std::string& part : parts) out += (out.size() > 1 ? "," : "") + part;
  return out + "]";
}

void service_keys(Environment& env, const Wishes& wishes) {
  // A file may say these, too, and what is in the environment would come before it.
  const bool say = wishes.config_map.empty() || wishes.service_said;
  if (say && !wishes.service.empty()) {
    env.key("service.name", wishes.service);
    if (wishes.protocol.empty()) env.key("service.port", std::to_string(wishes.port));
    else env.key("service.ports", "[{port: " + std::to_string(wishes.port) + ", protocol: " + wishes.protocol + "}]");
    env.key("service.version", wishes.version);
  }
  env.key("service.weight", wishes.weight);
}

Node environment_of(const Wishes& wishes, const Settings& settings, const Workload& workload, const std::string& probes) {
  Environment env;
  env.field("POD_NAME", "metadata.name");
  env.field("POD_NAMESPACE", "metadata.namespace");
  env.field("POD_UID", "metadata.uid");
  env.field("POD_IP", "status.podIP");
  env.field("POD_IPS", "status.podIPs");
  env.field("NODE_NAME", "spec.nodeName");
  env.field("SERVICE_ACCOUNT", "spec.serviceAccountName");
  if (wishes.config_map.empty()) env.key("mode", "sidecar");
  service_keys(env, wishes);
  if (!settings.bootstrap.empty()) env.key("registry.bootstrap", settings.bootstrap);
  else if (wishes.config_map.empty()) env.key("registry.bootstrap", "outrider-seed.outrider-system.svc:4222");
  if (!settings.registry_key_secret.empty()) env.key("registry.key", "/run/mesh/key");
  env.key("identity.trust_domain", settings.trust_domain);
  // What was asked for by name has to be there; what is there by chance is found.
  if (!wishes.identity_secret.empty() || !wishes.identity_csi.empty()) env.key("identity.dir", "/run/identity");
  if (wishes.capture == "tproxy") {
    if (!wishes.service.empty()) env.key("listeners.inbound.transparent", "tproxy");
  }
  if (!wishes.opaque_ports.empty()) {
    if (!wishes.service.empty()) env.key("listeners.inbound.detect.opaque_ports", bracketed(wishes.opaque_ports));
    env.key("listeners.outbound.detect.opaque_ports", bracketed(wishes.opaque_ports));
  }
  env.key("defaults.route.priority", wishes.priority);
  if (wishes.drain_seconds) env.key("lifecycle.drain.time", std::to_string(wishes.drain_seconds) + "s");
  env.key("telemetry.log.level", wishes.log_level);
  if (wishes.admin_port) env.key("admin.address", "127.0.0.1:" + std::to_string(wishes.admin_port));
  env.key("admin.probes", probes);
  if (!wishes.native_sidecar && workload.ends) {
    env.key("lifecycle.exit_with", "app");
    if (workload.spec->text_of("restartPolicy") == "Never") env.key("lifecycle.app.grace", "0");  // it does not come again
  }
  // There the app has ended when the proxy is told to, and without a port of its own there is no other sign of that.
  if (wishes.native_sidecar && wishes.service.empty() && wishes.config_map.empty()) env.key("lifecycle.outbound_until", "drain");
  for (const auto& [path, value] : settings.set) env.key(path, value);
  return env.take();
}

Node resources_of(const Wishes& wishes) {
  Node limits = Node::map();
  if (!wishes.cpu_limit.empty()) limits.put("cpu", text(wishes.cpu_limit));
  limits.put("memory", text(wishes.memory_limit));
  return Node::map({{"requests", Node::map({{"cpu", text(wishes.cpu_request)}, {"memory", text(wishes.memory_request)}})},
                    {"limits", std::move(limits)}});
}

Node command(std::initializer_list<const char*> all) { return Node::map({{"exec", Node::map({{"command", words(all)}})}}); }

}  // namespace

std::string escaped(const std::string& value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const bool dollar = value[i] == '$' && i + 1 < value.size() && (value[i + 1] == '(' || value[i + 1] == '$');
    out += dollar ? "$$" : std::string(1, value[i]);
  }
  return out;
}

std::string unescaped(const std::string& value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    out += value[i];
    if (value[i] == '$' && i + 1 < value.size() && value[i + 1] == '$') ++i;
  }
  return out;
}

Node init_container(const Wishes& wishes) {
  Node args = words({"capture", "apply"});
  // Where there is no service, nobody listens for what comes in.
  args.append(text("--inbound=" + (wishes.service.empty() && wishes.config_map.empty() ? "off" : std::to_string(kInbound))));
  args.append(text("--outbound=" + std::to_string(kOutbound)));
  args.append(text("--uid=" + std::to_string(kUid)));
  args.append(text("--gid=" + std::to_string(kUid)));
  std::string skip = std::to_string(kMetrics) + "," + std::to_string(kHealthPort);
  if (!wishes.skip_inbound_ports.empty()) skip += "," + wishes.skip_inbound_ports;
  args.append(text("--skip-inbound=" + skip));
  if (!wishes.skip_outbound_ports.empty()) args.append(text("--skip-outbound=" + wishes.skip_outbound_ports));
  if (!wishes.skip_outbound_cidrs.empty()) args.append(text("--skip-cidrs=" + wishes.skip_outbound_cidrs));
  if (wishes.dns_capture) args.append(text("--dns=" + std::to_string(kDns)));
  if (wishes.capture != "redirect") args.append(text("--mode=" + wishes.capture));
  return Node::map({{"name", text(kInit)},
                    {"image", text(wishes.image)},
                    {"args", std::move(args)},
                    {"securityContext", security(kInitUid, true)},
                    {"resources", Node::map({{"requests", Node::map({{"cpu", text("10m")}, {"memory", text("16Mi")}})},
                                             {"limits", Node::map({{"memory", text("64Mi")}})}})},
                    {"terminationMessagePolicy", text("FallbackToLogsOnError")}});
}

Node proxy_container(const Wishes& wishes, const Settings& settings, const Workload& workload, const std::string& probes) {
  Node proxy = Node::map({{"name", text(kProxy)}, {"image", text(wishes.image)}});
  if (wishes.native_sidecar) proxy.put("restartPolicy", text("Always"));
  Node args = words({"run"});
  if (!wishes.config_map.empty()) {
    args.append(text("-c"));
    args.append(text("/etc/outrider/outrider.yaml"));
  }
  proxy.put("args", std::move(args));
  proxy.put("env", environment_of(wishes, settings, workload, probes));
  const auto port = [](const char* name, int number) {
    return Node::map({{"name", text(name)}, {"containerPort", Node::number(number)}});
  };
  proxy.put("ports", Node::list({port("outrider-prom", kMetrics), port("outrider-health", kHealthPort)}));
  Node lifecycle = Node::map();
  if (wishes.native_sidecar) proxy.put("startupProbe", probe("/ready", {{"periodSeconds", 1}, {"failureThreshold", 120}}));
  else lifecycle.put("postStart", command({"/outrider", "wait", "--timeout", "60s"}));  // holds back those behind it
  lifecycle.put("preStop", command({"/outrider", "drain"}));
  proxy.put("readinessProbe", probe("/ready", {{"periodSeconds", 2}}));
  proxy.put("livenessProbe", probe("/live", {{"initialDelaySeconds", 10}}));
  proxy.put("lifecycle", std::move(lifecycle));
  proxy.put("resources", resources_of(wishes));
  proxy.put("securityContext", security(kUid, wishes.capture == "tproxy"));
  proxy.put("terminationMessagePolicy", text("FallbackToLogsOnError"));
  Node mounts = Node::list({mount(kIdentityVolume, "/run/identity"), mount(kStateVolume, "/var/lib/outrider", true)});
  if (!settings.registry_key_secret.empty()) mounts.append(mount(kKeyVolume, "/run/mesh"));
  if (!wishes.config_map.empty()) mounts.append(mount(kConfigVolume, "/etc/outrider"));
  proxy.put("volumeMounts", std::move(mounts));
  return proxy;
}

std::vector<Node> volumes_of(const Wishes& wishes, const Settings& settings) {
  Node identity = Node::map({{"name", text(kIdentityVolume)}});
  if (!wishes.identity_csi.empty()) {
    identity.put("csi", Node::map({{"driver", text(wishes.identity_csi)}, {"readOnly", Node::boolean(true)}}));
  } else {
    Node secret = Node::map({{"secretName", text(wishes.identity_secret.empty() ? kIdentityVolume : wishes.identity_secret)}});
    if (wishes.identity_secret.empty()) secret.put("optional", Node::boolean(true));
    identity.put("secret", std::move(secret));
  }
  std::vector<Node> all = {std::move(identity),
                           Node::map({{"name", text(kStateVolume)}, {"emptyDir", Node::map({{"sizeLimit", text("64Mi")}})}})};
  if (!settings.registry_key_secret.empty())
    all.push_back(
        Node::map({{"name", text(kKeyVolume)}, {"secret", Node::map({{"secretName", text(settings.registry_key_secret)}})}}));
  if (!wishes.config_map.empty())
    all.push_back(Node::map({{"name", text(kConfigVolume)}, {"configMap", Node::map({{"name", text(wishes.config_map)}})}}));
  return all;
}

std::vector<std::pair<uint16_t, std::string>> own_ports(const Wishes& wishes) {
  std::vector<std::pair<uint16_t, std::string>> all;
  for (const int port : {int(wishes.admin_port ? wishes.admin_port : kAdmin), kOutbound, kInbound, kMetrics, kHealthPort, kDns})
    all.emplace_back(uint16_t(port), "TCP");
  all.emplace_back(uint16_t(kDns), "UDP");
  all.emplace_back(uint16_t(kRegistry), "UDP");
  return all;
}

}  // namespace outrider::inject
