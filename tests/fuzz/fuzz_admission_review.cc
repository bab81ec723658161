// What somebody sends an admission webhook. Whatever it is: a tree within its limits or a reason, and what is made of a tree is
// JSON that reads back the same; an answer is JSON, and what an answer patches can be patched.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "filters/inject/review.h"
#include "inject/json.h"
#include "inject/plan.h"

namespace {

void must(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider;
  constexpr filters::WireLimits kLimits{.depth = 20, .values = 5000};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tree = filters::read_wire_json(text, kLimits);
  must(bool(tree) || !tree.why().empty());
  if (tree) {
    std::string written;
    inject::append_json(written, *tree);
    const auto again = filters::read_wire_json(written, kLimits);
    must(again && *again == *tree);
  }
  const auto review = filters::read_review(text, kLimits);
  if (!review) return must(!review.why().empty()), 0;
  filters::Judgement judgement;
  if (review->is_new_pod()) {
    inject::Settings settings;
    settings.version = "1";
    settings.namespace_name = review->name_space;
    const inject::Plan plan = inject::plan_injection(review->object, settings);
    judgement.warnings = plan.warnings;
    judgement.message = plan.reason;
    judgement.allowed = plan.verdict != inject::Plan::Verdict::Refused;
    if (plan.verdict == inject::Plan::Verdict::Change) {
      judgement.patch = inject::patch_json(plan.operations);
      must(bool(filters::read_wire_json(judgement.patch)));
      inject::Node object = review->object;
      std::string error;
      must(inject::apply(plan.operations, object, error));
    }
  }
  must(bool(filters::read_wire_json(filters::answer_to(*review, judgement))));
  return 0;
}
