// What an injection changes, and what it refuses.

#include "inject/plan.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "inject/json.h"
#include "inject/wishes.h"

namespace outrider::inject {

namespace {

Settings settings() {
  Settings settings;
  settings.version = "1.2.3";
  return settings;
}

Node pod(const std::string& metadata = "{name: web}", const std::string& more = "", const std::string& container = "") {
  const Parsed parsed =
      read_yaml("{apiVersion: v1, kind: Pod, metadata: " + metadata + ", spec: {" + more +
                " containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]" + container + "}]}}");
  EXPECT_EQ(parsed.error, "");
  return parsed.root;
}

Node with(const std::string& annotation, const std::string& value) {
  return pod("{name: web, annotations: {outrider.dev/" + annotation + ": '" + value + "'}}");
}

Node injected(const Node& object, const Settings& by = settings()) {
  const Plan plan = plan_injection(object, by);
  EXPECT_EQ(int(plan.verdict), int(Plan::Verdict::Change)) << plan.reason;
  Node after = object;
  std::string error;
  EXPECT_TRUE(apply(plan.operations, after, error)) << error;
  return after;
}

std::string variable(const Node& object, std::string_view name) {
  for (const char* list : {"/spec/initContainers", "/spec/containers"})
    if (const Node* found = resolve(object, list))
      for (const Node& container : found->items())
        if (const Node* env = container.text_of("name") == "outrider-proxy" ? container.find("env") : nullptr)
          for (const Node& each : env->items())
            if (each.text_of("name") == name) return each.text_of("value");
  return "(none)";
}

std::string arguments(const Node& object) {
  std::string out;
  for (const Node& each : resolve(object, "/spec/initContainers/0/args")->items()) out += each.text() + " ";
  return out;
}

std::string names(const Node& object, const char* list) {
  std::string out;
  if (const Node* found = resolve(object, list))
    for (const Node& each : found->items()) out += (out.empty() ? "" : " ") + each.text_of("name");
  return out;
}

struct Wrong {
  std::string annotation, value, expected;
};

class WrongValues : public testing::TestWithParam<Wrong> {};

TEST_P(WrongValues, AreRefusedWithPathAndReason) {
  const auto& [annotation, value, expected] = GetParam();
  const Plan plan = plan_injection(with(annotation, value), settings());
  EXPECT_EQ(int(plan.verdict), int(Plan::Verdict::Refused));
  EXPECT_TRUE(plan.operations.empty());
  EXPECT_TRUE(plan.reason.starts_with("/metadata/annotations/outrider.dev~1" + annotation + ": ")) << plan.reason;
  EXPECT_NE(plan.reason.find(expected), std::string::npos) << plan.reason;
}

INSTANTIATE_TEST_SUITE_P(
    Annotations, WrongValues,
    testing::Values(Wrong{"inject", "maybe", "\"true\" or \"false\", got \"maybe\""}, Wrong{"service", "My_App", "a-z"},
                    Wrong{"service", "-a", "a-z"}, Wrong{"port", "0", "port"}, Wrong{"port", "65536", "port"},
                    Wrong{"port", "https", "name of one"}, Wrong{"protocol", "udp", "one of auto, http"},
                    Wrong{"version", "a b", "letters"}, Wrong{"weight", "10001", "0 to 10000"},
                    Wrong{"weight", "-1", "0 to 10000"}, Wrong{"priority", "urgent", "high, normal, low"},
                    Wrong{"skip-inbound-ports", "80,x", "\"x\""}, Wrong{"skip-outbound-ports", "90-80", "no port"},
                    Wrong{"opaque-ports", "80-90", "no port"}, Wrong{"skip-outbound-cidrs", "10.0.0.0/33", "no network"},
                    Wrong{"skip-outbound-cidrs", "10.0.0.1/8", "no network"}, Wrong{"opaque-ports", "0", "no port"},
                    Wrong{"capture", "ebpf", "one of"}, Wrong{"dns-capture", "yes", "\"true\""},
                    Wrong{"rewrite-probes", "1", "\"true\""}, Wrong{"native-sidecar", "", "\"true\""},
                    Wrong{"drain-seconds", "0", "1 to 3600"}, Wrong{"drain-seconds", "30s", "1 to 3600"},
                    Wrong{"cpu-request", "10x", "quantity"}, Wrong{"cpu-limit", "1Gi", "quantity"},
                    Wrong{"memory-request", "32MB", "quantity"}, Wrong{"memory-limit", ".", "quantity"},
                    Wrong{"log-level", "loud", "one of debug"}, Wrong{"admin-port", "x", "a port"},
                    Wrong{"config-map", "A", "name of an object"}, Wrong{"image", "a b", "an image"},
                    Wrong{"identity-secret", "a/b", "name of an object"}, Wrong{"identity-csi", "", "name of an object"}));

struct Effect {
  std::string annotation, value, variable, expected;
};

class Effects : public testing::TestWithParam<Effect> {};

TEST_P(Effects, AreInTheEnvironment) {
  const auto& [annotation, value, name, expected] = GetParam();
  EXPECT_EQ(variable(injected(with(annotation, value)), name), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Annotations, Effects,
    testing::Values(Effect{"service", "cart", "OUTRIDER_SERVICE__NAME", "cart"},
                    Effect{"port", "http", "OUTRIDER_SERVICE__PORT", "8080"},
                    Effect{"port", "81", "OUTRIDER_SERVICE__PORT", "81"},
                    Effect{"protocol", "grpc", "OUTRIDER_SERVICE__PORTS", "[{port: 8080, protocol: grpc}]"},
                    Effect{"version", "v2", "OUTRIDER_SERVICE__VERSION", "v2"},
                    Effect{"weight", "0", "OUTRIDER_SERVICE__WEIGHT", "0"},
                    Effect{"priority", "low", "OUTRIDER_DEFAULTS__ROUTE__PRIORITY", "low"},
                    Effect{"opaque-ports", "25, 3306", "OUTRIDER_LISTENERS__OUTBOUND__DETECT__OPAQUE_PORTS", "[25,3306]"},
                    Effect{"opaque-ports", "25", "OUTRIDER_LISTENERS__INBOUND__DETECT__OPAQUE_PORTS", "[25]"},
                    Effect{"capture", "tproxy", "OUTRIDER_LISTENERS__INBOUND__TRANSPARENT", "tproxy"},
                    Effect{"drain-seconds", "20", "OUTRIDER_LIFECYCLE__DRAIN__TIME", "20s"},
                    Effect{"log-level", "debug", "OUTRIDER_TELEMETRY__LOG__LEVEL", "debug"},
                    Effect{"admin-port", "15100", "OUTRIDER_ADMIN__ADDRESS", "127.0.0.1:15100"},
                    Effect{"identity-secret", "mine", "OUTRIDER_IDENTITY__DIR", "/run/identity"},
                    Effect{"config-map", "mine", "OUTRIDER_SERVICE__NAME", "(none)"},
                    Effect{"config-map", "mine", "OUTRIDER_MODE", "(none)"}));

TEST(Injected, IsFirstOfTheInitContainers) {
  const Node object = pod("{name: web}", "initContainers: [{name: a}, {name: b}], volumes: [{name: v}],");
  const Node after = injected(object);
  EXPECT_EQ(names(after, "/spec/initContainers"), "outrider-init outrider-proxy a b");
  EXPECT_EQ(names(after, "/spec/containers"), "web");
  EXPECT_EQ(names(after, "/spec/volumes"), "v outrider-identity outrider-state");
  EXPECT_EQ(resolve(after, "/spec/initContainers/1/restartPolicy")->text(), "Always");
  EXPECT_EQ(resolve(after, "/metadata/annotations/outrider.dev~1injected")->text(), "1.2.3");
}

TEST(Injected, OldStyleIsTheFirstContainerAndCapturesLast) {
  Settings old = settings();
  old.native_sidecar = false;
  const Node after = injected(pod("{name: web}", "initContainers: [{name: a}],"), old);
  EXPECT_EQ(names(after, "/spec/initContainers"), "a outrider-init");
  EXPECT_EQ(names(after, "/spec/containers"), "outrider-proxy web");
  EXPECT_NE(resolve(after, "/spec/containers/0/lifecycle/postStart/exec/command"), nullptr);
  EXPECT_EQ(resolve(after, "/spec/containers/0/restartPolicy"), nullptr);
  EXPECT_EQ(resolve(after, "/spec/shareProcessNamespace"), nullptr);
}

TEST(Injected, OldStyleJobsEndWithTheirApp) {
  Settings old = settings();
  old.native_sidecar = false;
  const Node job =
      read_yaml("{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {containers: [{name: a}]}}}}")
          .root;
  const Plan plan = plan_injection(job, old);
  Node after = job;
  std::string error;
  ASSERT_TRUE(apply(plan.operations, after, error)) << error;
  EXPECT_EQ(resolve(after, "/spec/template/spec/shareProcessNamespace")->text(), "true");
  EXPECT_NE(patch_json(plan.operations).find("OUTRIDER_LIFECYCLE__EXIT_WITH"), std::string::npos);
  EXPECT_EQ(patch_json(plan_injection(job, settings()).operations).find("EXIT_WITH"), std::string::npos);
}

TEST(Injected, IsCalledByLabelsOrByItsOwner) {
  EXPECT_EQ(variable(injected(pod("{name: web-0, labels: {app: a, app.kubernetes.io/name: b}}")), "OUTRIDER_SERVICE__NAME"), "b");
  EXPECT_EQ(variable(injected(pod("{name: web-0, labels: {app: a}}")), "OUTRIDER_SERVICE__NAME"), "a");
  EXPECT_EQ(variable(injected(pod("{name: web.v1, labels: {app: Not_One}}")), "OUTRIDER_SERVICE__NAME"), "web-v1");
  EXPECT_EQ(
      variable(
          injected(pod(
              "{generateName: web-5d-, labels: {pod-template-hash: 5d}, ownerReferences: [{kind: ReplicaSet, name: web-5d}]}")),
          "OUTRIDER_SERVICE__NAME"),
      "web");
  EXPECT_EQ(variable(injected(pod("{generateName: db-}")), "OUTRIDER_SERVICE__NAME"), "db");
  EXPECT_EQ(int(plan_injection(pod("{}"), settings()).verdict), int(Plan::Verdict::Refused));
}

TEST(Injected, WithoutAPortCallsOthersAlone) {
  const Node object =
      read_yaml(
          "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, ports: [{containerPort: 53, protocol: UDP}]}]}}")
          .root;
  const Plan plan = plan_injection(object, settings());
  EXPECT_EQ(plan.warnings.size(), 1u);
  const Node after = injected(object);
  EXPECT_EQ(variable(after, "OUTRIDER_SERVICE__NAME"), "(none)");
  EXPECT_EQ(variable(after, "OUTRIDER_MODE"), "sidecar");
  EXPECT_NE(arguments(after).find("--inbound=off"), std::string::npos);
}

TEST(Injected, ProbesGoThroughTheSidecar) {
  const Node after = injected(pod(
      "{name: web}", "",
      ", livenessProbe: {httpGet: {path: /live, port: http, scheme: HTTPS, httpHeaders: [{name: a, value: $(B)}]}, timeoutSeconds: 2}"
      ", readinessProbe: {tcpSocket: {port: 81}, periodSeconds: 3}, startupProbe: {exec: {command: [a]}}"
      ", lifecycle: {preStop: {httpGet: {port: 82}}}"));
  EXPECT_EQ(resolve(after, "/spec/containers/0/livenessProbe/httpGet/path")->text(), "/probe/web/liveness");
  EXPECT_EQ(resolve(after, "/spec/containers/0/livenessProbe/httpGet/scheme"), nullptr);
  EXPECT_EQ(resolve(after, "/spec/containers/0/livenessProbe/timeoutSeconds")->text(), "2");
  EXPECT_EQ(resolve(after, "/spec/containers/0/readinessProbe/httpGet/port")->text(), "15021");
  EXPECT_EQ(resolve(after, "/spec/containers/0/readinessProbe/tcpSocket"), nullptr);
  EXPECT_EQ(resolve(after, "/spec/containers/0/lifecycle/preStop/httpGet/path")->text(), "/probe/web/pre_stop");
  EXPECT_EQ(
      variable(after, "OUTRIDER_ADMIN__PROBES"),
      R"x({"web":{"liveness":{"http":{"path":"/live","port":8080,"scheme":"https","headers":{"a":"$$(B)"}},"timeout":"2s"},)x"
      R"x("readiness":{"tcp":{"port":81},"timeout":"1s"},"pre_stop":{"http":{"path":"/","port":82,"scheme":"http"},"timeout":"30s"}}})x");
  const Plan unknown = plan_injection(pod("{name: web}", "", ", livenessProbe: {httpGet: {port: nope}}"), settings());
  EXPECT_NE(unknown.reason.find("/spec/containers/0/livenessProbe/httpGet/port: \"nope\""), std::string::npos) << unknown.reason;
}

TEST(Injected, FlagsReachEverySidecarAndAnnotationsComeFirst) {
  Settings by = settings();
  by.bootstrap = "seed:4222";
  by.set = {{"telemetry.log.level", "warn"}, {"service.name", "other"}};
  by.native_sidecar = false;
  const Node after = injected(with("native-sidecar", "true"), by);
  EXPECT_EQ(names(after, "/spec/initContainers"), "outrider-init outrider-proxy");
  EXPECT_EQ(variable(after, "OUTRIDER_REGISTRY__BOOTSTRAP"), "seed:4222");
  EXPECT_EQ(variable(after, "OUTRIDER_TELEMETRY__LOG__LEVEL"), "warn");
  EXPECT_EQ(variable(after, "OUTRIDER_SERVICE__NAME"), "other");
}

TEST(Injected, WhatIsNotCapturedIsSaidToTheRules) {
  const Node after =
      injected(pod("{name: a, annotations: {outrider.dev/skip-inbound-ports: '9000, 9100 - 9200,9000', "
                   "outrider.dev/skip-outbound-ports: '25', outrider.dev/skip-outbound-cidrs: '10.0.0.0/8, fd00::/8', "
                   "outrider.dev/capture: tproxy, outrider.dev/dns-capture: 'false'}}"));
  EXPECT_EQ(arguments(after),
            "capture apply --inbound=15006 --outbound=15001 --uid=1337 --gid=1337 --skip-inbound=15020,15021,9000,9100-9200 "
            "--skip-outbound=25 --skip-cidrs=10.0.0.0/8,fd00::/8 --mode=tproxy ");
  const Node none = injected(with("capture", "none"));
  EXPECT_EQ(names(none, "/spec/initContainers"), "outrider-proxy");
}

TEST(Injected, HasTheIdentityOfItsAccount) {
  Settings by = settings();
  by.identity_secret = "identity-of-{account}";
  EXPECT_EQ(resolve(injected(pod("{name: a}", "serviceAccountName: shop,"), by), "/spec/volumes/0/secret/secretName")->text(),
            "identity-of-shop");
  const Node after = injected(pod("{name: a}"), by);
  EXPECT_EQ(resolve(after, "/spec/volumes/0/secret/secretName")->text(), "identity-of-default");
  EXPECT_EQ(resolve(after, "/spec/volumes/0/secret/optional"), nullptr);
  EXPECT_EQ(resolve(injected(pod("{name: a}")), "/spec/volumes/0/secret/optional")->text(), "true");
}

TEST(Annotations, AreThoseOfTheReadme) {
  std::ifstream file(OUTRIDER_SOURCE_DIR "/proxy/inject/README.md");
  std::set<std::string> written, known;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| `outrider.dev/")) written.insert(line);
  for (const Annotation& each : all_annotations())
    known.insert("| `outrider.dev/" + std::string(each.name) + "` | " + std::string(each.values) + " | " +
                 std::string(each.about) + " |");
  EXPECT_EQ(written, known);
}

TEST(NotInjected, WhoSaysNoOrWasBefore) {
  EXPECT_EQ(int(plan_injection(pod("{name: a, labels: {outrider.dev/inject: 'false'}}"), settings()).verdict),
            int(Plan::Verdict::Skipped));
  const Plan before = plan_injection(pod("{name: a, annotations: {outrider.dev/injected: 1.0.0}}"), settings());
  EXPECT_EQ(int(before.verdict), int(Plan::Verdict::Already));
  EXPECT_NE(before.reason.find("1.0.0"), std::string::npos);
  Settings asked = settings();
  asked.inject_unless_told = false;
  EXPECT_EQ(int(plan_injection(pod(), asked).verdict), int(Plan::Verdict::Skipped));
  EXPECT_EQ(int(plan_injection(pod("{name: a, labels: {outrider.dev/inject: 'true'}}"), asked).verdict),
            int(Plan::Verdict::Change));
  EXPECT_EQ(int(plan_injection(injected(pod()), settings()).verdict), int(Plan::Verdict::Already));
}

TEST(NotInjected, WhatCannotBe) {
  Settings old = settings();
  old.native_sidecar = false;
  const auto reason = [](const Node& object, const Settings& by = settings()) {
    const Plan plan = plan_injection(object, by);
    EXPECT_EQ(int(plan.verdict), int(Plan::Verdict::Refused));
    return plan.reason;
  };
  EXPECT_NE(reason(pod("{name: a}", "hostNetwork: true,")).find("/spec/hostNetwork"), std::string::npos);
  EXPECT_NE(reason(pod("{name: a}", "os: {name: windows},")).find("/spec/os/name"), std::string::npos);
  EXPECT_NE(reason(pod("{name: a}", "initContainers: [{name: outrider-init}],")).find("/spec/initContainers/0"),
            std::string::npos);
  EXPECT_NE(reason(pod("{name: a}", "volumes: [{name: x}, {name: outrider-state}],")).find("/spec/volumes/1"), std::string::npos);
  for (const char* port : {"15021", "15000", "15001", "15006", "15020", "15053"})
    EXPECT_NE(
        reason(pod("{name: a}", "initContainers: [{name: i, ports: [{containerPort: " + std::string(port) + "}]}],")).find(port),
        std::string::npos);
  EXPECT_EQ(
      int(plan_injection(pod("{name: a}", "initContainers: [{name: i, ports: [{containerPort: 4222}]}],"), settings()).verdict),
      int(Plan::Verdict::Change));
  const auto job = [](const char* more) {
    return read_yaml("{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {" + std::string(more) +
                     ", containers: [{name: a}]}}}}")
        .root;
  };
  EXPECT_NE(reason(job("shareProcessNamespace: false"), old).find("shareProcessNamespace"), std::string::npos);
  EXPECT_NE(reason(job("hostPID: true"), old).find("hostPID"), std::string::npos);
  EXPECT_NE(reason(read_yaml("{apiVersion: apps/v1, kind: Deployment, metadata: {name: j}}").root).find("containers"),
            std::string::npos);
}

TEST(Warned, OfWhatNobodyReadsOrMayNotExpect) {
  const auto warning = [](const Node& object, const std::string& of) {
    const Plan plan = plan_injection(object, settings());
    for (const std::string& each : plan.warnings)
      if (each.find(of) != std::string::npos) return true;
    return false;
  };
  EXPECT_TRUE(warning(with("skip-outbound-port", "25"), "did you mean outrider.dev/skip-outbound-ports?"));
  EXPECT_TRUE(warning(pod("{name: a, labels: {outrider.dev/port: '80'}}"), "as an annotation"));
  EXPECT_TRUE(warning(pod("{name: a, annotations: {prometheus.io/scrape: 'true'}}"), "15020"));
  EXPECT_TRUE(warning(pod("{name: a}", "", ", livenessProbe: {tcpSocket: {port: 80, host: db}}"), "db is not asked"));
  EXPECT_TRUE(warning(with("drain-seconds", "30"), "terminationGracePeriodSeconds"));
  EXPECT_TRUE(warning(pod("{name: a}", "securityContext: {runAsUser: 1337},"), "1337"));
  const Node deployment =
      read_yaml(
          "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, annotations: {outrider.dev/port: '80'}}, spec: {template: {spec: {containers: [{name: a}]}}}}")
          .root;
  EXPECT_TRUE(warning(deployment, "/spec/template/metadata/annotations"));
}

TEST(Removed, ByNamesIsWhatWasThereBefore) {
  for (const std::string more : {"", "initContainers: [{name: a}], volumes: [{name: v}],"}) {
    const Node object =
        pod("{name: web, labels: {app: web}}", more,
            ", livenessProbe: {httpGet: {path: /live, port: 80, scheme: HTTPS, httpHeaders: [{name: a, value: $(B) $$}]}}"
            ", readinessProbe: {grpc: {port: 81}}, startupProbe: {tcpSocket: {port: 82}}");
    for (const bool native : {true, false}) {
      Settings by = settings();
      by.native_sidecar = native;
      Node after = injected(object, by);
      const Plan plan = plan_removal(after);
      std::string error;
      ASSERT_TRUE(apply(plan.operations, after, error)) << error;
      std::string text;
      append_json(text, after);
      EXPECT_TRUE(after == object) << text;
    }
  }
  EXPECT_EQ(int(plan_removal(pod()).verdict), int(Plan::Verdict::Already));
}

TEST(Patches, EscapeAndRefuse) {
  EXPECT_EQ(patch_json({{Operation::Kind::Add, "/a~1b", Node::text("x\"")}, {Operation::Kind::Remove, "/c", {}}}),
            R"([{"op":"add","path":"/a~1b","value":"x\""},{"op":"remove","path":"/c"}])");
  Node object = read_json(R"({"a/b":1,"l":[1,2],"~":{}})");
  std::string error;
  EXPECT_TRUE(apply({{Operation::Kind::Replace, "/a~1b", Node::number(2)},
                     {Operation::Kind::Add, "/l/1", Node::number(9)},
                     {Operation::Kind::Add, "/~0/x", Node()}},
                    object, error))
      << error;
  EXPECT_TRUE(object == read_json(R"({"a/b":2,"l":[1,9,2],"~":{"x":null}})"));
  for (const auto& [kind, path] : {std::pair{Operation::Kind::Replace, "/none"},
                                   {Operation::Kind::Remove, "/l/3"},
                                   {Operation::Kind::Add, "/l/4"},
                                   {Operation::Kind::Add, "/x/y"},
                                   {Operation::Kind::Add, "/a~1b/c"},
                                   {Operation::Kind::Remove, ""}})
    EXPECT_FALSE(apply({{kind, path, Node()}}, object, error)) << path;
}

}  // namespace

}  // namespace outrider::inject
