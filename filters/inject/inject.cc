// A Kubernetes admission webhook that injects the sidecar: `outrider webhook` is a proxy with this in it. It answers itself.
//   inject: {version: "1.0", image: "outrider:1.0", bootstrap: "seed.mesh:4222", failure: ignore, max_body: 3MiB}

#include <atomic>
#include <utility>

#include "base/log.h"
#include "base/pace.h"
#include "base/tally.h"
#include "base/text.h"
#include "filter/options.h"
#include "filters/inject/review.h"
#include "filters/inject/settings.h"
#include "inject/json.h"
#include "inject/plan.h"

namespace outrider::filters {

namespace {

using filter::Verdict;
using http::HeaderId;
using inject::Plan;

constexpr const char* kName = "inject";
constexpr size_t kMostBody = size_t(64) << 20, kMostHeld = size_t(1) << 30;
constexpr uint32_t kLines = 50;  // of the log, a second

struct InjectSettings {
  inject::Settings plan;
  bool fail = false;  // what cannot be injected is not admitted
  size_t max_body = size_t(3) << 20, max_held = size_t(64) << 20;
};

// What has come of one review. The text is the filter's, and gone with on_complete().
struct Arrived {
  std::string* text = nullptr;
  uint32_t held = 0;
};

// How a verdict is counted, and called in the log.
const char* action_of(Plan::Verdict verdict, bool fail) {
  switch (verdict) {
    case Plan::Verdict::Change: return "patched";
    case Plan::Verdict::Already: return "already";
    case Plan::Verdict::Skipped: return "skipped";
    case Plan::Verdict::Refused: return fail ? "denied" : "refused";
    case Plan::Verdict::Foreign: break;
  }
  return "untouched";
}

// Owned by the chains that use it; const but for what all workers hold together, and how much they have said.
class Inject final : public filter::Filter {
 public:
  explicit Inject(InjectSettings settings) : settings_(std::move(settings)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead | filter::Hook::Complete; }

  Verdict on_request(filter::Call& call) const override {
    const http::RequestHead& request = call.request();
    if (request.method != http::Method::Post) {
      call.response().headers.set("Allow", "POST");
      return refuse(call, 405, "method_not_allowed", "A review is sent by POST.\n");
    }
    std::string_view type = request.headers.value(HeaderId::ContentType);
    if (!equals_ignore_case(trim(next_part(type, ';')), "application/json"))
      return refuse(call, 415, "content_type", "A review is application/json.\n");
    if (const auto coding = request.headers.value(HeaderId::ContentEncoding); !coding.empty() && coding != "identity")
      return refuse(call, 415, "content_encoding", "A review is sent as it is.\n");
    const auto length = parse_number(request.headers.value(HeaderId::ContentLength));
    return length && *length > settings_.max_body ? refuse_body(call) : Verdict::Collect;
  }

  Verdict on_collect(filter::Call& call, Buffer& data, bool end) const override {
    Arrived& arrived = call.state<Arrived>(*this);
    const auto size = uint32_t(data.size());
    if (!arrived.text) arrived.text = new std::string;
    if (arrived.text->size() + size > settings_.max_body) return refuse_body(call);
    if (!held_.enter(size, uint32_t(settings_.max_held))) {
      call.response().headers.set("Retry-After", "1");
      return refuse(call, 503, "too_many_reviews", "There are too many reviews under way.\n");
    }
    arrived.held += size;
    for (; !data.empty(); data.drop(data.front().size())) arrived.text->append(data.front());
    if (!end) return Verdict::Collect;
    const auto review = read_review(*arrived.text);
    if (!review) return refuse(call, 400, "review_malformed", review.why() + "\n");
    judge(call, *review);
    return Verdict::Answered;
  }

  void on_complete(filter::Call& call) const override {
    Arrived& arrived = call.state<Arrived>(*this);
    delete std::exchange(arrived.text, nullptr);
    held_.leave(std::exchange(arrived.held, 0));
  }

 private:
  static Verdict refuse(filter::Call& call, uint16_t status, const char* reason, std::string_view why) {
    call.deny(status, kName, reason, why);
    return Verdict::Answered;
  }

  Verdict refuse_body(filter::Call& call) const {
    return refuse(call, 413, "body_too_large",
                  "A review is " + std::to_string(settings_.max_body) + " bytes at most here (--max-body).\n");
  }

  void judge(filter::Call& call, const Review& review) const {
    Plan plan;
    if (review.is_new_pod()) plan = plan_of(review);
    Judgement judgement;
    const bool refused = plan.verdict == Plan::Verdict::Refused;
    const std::string why = "outrider: not injected: " + plan.reason;
    if (plan.verdict == Plan::Verdict::Change) judgement.patch = inject::patch_json(plan.operations);
    if (refused && settings_.fail) judgement.allowed = false, judgement.message = why;
    else if (refused) judgement.warnings.push_back(why);
    for (const std::string& warning : plan.warnings) judgement.warnings.push_back("outrider: " + warning);
    const char* const action = action_of(plan.verdict, settings_.fail);
    call.note(kName, action);
    say(review, plan, action);
    call.response().headers.set(HeaderId::ContentType, "application/json");
    call.serve(200, answer_to(review, judgement));
  }

  Plan plan_of(const Review& review) const {
    inject::Settings settings = settings_.plan;
    if (!review.name_space.empty()) settings.namespace_name = review.name_space;
    return inject::plan_injection(review.object, settings);
  }

  // Anybody who reaches the port may ask, so that there is an end to lines.
  void say(const Review& review, const Plan& plan, const char* action) const {
    if (!lines_.enter(std::chrono::steady_clock::now(), kLines)) return void(unsaid_.fetch_add(1, std::memory_order_relaxed));
    std::string why = plan.reason;
    for (const std::string& warning : plan.warnings) why += (why.empty() ? "" : "; ") + warning;
    const bool pod = review.kind == "Pod";
    const log::Level level = plan.verdict == Plan::Verdict::Refused ? log::Level::Warn : log::Level::Info;
    log::write(level, "admission",
               {{"object", (pod ? "" : review.kind + " ") + review.name_space + "/" + review.name},
                {"operation", review.operation},
                {"result", action},
                {"why", why},
                {"changes", plan.operations.size()},
                {"dry_run", review.dry_run ? "true" : "false"},
                {"uid", review.uid},
                {"not_logged", unsaid_.exchange(0, std::memory_order_relaxed)}});
  }

  const InjectSettings settings_;
  mutable Backlog held_;  // bytes of reviews that have come, of all workers
  mutable Pace lines_;
  mutable std::atomic<uint32_t> unsaid_{0};
};

bool read_failure(filter::Options& options, bool& fail) {
  std::string text = "ignore";
  if (!options.text("failure", text)) return false;
  if (text != "ignore" && text != "fail") return options.fail("failure", "expected ignore or fail, got \"" + text + "\"");
  fail = text == "fail";
  return true;
}

}  // namespace

std::unique_ptr<const filter::Filter> make_inject(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  InjectSettings settings;
  if (!options.only({"version", "image", "bootstrap", "registry_key_secret", "identity_secret", "trust_domain", "capture",
                     "native_sidecar", "dns_capture", "rewrite_probes", "inject_unless_told", "set", "failure", "max_body",
                     "max_held"}) ||
      !read_settings(options, settings.plan) || !read_failure(options, settings.fail) ||
      !options.size("max_body", settings.max_body, kMostBody) || !options.size("max_held", settings.max_held, kMostHeld))
    return nullptr;
  return std::make_unique<Inject>(std::move(settings));
}

}  // namespace outrider::filters
