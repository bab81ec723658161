#include "filters/inject/review.h"

#include <algorithm>

#include "base/base64.h"
#include "base/text.h"

namespace outrider::filters {

namespace {

using inject::Node;

constexpr size_t kWarning = 256, kAllWarnings = 4096;  // characters
constexpr uint16_t kForbidden = 403;

bool is_continuation(char byte) { return (uint8_t(byte) & 0xc0) == 0x80; }

size_t characters(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

// The first so many characters of well-formed UTF-8.
std::string_view first(std::string_view text, size_t count) {
  size_t at = 0;
  for (; at < text.size(); ++at)
    if (!is_continuation(text[at]) && count-- == 0) break;
  return text.substr(0, at);
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, utf8_prefix(text)));
  for (char& c : line)
    if (uint8_t(c) < 0x20 || c == 0x7f) c = ' ';
  return line;
}

std::string text_at(const Node& node, std::initializer_list<std::string_view> path) {
  const Node* const found = node.find(path);
  return found && found->is_text() ? found->text() : std::string();
}

identity::Failure malformed(const std::string& why) { return {"this is no AdmissionReview: " + why}; }

}  // namespace

identity::Outcome<Review> read_review(std::string_view text, const WireLimits& limits) {
  auto root = read_wire_json(text, limits);
  if (!root) return malformed(root.why());
  Review review;
  review.api_version = text_at(*root, {"apiVersion"});
  if (text_at(*root, {"kind"}) != "AdmissionReview") return malformed("its kind is another");
  if (review.api_version != "admission.k8s.io/v1" && review.api_version != "admission.k8s.io/v1beta1")
    return malformed("apiVersion is neither admission.k8s.io/v1 nor admission.k8s.io/v1beta1");
  const Node* const request = root->find("request");
  if (!request || !request->is_map()) return malformed("it has no request");
  review.uid = text_at(*request, {"uid"});
  review.operation = text_at(*request, {"operation"});
  if (review.uid.empty() || review.operation.empty()) return malformed("its request lacks uid or operation");
  review.group = text_at(*request, {"kind", "group"});
  review.kind = text_at(*request, {"kind", "kind"});
  review.sub_resource = text_at(*request, {"subResource"});
  review.name_space = text_at(*request, {"namespace"});
  review.dry_run = request->text_of("dryRun") == "true";
  if (const Node* const object = request->find("object")) review.object = *object;
  if (review.is_new_pod() && !review.object.is_map()) return malformed("its request creates a pod that is not there");
  if (review.is_new_pod() && review.object.text_of("kind").empty()) {  // the request has said what it is
    review.object.put("apiVersion", Node::text("v1"));
    review.object.put("kind", Node::text("Pod"));
  }
  review.name = text_at(*request, {"name"});
  if (review.name.empty()) review.name = text_at(review.object, {"metadata", "name"});
  if (const auto start = text_at(review.object, {"metadata", "generateName"}); review.name.empty() && !start.empty())
    review.name = start + "*";
  return review;
}

std::vector<std::string> presentable(const std::vector<std::string>& warnings) {
  std::vector<std::string> out;
  size_t left = kAllWarnings;
  for (const std::string& warning : warnings) {
    std::string line = one_line(warning);
    if (characters(line) > kWarning) line = std::string(first(line, kWarning - 3)) + "...";
    const size_t size = characters(line);
    if (size == 0 || size > left) continue;
    left -= size;
    out.push_back(std::move(line));
  }
  return out;
}

std::string answer_to(const Review& review, const Judgement& judgement) {
  std::string out = R"({"apiVersion":)";
  append_json(out, review.api_version);
  out += R"(,"kind":"AdmissionReview","response":{"uid":)";
  append_json(out, review.uid);
  out += judgement.allowed ? R"(,"allowed":true)" : R"(,"allowed":false)";
  if (!judgement.allowed) {
    out += R"(,"status":{"status":"Failure","reason":"Forbidden","code":)" + std::to_string(kForbidden) + R"(,"message":)";
    append_json(out, judgement.message);
    out += '}';
  }
  const auto warnings = presentable(judgement.warnings);
  for (size_t i = 0; i < warnings.size(); ++i) {
    out += i == 0 ? R"(,"warnings":[)" : ",";
    append_json(out, warnings[i]);
  }
  if (!warnings.empty()) out += ']';
  if (judgement.allowed && !judgement.patch.empty())
    out += R"(,"patchType":"JSONPatch","patch":")" + encode_base64(judgement.patch, Base64::Padded) + '"';
  return out + "}}\n";
}

}  // namespace outrider::filters
