// Requests that are made to wait, to fail or to break, for a while: how does what calls take it?
//   fault: {delay: {dist: lognormal, p50: 20ms, p99: 200ms, percent: 50%}, abort: {status: 503, percent: 10%}, reset: 1%,
//           seed: 42, blast_radius: 10%, for: 15m, max_held: 1000}

#include <chrono>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/tally.h"
#include "filter/feed.h"
#include "filter/options.h"
#include "filters/fault/decisions.h"

namespace outrider::filters {

namespace {

using Latencies = std::vector<microseconds>;

constexpr const char* kName = "fault";
constexpr milliseconds kShortest{1};
constexpr milliseconds kLongest = std::chrono::hours(24 * 365);

struct FaultSettings {
  FaultPlan plan;
  std::string name = kName, file;  // in the log; of latencies
  uint64_t status = 503, max_held = 1000;
  milliseconds time{0};  // after which it is over; 0: never
};

TimePoint now() { return std::chrono::steady_clock::now(); }

// Since when it runs, and what was measured. Shared by the filter and the control thread, which lets it begin.
class FaultRun final : public filter::Feed {
 public:
  FaultRun(std::string name, milliseconds time, const std::string& file) : name_(std::move(name)), time_(time) {
    if (!file.empty()) latencies_ = std::make_shared<filter::FileFeed<Latencies>>(file, read_latencies);
  }
  std::string load() override {
    begun_ = now();
    log::info("faults begin", {{"name", name_}, {"for", time_.count() ? std::to_string(time_.count()) + "ms" : "ever"}});
    return latencies_ ? latencies_->load() : "";
  }
  void look() override {
    if (latencies_) latencies_->look();
    if (told_ || !over()) return;
    told_ = true;
    log::info("faults have ended", {{"name", name_}});
  }
  bool over() const { return time_.count() && now() - begun_ >= time_; }
  std::shared_ptr<const Latencies> latencies() const { return latencies_ ? latencies_->get() : nullptr; }

 private:
  const std::string name_;
  const milliseconds time_;
  TimePoint begun_ = now();
  bool told_ = false;
  std::shared_ptr<filter::FileFeed<Latencies>> latencies_;
};

// What is kept of one call.
struct Hit {
  bool held = false, abort = false, reset = false;
};

// Owned by the chains that use it; all workers take their decisions from the same row.
class Fault final : public filter::Filter {
 public:
  explicit Fault(const FaultSettings& settings)
      : settings_(settings), decisions_(std::make_unique<Decisions>(settings.plan)), held_(std::make_unique<Tally>()),
        run_(std::make_shared<FaultRun>(settings.name, settings.time, settings.file)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead | filter::Hook::Complete; }
  std::shared_ptr<filter::Feed> feed() const override { return run_; }

  filter::Verdict on_request(filter::Call& call) const override {
    if (run_->over()) return filter::Verdict::Continue;
    const auto latencies = run_->latencies();
    const Decision decision = decisions_->next(latencies.get());
    if (!decision.touches()) return filter::Verdict::Continue;
    Hit& hit = call.state<Hit>(*this);
    hit.abort = decision.abort;
    hit.reset = decision.reset;
    if (decision.delay.count() == 0) return strike(call, hit);
    if (!held_->enter(uint32_t(settings_.max_held))) {
      call.note(kName, "over_limit");
      return filter::Verdict::Continue;
    }
    hit.held = true;
    call.note(kName, "delayed");
    call.wait(*this, http::Way::Request, decision.delay);
    return filter::Verdict::Pause;
  }

  filter::Verdict on_waited(filter::Call& call, http::Way) const override {
    Hit& hit = call.state<Hit>(*this);
    let_go(hit);
    return strike(call, hit);
  }

  void on_complete(filter::Call& call) const override { let_go(call.state<Hit>(*this)); }

 private:
  void let_go(Hit& hit) const {
    if (std::exchange(hit.held, false)) held_->leave();
  }

  filter::Verdict strike(filter::Call& call, const Hit& hit) const {
    if (hit.reset) {
      call.note(kName, "reset");
      call.reset("fault_reset");
    } else if (hit.abort) {
      call.note(kName, "aborted");
      call.respond(uint16_t(settings_.status), "fault_abort", "outrider: made to fail by the filter fault\n");
    } else {
      return filter::Verdict::Continue;
    }
    return filter::Verdict::Answered;
  }

  const FaultSettings settings_;
  const std::unique_ptr<Decisions> decisions_;
  const std::unique_ptr<Tally> held_;
  const std::shared_ptr<FaultRun> run_;
};

bool read_delay(filter::Options& options, FaultSettings& settings) {
  std::string dist;
  milliseconds fixed{0}, p50{0}, p99{0};
  const auto most = std::chrono::duration_cast<milliseconds>(Delay::kMost);
  if (!options.only({"fixed", "dist", "p50", "p99", "file", "percent"}) || !options.duration("fixed", fixed, kShortest, most) ||
      !options.text("dist", dist) || !options.duration("p50", p50, kShortest, most) ||
      !options.duration("p99", p99, kShortest, most) || !options.text("file", settings.file) ||
      !options.share("percent", settings.plan.delayed))
    return false;
  if (!dist.empty() && dist != "lognormal") return options.fail("dist", "expected lognormal, got \"" + dist + "\"");
  if ((fixed.count() > 0) + !dist.empty() + !settings.file.empty() != 1)
    return options.fail("", "one of fixed, dist and file says how long");
  if (dist.empty() && (p50.count() || p99.count())) return options.fail("", "p50 and p99 are of dist: lognormal");
  if (!dist.empty() && (!p50.count() || p99 <= p50)) return options.fail("p99", "expected p50, and a p99 above it");
  settings.plan.delay = fixed.count() ? Delay::fixed(fixed) : dist.empty() ? Delay::measured() : Delay::lognormal(p50, p99);
  return true;
}

bool read_abort(filter::Options& options, FaultSettings& settings) {
  settings.plan.aborted = 1;
  return options.only({"status", "percent"}) && options.number("status", settings.status, 400, 599) &&
         options.share("percent", settings.plan.aborted);
}

}  // namespace

std::unique_ptr<const filter::Filter> make_fault(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  FaultSettings settings;
  FaultPlan& plan = settings.plan;
  if (!options.only({"delay", "abort", "reset", "seed", "blast_radius", "for", "max_held", "name"}) ||
      !options.map("delay", [&](filter::Options& delay) { return read_delay(delay, settings); }) ||
      !options.map("abort", [&](filter::Options& abort) { return read_abort(abort, settings); }) ||
      !options.share("reset", plan.reset) || !options.number("seed", plan.seed, 0, UINT64_MAX) ||
      !options.share("blast_radius", plan.blast_radius) || !options.duration("for", settings.time, kShortest, kLongest) ||
      !options.number("max_held", settings.max_held, 1, 1'000'000) || !options.text("name", settings.name))
    return nullptr;
  if (!plan.delay && plan.aborted == 0 && plan.reset == 0) {
    options.fail("", "nothing to do: give delay, abort or reset");
    return nullptr;
  }
  return std::make_unique<Fault>(settings);
}

}  // namespace outrider::filters
