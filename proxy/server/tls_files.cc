#include "server/tls_files.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "identity/certificate.h"
#include "identity/identity.h"
#include "stats/names.h"

namespace outrider::server {

using net::TlsContext;

void TlsFiles::begin() { before_ = std::exchange(watched_, {}); }

void TlsFiles::keep() {
  before_.clear();
  if (shard_)
    for (auto& each : watched_) count(each);
}

void TlsFiles::drop() { watched_ = std::exchange(before_, {}); }

identity::Outcome<TlsFiles::Slot> TlsFiles::server(const std::string& owner, std::vector<net::TlsServerSettings> settings) {
  Watched watched{owner, std::move(settings)};
  for (const auto& each : std::get<0>(watched.settings)) {
    watched.certificates.insert(watched.certificates.end(), each.cert.begin(), each.cert.end());
    watched.others.insert(watched.others.end(), each.key.begin(), each.key.end());
    watched.others.push_back(each.client_ca);
    for (const std::string& cert : each.cert)
      if (each.staple) watched.others.push_back(net::Staple::path(cert));
  }
  return add(std::move(watched));
}

identity::Outcome<TlsFiles::Slot> TlsFiles::client(const std::string& owner, net::TlsClientSettings settings) {
  Watched watched{owner, settings};
  watched.others = {settings.ca, settings.key};
  if (!settings.cert.empty()) watched.certificates.push_back(settings.cert);
  return add(std::move(watched));
}

identity::Outcome<TlsFiles::Slot> TlsFiles::add(Watched watched) {
  const auto same =
      std::find_if(before_.begin(), before_.end(), [&](const Watched& each) { return each.owner == watched.owner; });
  if (same != before_.end() && same->settings == watched.settings) {
    Slot slot = same->slot;
    watched_.push_back(*same);
    return slot;
  }
  std::erase(watched.others, "");
  watched.seen = marks(watched);
  if (same != before_.end()) watched.before = same->slot->get();
  auto made = read(watched, false);
  watched.before.reset();
  if (!made) return made.failure();
  Slot slot = watched.slot = std::make_shared<net::TlsSlot>(*made);
  if (!watched.seen.empty()) watched_.push_back(std::move(watched));
  return slot;
}

void TlsFiles::watch(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, milliseconds look) {
  look_ = look;
  control_ = &control;
  catalog_ = &catalog;
  shard_ = &shard;
  for (auto& each : watched_) count(each);
  control.arm(again_, look_);
}

void TlsFiles::count(Watched& watched) {
  const auto slot = [&](const char* result) {
    return catalog_->slot(stats::names::kTlsReloads, {{"owner", watched.owner}, {"result", result}});
  };
  watched.renewals = slot("success");
  watched.failures = slot("failure");
}

// `dated`: none whose time is not now. At the start there is nothing better.
TlsFiles::Made TlsFiles::read(Watched& watched, bool dated) {
  const auto before = watched.slot ? watched.slot->get() : watched.before;
  const auto* client = std::get_if<net::TlsClientSettings>(&watched.settings);
  auto made = client ? TlsContext::client(*client) : TlsContext::server(std::get<0>(watched.settings), before.get());
  if (!made) return made;
  std::vector<Shown> shown;
  const WallTime now = net::Loop::wall();
  for (const std::string& file : watched.certificates) {
    const auto chain = identity::Certificate::load(file);
    if (!chain) return chain.failure();
    const auto& leaf = chain->front();
    shown.push_back({file, leaf.not_after()});
    const bool early = now < leaf.not_before();
    if (!early && now < leaf.not_after()) continue;
    const std::string why =
        file + ": " +
        (early ? "not valid before " + identity::rfc3339(leaf.not_before()) : "expired " + identity::rfc3339(leaf.not_after()));
    if (dated) return identity::Failure{why};
    log::warn("a certificate is not valid now", {{"owner", watched.owner}, {"why", why}});
  }
  for (const std::string& remark : (*made)->remarks()) log::warn(remark, {{"owner", watched.owner}});
  watched.shown = std::move(shown);
  return made;
}

std::vector<identity::FileMark> TlsFiles::marks(const Watched& watched) {
  std::vector<identity::FileMark> marks;
  for (const auto* files : {&watched.certificates, &watched.others})
    for (const std::string& file : *files) marks.push_back(identity::FileMark::of(file));
  return marks;
}

// Files that are written one after the other do not fit until the last of them is there: each change is another look.
void TlsFiles::look() {
  control_->arm(again_, look_);
  for (auto& each : watched_) {
    auto now = marks(each);
    if (now == each.seen) continue;
    each.seen = std::move(now);
    auto fresh = read(each, true);
    shard_->add(fresh ? each.renewals : each.failures);
    if (!fresh) {
      log::warn("new certificates cannot be used, those there were stay", {{"owner", each.owner}, {"why", fresh.why()}});
      continue;
    }
    each.slot->set(*fresh);
    const auto first =
        std::min_element(each.shown.begin(), each.shown.end(), [](const Shown& a, const Shown& b) { return a.until < b.until; });
    log::info("certificates renewed",
              {{"owner", each.owner}, {"until", first == each.shown.end() ? "" : identity::rfc3339(first->until)}});
  }
}

void TlsFiles::each_shown(const std::function<void(const std::string&, const std::string&, WallTime)>& see) const {
  for (const auto& each : watched_)
    for (const auto& shown : each.shown) see(each.owner, shown.file, shown.until);
}

void TlsFiles::add_samples(stats::Samples& samples) const {
  each_shown([&](const std::string& owner, const std::string& file, WallTime until) {
    samples.add(stats::names::kTlsCertificateExpiry, double(to_ms(until)) / 1000, {{"owner", owner}, {"file", file}});
  });
}

}  // namespace outrider::server
