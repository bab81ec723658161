#pragma once
// What the API server asks an admission webhook, and what it is told (admission.k8s.io v1 and v1beta1, which look alike).

#include <string>
#include <string_view>
#include <vector>

#include "filters/inject/wire_json.h"

namespace outrider::filters {

// One AdmissionReview with a request. A value.
struct Review {
  std::string api_version;  // the answer is of the same
  std::string uid;
  std::string operation;     // CREATE, UPDATE, DELETE, CONNECT
  std::string group, kind;   // of the object; the core group is ""
  std::string sub_resource;  // "": the object itself
  std::string name_space;    // of the request: the object may lack it
  std::string name;          // of the object, else what one will be made of: "web-*"
  bool dry_run = false;
  inject::Node object;  // null where there is none
  bool is_new_pod() const { return operation == "CREATE" && group.empty() && kind == "Pod" && sub_resource.empty(); }
};

// The reason is for whoever configured the webhook. A new pod is there as a map.
identity::Outcome<Review> read_review(std::string_view text, const WireLimits& limits = {});

// What is said of one.
struct Judgement {
  bool allowed = true;
  std::string patch;                  // JSON Patch; empty: it stays as it is
  std::vector<std::string> warnings;  // for whoever made the object
  std::string message;                // why not, where it is not allowed
};

// The API server takes 256 characters of each warning and 4096 of all; what is beyond that, and what no header could carry, is
// left out here.
std::string answer_to(const Review& review, const Judgement& judgement);
std::vector<std::string> presentable(const std::vector<std::string>& warnings);

}  // namespace outrider::filters
