#pragma once
// Where in an object the pods are, and what it is called.

#include <optional>
#include <string>
#include <string_view>

#include "inject/tree.h"

namespace outrider::inject {

inline constexpr std::string_view kPrefix = "outrider.dev/";
inline constexpr const char* kInjected = "outrider.dev/injected";  // an annotation: the version that did it
inline constexpr const char* kRestore = "outrider.dev/restore";    // likewise: what `uninject` needs (stream.cc)
inline constexpr const char *kInit = "outrider-init", *kProxy = "outrider-proxy";

// Points into the object it was made of.
struct Workload {
  std::string kind;
  std::string pod;                 // pointer to what has `metadata` and `spec`: "" or "/spec/template"
  const Node* metadata = nullptr;  // of the pod; null: there is none
  const Node* spec = nullptr;
  bool ends = false;  // a Job's: its pods end with their containers

  const Node* annotation(std::string_view name) const;
  const Node* label(std::string_view name) const;
};

// Nothing: it is no workload that Kubernetes itself runs. `wrong`: it is one without a pod's spec in it.
std::optional<Workload> workload_of(const Node& object, std::string& wrong);
// What runs there, without what was added for one of its pods ("web" of "web-5d8f7c-x2v9k"); may be empty.
std::string owner_of(const Node& object);
std::string name_of(const Node& object, const std::string& namespace_name);  // "Deployment shop/web"

}  // namespace outrider::inject
