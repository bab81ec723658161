#include "upstream/health_checker.h"

#include <algorithm>
#include <utility>

#include "upstream/origination.h"

namespace outrider::upstream {

namespace {
constexpr milliseconds kStagger{2};  // between the first probes of a set, so that they are no burst
constexpr milliseconds kSoon{50};    // until the first success, doubling: a program that starts is met early
}  // namespace

// One endpoint that is asked again and again. Owned by its group; control loop.
class HealthChecker::Check final : ProbeEvents {
 public:
  Check(HealthChecker& checker, const Group& group, std::shared_ptr<Endpoint> endpoint, milliseconds first)
      : checker_(checker), group_(group), endpoint_(std::move(endpoint)) {
    checker_.control_.arm(next_, first);
  }

 private:
  void ask();
  void on_probed(const ProbeFailure* failure) override;

  HealthChecker& checker_;
  const Group& group_;
  const std::shared_ptr<Endpoint> endpoint_;
  Probe probe_{checker_.control_, *this};
  uint32_t passed_ = 0, failed_ = 0;  // in a row
  std::string_view said_;             // why it is unhealthy, as was told
  milliseconds soon_ = kSoon;         // the interval until the first success
  net::BoundTimer<Check, &Check::ask> next_{*this};
};

// The endpoints of one cluster.
struct HealthChecker::Group {
  std::string cluster;
  HealthPlan plan;
  std::unordered_map<const Endpoint*, std::unique_ptr<Check>> checks;
};

void HealthChecker::Check::ask() {
  const HealthPlan& plan = group_.plan;
  net::Address to = endpoint_->socket;
  if (!to.valid()) return probe_.fail("unreachable", "bad_address");
  if (plan.port && !to.is_unix()) to.set_port(plan.port);
  const auto protocol = plan.kind == HealthPlan::Kind::Tcp ? Protocol::Raw : plan.protocol;
  const auto identity = plan.port ? std::string_view{} : endpoint_->mutual_identity();  // that port is its app's
  const auto tls = peer_of(plan.tls, to, identity, protocol, nullptr, endpoint_->host);
  ProbeQuestion question;
  question.kind = plan.kind;
  question.protocol = plan.protocol;
  question.path = plan.path;
  question.authority = endpoint_->address;
  question.expect_low = plan.expect_low;
  question.expect_high = plan.expect_high;
  question.timeout = plan.timeout;
  question.foreword = wire::write_proxy_header(plan.port ? wire::ProxyProtocol::Off : plan.proxy_protocol, nullptr);
  probe_.ask(to, std::move(question), tls ? &*tls : nullptr);
}

// The last thing it does is to tell: whoever hears may forget this check.
void HealthChecker::Check::on_probed(const ProbeFailure* failure) {
  const bool passed = !failure;
  const HealthPlan& plan = group_.plan;
  net::Loop& loop = checker_.control_;
  const double spread = 1 + plan.jitter * (2 * loop.random().unit() - 1);
  const milliseconds interval = passed ? plan.interval : std::min(soon_, plan.interval);
  soon_ = passed ? plan.interval : std::min(soon_ * 2, plan.interval);
  loop.arm(next_, std::max(milliseconds(1), milliseconds(int64_t(double(interval.count()) * spread))));

  passed_ = passed ? passed_ + 1 : 0;
  failed_ = passed ? 0 : failed_ + 1;
  const Health before = endpoint_->health.load(std::memory_order_relaxed), now = passed ? Health::Healthy : Health::Unhealthy;
  const bool enough = before == Health::Unknown || (passed ? passed_ >= plan.healthy : failed_ >= plan.unhealthy);
  const std::string cluster = group_.cluster;
  const std::shared_ptr<Endpoint> endpoint = endpoint_;
  HealthEvents& events = checker_.events_;
  const bool flips = before != now && enough;
  if (flips) {
    endpoint->health_since_ms.store(to_ms(net::Loop::wall()), std::memory_order_relaxed);
    endpoint->health.store(now, std::memory_order_relaxed);
  }
  const bool another = failure && before == Health::Unhealthy && said_ != failure->reason;
  if (flips || another) said_ = failure ? failure->reason : std::string_view{};
  events.on_probe(cluster, failure);
  if (flips || another) events.on_health(cluster, *endpoint, now, failure);
}

HealthChecker::HealthChecker(net::Loop& control, HealthEvents& events) : control_(control), events_(events) {}

HealthChecker::~HealthChecker() = default;

void HealthChecker::follow(const std::string& cluster, const HealthPlan& plan, std::shared_ptr<const EndpointSet> set) {
  if (plan.kind == HealthPlan::Kind::Off || !set) return forget(cluster);
  auto& group = groups_[cluster];
  if (!group) group = std::make_unique<Group>();
  group->cluster = cluster;
  group->plan = plan;
  auto before = std::exchange(group->checks, {});
  milliseconds first{0};
  for (const Member& member : set->members) {
    auto& check = group->checks[member.endpoint.get()];
    if (auto survivor = before.find(member.endpoint.get()); survivor != before.end()) {
      check = std::move(survivor->second);
    } else {
      check = std::make_unique<Check>(*this, *group, member.endpoint, first);
      first = std::min(first + kStagger, plan.interval);
    }
  }
}

void HealthChecker::forget(const std::string& cluster) { groups_.erase(cluster); }

}  // namespace outrider::upstream
