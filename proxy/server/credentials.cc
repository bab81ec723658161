#include "server/credentials.h"

#include <sys/stat.h>

#include "base/log.h"
#include "identity/svid.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

// Asked for instead of watched: what mounts secrets (links that are swapped, network file systems) does not always notify.
constexpr milliseconds kWarn{60000};

}  // namespace

Credentials::Credentials(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, const config::Document& document,
                         milliseconds look, std::function<void(const identity::Identity&)> renewed)
    : control_(control), shard_(shard), renewals_(catalog.slot(stats::names::kIdentityRotations, {{"result", "success"}})),
      failures_(catalog.slot(stats::names::kIdentityRotations, {{"result", "failure"}})), look_(look),
      settings_(document.identity), renewed_(std::move(renewed)) {}

std::string Credentials::start() {
  if (!settings_) return {};
  seen_ = marks();
  if (settings_.workload_api.empty()) {
    if (auto why = take(read()); !why.empty()) return why;
  } else if (auto why = ask_agent(); !why.empty()) {
    return "identity.workload_api: " + settings_.workload_api + ": " + why;
  }
  warn();
  if (settings_.mtls != config::Identity::Mtls::Off) workload_.emplace(*identity_, terms_of(settings_.tls));
  control_.arm(again_, look_);
  started_ = true;
  return {};
}

// Nothing else runs on the loop yet.
std::string Credentials::ask_agent() {
  const auto agent = net::Address::parse(settings_.workload_api);
  if (!agent) return "is no address";
  agent_.reset(new WorkloadApi(control_, *agent, *this));
  agent_->start();
  const TimePoint end = net::Loop::clock() + settings_.wait;
  while (!identity_ && net::Loop::clock() < end) {
    control_.arm(again_, milliseconds(100));  // for a turn to end
    control_.run_turn(true);
  }
  return identity_ ? std::string() : trouble_.empty() ? "no answer" : trouble_;
}

void Credentials::on_svids(std::string_view message) {
  auto fresh = identity::read_svids(message, settings_.spiffe_id);
  if (started_) trouble_.clear();
  if (fresh) {
    if (given_ && given_->leaf.der() == fresh->leaf.der() && given_->trust == fresh->trust) return;  // it was asked anew
    given_ = *fresh;
  }
  if (started_) return renew(std::move(fresh));
  trouble_ = take(std::move(fresh));
}

void Credentials::on_agent_trouble(const std::string& why) {
  if (why == trouble_) return;
  trouble_ = why;
  log::warn("the agent gives no identity; it is asked again", {{"agent", settings_.workload_api}, {"why", why}});
}

identity::Outcome<identity::Identity> Credentials::read() const {
  auto loaded = identity::Identity::load(settings_.dir);
  if (!loaded) return identity::Failure{"identity.dir: " + loaded.why()};
  return loaded;
}

std::string Credentials::fit(identity::Identity& fresh) const {
  if (fresh.id.trust_domain() != settings_.trust_domain)
    return "the certificate is of trust domain " + std::string(fresh.id.trust_domain()) + ", identity.trust_domain says " +
           settings_.trust_domain;
  for (const auto& [domain, file] : settings_.trust) {
    const auto bundle = identity::Trust::load(file);
    if (!bundle) return "identity.trust." + domain + ": " + bundle.why();
    fresh.trust.add(domain, *bundle);
  }
  return {};
}

std::string Credentials::take(identity::Outcome<identity::Identity> fresh) {
  if (!fresh) return fresh.why();
  if (auto why = fit(*fresh); !why.empty()) return why;
  identity_ = std::move(*fresh);
  return {};
}

Credentials::Marks Credentials::marks() const {
  std::vector<std::string> paths;
  if (!settings_.dir.empty())
    for (const char* name : {"/tls.crt", "/tls.key", "/ca.crt"}) paths.push_back(settings_.dir + name);
  for (const auto& [domain, file] : settings_.trust) paths.push_back(file);
  Marks marks;
  for (const auto& path : paths) marks.push_back(identity::FileMark::of(path));
  return marks;
}

// Once for each thing there is to say.
void Credentials::warn() {
  warn_due_ = control_.now() + kWarn;
  const WallTime now = net::Loop::wall();
  std::string why = identity_->problem(now);
  const bool unfit = !why.empty();
  if (!unfit) why = identity_->warning(now, settings_.warn_before);
  if (why == warned_) return;
  warned_ = why;
  if (!why.empty())
    log::warn(unfit ? "identity is not fit for use" : "identity ends soon", {{"id", identity_->id.text()}, {"why", why}});
}

// Files that are written one after the other do not fit until the last of them is there: each change is another look.
void Credentials::look() {
  if (!started_) return;
  control_.arm(again_, look_);
  if (control_.now() >= warn_due_) warn();
  if (Marks now = marks(); now != seen_) {
    seen_ = std::move(now);
    if (!agent_) renew(read());
    else if (given_) renew(*given_);
  }
}

void Credentials::renew(identity::Outcome<identity::Identity> fresh) {
  std::string why = fresh ? fit(*fresh) : fresh.why();
  if (why.empty()) why = fresh->problem(net::Loop::wall());
  if (!why.empty()) {
    shard_.add(failures_);
    log::warn("a new identity cannot be used, the one there was stays", {{"id", identity_->id.text()}, {"why", why}});
    return;
  }
  identity_ = std::move(*fresh);
  shard_.add(renewals_);
  log::info("identity renewed", {{"id", identity_->id.text()}, {"until", identity::rfc3339(identity_->leaf.not_after())}});
  warn();
  if (workload_) workload_->renew(*identity_);
  renewed_(*identity_);
}

}  // namespace outrider::server
