#include "inject/workload.h"

#include "inject/plan.h"

namespace outrider::inject {

namespace {

struct Kind {
  std::string_view name;
  std::string_view group;  // of apiVersion: "" is core
  std::string_view pod;
};

constexpr Kind kKinds[] = {
    {"Pod", "", ""},
    {"PodTemplate", "", "/template"},
    {"ReplicationController", "", "/spec/template"},
    {"Deployment", "apps", "/spec/template"},
    {"Deployment", "extensions", "/spec/template"},
    {"StatefulSet", "apps", "/spec/template"},
    {"DaemonSet", "apps", "/spec/template"},
    {"DaemonSet", "extensions", "/spec/template"},
    {"ReplicaSet", "apps", "/spec/template"},
    {"ReplicaSet", "extensions", "/spec/template"},
    {"Job", "batch", "/spec/template"},
    {"CronJob", "batch", "/spec/jobTemplate/spec/template"},
};

std::string_view group_of(std::string_view api_version) {
  const size_t slash = api_version.find('/');
  return slash == api_version.npos ? std::string_view() : api_version.substr(0, slash);
}

const Node* first_owner(const Node& object) {
  const Node* owners = object.find({"metadata", "ownerReferences"});
  return owners && owners->is_list() && !owners->items().empty() ? &owners->items().front() : nullptr;
}

}  // namespace

const Node* Workload::annotation(std::string_view name) const {
  return metadata ? metadata->find({"annotations", name}) : nullptr;
}

const Node* Workload::label(std::string_view name) const { return metadata ? metadata->find({"labels", name}) : nullptr; }

std::optional<Workload> workload_of(const Node& object, std::string& wrong) {
  const std::string &kind = object.text_of("kind"), &version = object.text_of("apiVersion");
  for (const Kind& each : kKinds) {
    if (kind != each.name || group_of(version) != each.group || version.empty()) continue;
    const Node* const pod = resolve(object, each.pod);
    Workload workload{kind, std::string(each.pod)};
    if (pod) {
      workload.metadata = pod->find("metadata");
      workload.spec = pod->find("spec");
    }
    const Node* const containers = workload.spec ? workload.spec->find("containers") : nullptr;
    if (!containers || !containers->is_list() || containers->items().empty()) {
      wrong = std::string(each.pod) + "/spec/containers: there are none";
      return {};
    }
    const Node* const owner = each.pod.empty() ? first_owner(object) : nullptr;
    workload.ends = kind == "Job" || kind == "CronJob" || (owner && owner->text_of("kind") == "Job");
    return workload;
  }
  return {};
}

std::string owner_of(const Node& object) {
  const Node* const metadata = object.find("metadata");
  if (!metadata) return {};
  if (object.text_of("kind") != "Pod") return metadata->text_of("name");
  std::string name = metadata->text_of("name");
  if (const Node* owner = first_owner(object)) {
    name = owner->text_of("name");
    const Node* const hash = metadata->find({"labels", "pod-template-hash"});
    if (hash && owner->text_of("kind") == "ReplicaSet" && name.ends_with("-" + hash->text()))
      name.resize(name.size() - hash->text().size() - 1);
  }
  if (name.empty()) name = metadata->text_of("generateName");
  while (name.ends_with('-')) name.pop_back();
  return name;
}

std::string name_of(const Node& object, const std::string& namespace_name) {
  const Node* const metadata = object.find("metadata");
  std::string name = metadata ? metadata->text_of("name") : "", space = metadata ? metadata->text_of("namespace") : "";
  if (name.empty() && metadata && !metadata->text_of("generateName").empty()) name = metadata->text_of("generateName") + "*";
  if (space.empty()) space = namespace_name;
  const std::string& kind = object.text_of("kind");
  return (kind.empty() ? "object" : kind) + " " + (space.empty() ? "" : space + "/") + (name.empty() ? "(no name)" : name);
}

std::string name_of(const Node& object) { return name_of(object, ""); }

std::vector<std::string> items_of(const Node& root) {
  const Node* const items = root.find("items");
  if (!root.text_of("kind").ends_with("List") || !items || !items->is_list()) return {""};
  std::vector<std::string> paths;
  for (size_t i = 0; i < items->items().size(); ++i) paths.push_back("/items/" + std::to_string(i));
  return paths;
}

}  // namespace outrider::inject
