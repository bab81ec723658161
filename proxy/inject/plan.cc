#include "inject/plan.h"

#include <algorithm>

#include "base/text.h"
#include "inject/json.h"
#include "inject/pointer.h"
#include "inject/probes.h"
#include "inject/sidecar.h"
#include "inject/wishes.h"

namespace outrider::inject {

namespace {

constexpr const char* kEvictable = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
constexpr const char *kScrape = "prometheus.io/scrape", *kScrapePort = "prometheus.io/port", *kScrapePath = "prometheus.io/path";
constexpr uint64_t kDrainDelay = 5;  // lifecycle.drain.delay
constexpr const char* kUsualUid = "1337";

// One plan_injection(), once it is known that there is a workload.
class Planning {
 public:
  Planning(const Node& object, const Workload& workload, const Settings& settings)
      : workload_(workload), settings_(settings), wishes_(wishes_of(object, workload, settings)) {}

  Plan run() {
    plan_.warnings = wishes_.warnings;
    if (before()) return std::move(plan_);
    if (clashes() || impossible()) return std::move(plan_);
    Rewritten probes;
    if (wishes_.rewrite_probes) probes = rewrite_probes(workload_);
    if (!probes.refusal.empty()) return refuse(probes.refusal), std::move(plan_);
    plan_.warnings.insert(plan_.warnings.end(), probes.warnings.begin(), probes.warnings.end());
    std::string originals;
    if (probes.originals.is_map()) append_json(originals, probes.originals);
    annotations();
    containers(originals, probes.operations);
    volumes();
    warn();
    plan_.verdict = Plan::Verdict::Change;
    return std::move(plan_);
  }

 private:
  void refuse(std::string reason) {
    plan_.verdict = Plan::Verdict::Refused;
    plan_.reason = std::move(reason);
  }

  // Whether there is nothing to do, or nothing that may be done.
  bool before() {
    if (const Node* injected = workload_.annotation(kInjected)) {
      plan_.verdict = Plan::Verdict::Already;
      plan_.reason = "by " + injected->text();
      if (injected->text() != settings_.version)
        plan_.reason += ", this is " + settings_.version + ": `outrider uninject` first, to inject it anew";
      return true;
    }
    const bool no = wishes_.inject == Wishes::Inject::No;
    if (!no && !wishes_.refusal.empty()) return refuse(wishes_.refusal), true;
    if (!no && (wishes_.inject == Wishes::Inject::Yes || settings_.inject_unless_told)) return false;
    plan_.verdict = Plan::Verdict::Skipped;
    plan_.reason = no ? "outrider.dev/inject is \"false\"" : "nothing asks for it";
    return true;
  }

  bool impossible() {
    const Node& spec = *workload_.spec;
    const std::string at = workload_.pod + "/spec/";
    if (spec.text_of("hostNetwork") == "true")
      refuse(at +
             "hostNetwork: its network is the node's, whose traffic would be captured; label it outrider.dev/inject: \"false\"");
    else if (const Node* os = spec.find({"os", "name"}); os && os->text() == "windows")
      refuse(at + "os/name: the sidecar runs on Linux; label it outrider.dev/inject: \"false\"");
    else if (shares_processes() && spec.text_of("shareProcessNamespace") == "false")
      refuse(at +
             "shareProcessNamespace: without a native sidecar the proxy of a job has to see the job's processes end; remove it");
    else if (shares_processes() && spec.text_of("hostPID") == "true")
      refuse(at + "hostPID: without a native sidecar the proxy of a job has to see which processes are the pod's; remove it");
    else return false;
    return true;
  }

  bool clashes() {
    const Node& spec = *workload_.spec;
    const auto taken = [&](const char* list, size_t i, const std::string& what) {
      refuse(workload_.pod + "/spec/" + list + "/" + std::to_string(i) + ": " + what);
      return true;
    };
    for (const char* list : {"initContainers", "containers"}) {
      const Node* const found = spec.find(list);
      for (size_t i = 0; found && i < found->items().size(); ++i) {
        const Node& container = found->items()[i];
        const std::string& name = container.text_of("name");
        if (name == kInit || name == kProxy)
          return taken(list, i, "a container is called " + name + ", as one of ours would be; remove or rename it");
        const Node* const ports = container.find("ports");
        for (size_t p = 0; ports && p < ports->items().size(); ++p)
          if (const std::string why = port_clash(ports->items()[p]); !why.empty())
            return taken(list, i, "container " + name + ": " + why);
      }
    }
    const Node* const volumes = spec.find("volumes");
    for (size_t i = 0; volumes && i < volumes->items().size(); ++i) {
      const std::string& name = volumes->items()[i].text_of("name");
      for (const char* ours : {kIdentityVolume, kStateVolume, kConfigVolume, kKeyVolume})
        if (name == ours) return taken("volumes", i, "a volume is called " + name + ", as one of ours would be; rename it");
    }
    return false;
  }

  std::string port_clash(const Node& port) const {
    const std::string &number = port.text_of("containerPort"), &protocol = port.text_of("protocol");
    for (const auto& [ours, kind] : own_ports(wishes_))
      if (number == std::to_string(ours) && (protocol.empty() ? "TCP" : protocol) == kind)
        return "port " + number + " is the sidecar's; have it listen elsewhere";
    return {};
  }

  bool shares_processes() const { return !wishes_.native_sidecar && workload_.ends; }

  void add(const std::string& path, Node value) { plan_.operations.push_back({Operation::Kind::Add, path, std::move(value)}); }

  void annotations() {
    Node ours = Node::map({{kInjected, Node::text(settings_.version)}});
    const auto scrape = [&](const char* key) { return workload_.annotation(key); };
    if (!scrape(kScrape) && !scrape(kScrapePort) && !scrape(kScrapePath)) {
      ours.put(kScrape, Node::text("true"));
      ours.put(kScrapePort, Node::text("15020"));
      ours.put(kScrapePath, Node::text("/metrics"));
    } else {
      plan_.warnings.push_back(
          "its prometheus.io annotations stay: the sidecar's own metrics are at port 15020, /metrics (a PodMonitor finds both)");
    }
    // An emptyDir keeps the autoscaler from emptying a node; what is in this one may go.
    if (!workload_.annotation(kEvictable)) ours.put(kEvictable, Node::text(kStateVolume));
    const std::string metadata = workload_.pod + "/metadata";
    const Node* const there = workload_.metadata ? workload_.metadata->find("annotations") : nullptr;
    if (!workload_.metadata || !workload_.metadata->is_map()) return add(metadata, Node::map({{"annotations", std::move(ours)}}));
    if (!there || !there->is_map()) return add(metadata + "/annotations", std::move(ours));
    for (Node::Entry& entry : ours.entries()) add(metadata + "/annotations/" + pointer_part(entry.key), std::move(entry.value));
  }

  void containers(const std::string& originals, std::vector<Operation>& probes) {
    const std::string at = workload_.pod + "/spec/";
    // Theirs first: what is put before them would change their numbers.
    for (Operation& each : probes) plan_.operations.push_back(std::move(each));
    std::vector<Node> init;
    if (wishes_.capture != "none") init.push_back(init_container(wishes_));
    Node proxy = proxy_container(wishes_, settings_, workload_, originals);
    if (wishes_.native_sidecar) init.push_back(std::move(proxy));
    else add(at + "containers/0", std::move(proxy));
    const Node* const there = workload_.spec->find("initContainers");
    const bool some = there && there->is_list();
    if (!some && !init.empty()) add(at + "initContainers", Node::list(std::move(init)));
    // First, so that those behind are in the mesh. In the old way they would find their traffic captured and no proxy
    // yet: it is captured once they are done.
    else if (some)
      for (size_t i = 0; i < init.size(); ++i)
        add(at + "initContainers/" + (wishes_.native_sidecar ? std::to_string(i) : "-"), std::move(init[i]));
    if (some && !there->items().empty() && !wishes_.native_sidecar)
      plan_.warnings.push_back(
          "its own init containers run before its traffic is captured, outside the mesh (they are inside with a native sidecar)");
    if (shares_processes() && workload_.spec->text_of("shareProcessNamespace") != "true")
      add(at + "shareProcessNamespace", Node::boolean(true));
  }

  void volumes() {
    const std::string at = workload_.pod + "/spec/volumes";
    const Node* const there = workload_.spec->find("volumes");
    std::vector<Node> ours = volumes_of(wishes_, settings_);
    if (!there || !there->is_list()) return add(at, Node::list(std::move(ours)));
    for (Node& volume : ours) add(at + "/-", std::move(volume));
  }

  void warn() {
    if (wishes_.service.empty() && wishes_.config_map.empty())
      plan_.warnings.push_back(
          "its containers name no port: it calls others and is not registered (outrider.dev/port makes it a service)");
    const std::string& grace = workload_.spec->text_of("terminationGracePeriodSeconds");
    const uint64_t seconds = parse_number(grace).value_or(30);
    if (wishes_.drain_seconds && wishes_.drain_seconds + kDrainDelay > seconds)
      plan_.warnings.push_back("outrider.dev/drain-seconds is " + std::to_string(wishes_.drain_seconds) + ", and " +
                               std::to_string(kDrainDelay) + " s pass before it begins, but the pod is ended after " +
                               "terminationGracePeriodSeconds: " + std::to_string(seconds));
    if (wishes_.capture == "none") return;
    const auto as_us = [](const Node& of) {
      const Node* const user = of.find({"securityContext", "runAsUser"});
      return user && user->text() == kUsualUid;
    };
    for (const Node& container : workload_.spec->find("containers")->items())
      if (as_us(container) || (as_us(*workload_.spec) && !container.find({"securityContext", "runAsUser"})))
        plan_.warnings.push_back("container " + container.text_of("name") +
                                 " runs as user 1337, as the sidecar does: what it calls is not captured");
  }

  const Workload& workload_;
  const Settings& settings_;
  const Wishes wishes_;
  Plan plan_;
};

// One plan_removal(). What is ours goes by its name; a list or a map that has nothing else goes with it.
class Removing {
 public:
  explicit Removing(const Workload& workload) : workload_(workload) {}

  std::vector<Operation> run() {
    const Node* const proxy = proxy_of();
    if (proxy) restore_probes(*proxy);
    const auto named = [](std::initializer_list<std::string_view> names) {
      return [names](const Node& item) { return std::find(names.begin(), names.end(), item.text_of("name")) != names.end(); };
    };
    items("containers", named({kInit, kProxy}));
    items("initContainers", named({kInit, kProxy}));
    items("volumes", named({kIdentityVolume, kStateVolume, kConfigVolume, kKeyVolume}));
    if (proxy && says(*proxy, "OUTRIDER_LIFECYCLE__EXIT_WITH") && workload_.spec->text_of("shareProcessNamespace") == "true")
      remove(workload_.pod + "/spec/shareProcessNamespace");
    annotations();
    return std::move(operations_);
  }

 private:
  void remove(std::string path) { operations_.push_back({Operation::Kind::Remove, std::move(path), {}}); }

  const Node* proxy_of() const {
    for (const char* list : {"initContainers", "containers"})
      if (const Node* found = workload_.spec->find(list))
        for (const Node& container : found->items())
          if (container.text_of("name") == kProxy) return &container;
    return nullptr;
  }

  static const Node* says(const Node& proxy, std::string_view name) {
    if (const Node* env = proxy.find("env"))
      for (const Node& each : env->items())
        if (each.text_of("name") == name) return each.find("value");
    return nullptr;
  }

  void restore_probes(const Node& proxy) {
    const Node* const value = says(proxy, "OUTRIDER_ADMIN__PROBES");
    if (value) operations_ = original_probes(workload_, read_json(unescaped(value->text())));
  }

  template <class F>
  void items(const char* key, F&& ours) {
    const Node* const list = workload_.spec->find(key);
    if (!list || !list->is_list()) return;
    const std::string at = workload_.pod + "/spec/" + key;
    const size_t count = size_t(std::count_if(list->items().begin(), list->items().end(), ours));
    if (count && count == list->items().size()) return remove(at);
    for (size_t i = list->items().size(); i-- > 0;)
      if (ours(list->items()[i])) remove(at + "/" + std::to_string(i));
  }

  void annotations() {
    const Node* const there = workload_.metadata ? workload_.metadata->find("annotations") : nullptr;
    if (!there) return;
    std::vector<std::string> keys;
    const auto have = [&](const char* key, std::string_view value = {}) {
      const Node* const found = there->find(key);
      return found && (value.empty() || found->text() == value);
    };
    for (const char* key : {kInjected, kRestore})
      if (have(key)) keys.emplace_back(key);
    if (have(kEvictable, kStateVolume)) keys.emplace_back(kEvictable);
    if (have(kScrapePort, "15020"))
      for (const char* key : {kScrape, kScrapePort, kScrapePath})
        if (have(key)) keys.emplace_back(key);
    const std::string metadata = workload_.pod + "/metadata";
    if (keys.empty()) return;
    if (keys.size() < there->entries().size())
      for (const std::string& key : keys) remove(metadata + "/annotations/" + pointer_part(key));
    else remove(workload_.metadata->entries().size() == 1 ? metadata : metadata + "/annotations");
  }

  const Workload& workload_;
  std::vector<Operation> operations_;
};

}  // namespace

Plan plan_injection(const Node& object, const Settings& settings) {
  Plan plan;
  std::string wrong;
  const auto workload = workload_of(object, wrong);
  if (workload) return Planning(object, *workload, settings).run();
  if (!wrong.empty()) {
    plan.verdict = Plan::Verdict::Refused;
    plan.reason = wrong;
  }
  return plan;
}

Plan plan_removal(const Node& object) {
  Plan plan;
  std::string wrong;
  const auto workload = workload_of(object, wrong);
  if (!workload) return plan;
  plan.operations = Removing(*workload).run();
  plan.verdict = plan.operations.empty() ? Plan::Verdict::Already : Plan::Verdict::Change;
  return plan;
}

}  // namespace outrider::inject
