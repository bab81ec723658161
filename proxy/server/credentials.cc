#include "server/credentials.h"

#include <sys/stat.h>

#include "base/log.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

// Asked for instead of watched: what mounts secrets (links that are swapped, network file systems) does not always notify.
constexpr milliseconds kLook{1000};

}  // namespace

Credentials::Credentials(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, const config::Document& document,
                         std::function<void(const identity::Identity&)> renewed)
    : control_(control), shard_(shard), renewals_(catalog.slot(stats::names::kIdentityRotations, {{"result", "success"}})),
      failures_(catalog.slot(stats::names::kIdentityRotations, {{"result", "failure"}})), settings_(document.identity),
      renewed_(std::move(renewed)) {}

std::string Credentials::start() {
  if (settings_.dir.empty()) return {};
  seen_ = marks();
  auto loaded = read();
  if (!loaded) return "identity.dir: " + loaded.why();
  if (const auto problem = loaded->problem(net::Loop::wall()); !problem.empty())
    log::warn("identity is not fit for use", {{"dir", settings_.dir}, {"why", problem}});
  identity_ = std::move(*loaded);
  if (settings_.mtls != config::Identity::Mtls::Off) workload_.emplace(*identity_);
  control_.arm(again_, kLook);
  return {};
}

identity::Outcome<identity::Identity> Credentials::read() const {
  auto loaded = identity::Identity::load(settings_.dir);
  if (!loaded || loaded->id.trust_domain() == settings_.trust_domain) return loaded;
  return identity::Failure{settings_.dir + "/tls.crt is of trust domain " + std::string(loaded->id.trust_domain()) +
                           ", identity.trust_domain says " + settings_.trust_domain};
}

Credentials::Marks Credentials::marks() const {
  Marks marks;
  size_t i = 0;
  for (const char* name : {"/tls.crt", "/tls.key", "/ca.crt"}) {
    struct stat file {};
    if (::stat((settings_.dir + name).c_str(), &file) == 0)
      marks[i] = {int64_t(file.st_mtim.tv_sec) * 1'000'000'000 + file.st_mtim.tv_nsec, file.st_ino, uint64_t(file.st_size)};
    ++i;
  }
  return marks;
}

// Files that are written one after the other do not fit until the last of them is there: each change is another look.
void Credentials::look() {
  control_.arm(again_, kLook);
  const Marks now = marks();
  if (now == seen_) return;
  seen_ = now;
  auto fresh = read();
  std::string problem = fresh ? fresh->problem(net::Loop::wall()) : fresh.why();
  if (!problem.empty()) {
    shard_.add(failures_);
    log::warn("a new identity cannot be used, the one there was stays", {{"dir", settings_.dir}, {"why", problem}});
    return;
  }
  identity_ = std::move(*fresh);
  shard_.add(renewals_);
  log::info("identity renewed", {{"id", identity_->id.text()}, {"until", identity::rfc3339(identity_->leaf.not_after())}});
  if (workload_) workload_->renew(*identity_);
  renewed_(*identity_);
}

}  // namespace outrider::server
