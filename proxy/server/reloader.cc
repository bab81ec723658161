#include "server/reloader.h"

#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "identity/files.h"
#include "identity/identity.h"
#include "stats/names.h"

namespace outrider::server {

namespace names = stats::names;

namespace {

std::string history_folder(const config::Upkeep& upkeep, const config::Document& of, const config::Sources& sources) {
  if (upkeep.history_dir.empty() || !sources.file || *sources.file == "-") return {};
  // Nobody has asked for the standard place: it is used where whoever installed the program has made it.
  std::error_code ignored;
  if (!upkeep.history_named && !std::filesystem::exists(std::filesystem::path(upkeep.history_dir).parent_path(), ignored))
    return {};
  return History::folder_of(upkeep.history_dir, of.node.id, *sources.file);
}

std::string owner_of(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return "unknown";
  passwd entry{}, *found = nullptr;
  char text[4096];
  if (getpwuid_r(file.st_uid, &entry, text, sizeof text, &found) == 0 && found) return found->pw_name;
  return "uid " + std::to_string(file.st_uid);
}

constexpr size_t kMostCompared = 4000;  // rules, of both: more would keep the control loop for too long
constexpr size_t kMostLogged = 20;

size_t rules_of(const config::Document& document) {
  size_t rules = 0;
  for (const auto& listener : document.listeners) rules += listener.routes.size();
  return rules;
}

bool is_error(const config::Complaint& complaint) { return complaint.severity == config::Severity::Error; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Its folder and node, as far as they can be known of a file that is wrong.
std::string folder_of_broken(const config::Sources& sources) {
  config::Sources without = sources;
  without.text.reset();
  without.file.reset();
  without.registry_only = true;  // no listeners are asked for
  auto outcome = config::load(without);
  if (!outcome.document) return {};
  config::Upkeep upkeep = outcome.document->upkeep;
  if (sources.text) {
    const auto parsed = config::parse(*sources.text, std::make_shared<const config::Origin>());
    const auto text_at = [&](std::initializer_list<const char*> path) -> const config::Node* {
      const config::Node* at = &parsed.root;
      for (const char* key : path) at = at && at->is_map() ? at->find(key) : nullptr;
      return at && at->is_scalar() ? at : nullptr;
    };
    if (const auto* dir = text_at({"config", "history", "dir"})) {
      upkeep.history_dir = dir->text();
      upkeep.history_named = true;
    }
    if (const auto* id = text_at({"node", "id"})) outcome.document->node.id = id->text();
  }
  return history_folder(upkeep, *outcome.document, sources);
}

}  // namespace

std::optional<config::Document> Reloader::first(config::Sources sources, Settings& settings,
                                                std::vector<config::Complaint>& complaints) {
  settings.sources = sources;
  auto outcome = config::load(sources);
  complaints = outcome.complaints;
  const bool of_file = sources.file && *sources.file != "-";
  if (!of_file) return std::move(outcome.document);
  const std::string folder =
      outcome.document ? history_folder(outcome.document->upkeep, *outcome.document, sources) : folder_of_broken(sources);
  if (folder.empty()) return std::move(outcome.document);
  const auto all = History::read(folder);
  std::string why;
  if (!outcome.document) {
    why = *sources.file + " cannot be used";
    if (const auto error = std::find_if(complaints.begin(), complaints.end(), is_error); error != complaints.end())
      why += ": " + first_line(config::print({*error}));
  } else {
    const auto same =
        std::find_if(all.rbegin(), all.rend(), [&](const Version& v) { return v.digest == outcome.document->digest; });
    if (same == all.rend() || !same->failed()) return std::move(outcome.document);
    why = *sources.file + " is what version " + std::to_string(same->number) + " was, which was " + same->verdict;
  }
  for (auto version = all.rbegin(); version != all.rend(); ++version) {
    if (version->failed()) continue;
    sources.text = version->text;
    sources.included = version->included;
    auto good = config::load(sources);
    if (!good.document) continue;
    settings.sources.text = version->text;
    settings.trouble = "version " + std::to_string(version->number) + " is served, since " + why;
    return std::move(good.document);
  }
  return std::move(outcome.document);
}

Reloader::Reloader(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, Settings settings, ReloadTarget& target)
    : control_(control), shard_(shard), settings_(std::move(settings)), target_(target),
      history_(history_folder(target.document().upkeep, target.document(), settings_.sources), target.document().upkeep.keep),
      guard_(control, catalog, *this), applied_(catalog.slot(names::kConfigReloads, {{"result", "success"}})),
      refused_(catalog.slot(names::kConfigReloads, {{"result", "failure"}})),
      unchanged_(catalog.slot(names::kConfigReloads, {{"result", "unchanged"}})), last_(catalog.slot(names::kConfigLastReload)),
      rollbacks_(catalog.slot(names::kConfigRollbacks)), trouble_(settings_.trouble) {
  for (const auto& from : target.document().routes_from) takes_in_.push_back(from.file);
  if (settings_.sources.file) served_ = seen_ = marks();
}

Reloader::~Reloader() = default;

void Reloader::start() {
  if (const auto problem = history_.open(); !problem.empty()) {
    log::warn("the history of the configuration is kept in memory alone", {{"why", problem}});
  }
  if (!trouble_.empty()) log::error("the configuration is not what its file says", {{"why", trouble_}});
  shard_.set(last_, trouble_.empty());
  const auto& all = history_.all();
  const std::string& digest = target_.document().digest;
  // Started again with what it had: no version of its own.
  if (!all.empty() && all.back().digest == digest) current_ = all.back().number;
  else record(settings_.sources.text.value_or(""), {"start", ""});
  history_.judge(current_, "good");
  const auto& upkeep = target_.document().upkeep;
  guard_.follow(upkeep.guard);
  if (upkeep.watch && settings_.sources.file && *settings_.sources.file != "-") control_.arm(look_, settings_.look);
}

void Reloader::record(const std::string& text, const Asked& asked) {
  Version version;
  version.time = net::Loop::wall();
  version.author = !asked.author.empty()    ? asked.author
                   : settings_.sources.file ? owner_of(*settings_.sources.file)
                                            : "command line";
  version.source = asked.source;
  version.digest = target_.document().digest;
  version.verdict = target_.document().upkeep.guard.on ? "watched" : "not judged";
  version.text = text;
  version.included = target_.document().included;
  current_ = history_.add(std::move(version)).number;
}

void Reloader::on_look() {
  control_.arm(look_, settings_.look);
  const auto now = marks();
  const bool settled = now == seen_;
  seen_ = now;
  if (settled && now != served_) reload({"file", ""});
}

Reloader::Done Reloader::refuse(const Asked& asked, std::string why, std::vector<config::Complaint> complaints) {
  shard_.add(refused_);
  shard_.set(last_, 0);
  log::error("the configuration is refused, what was served stays", {{"source", asked.source}, {"why", first_line(why)}});
  if (!asked.text) trouble_ = "version " + std::to_string(current_) + " is served, the file's is refused: " + first_line(why);
  return {Result::Refused, current_, std::move(why), std::move(complaints)};
}

Reloader::Done Reloader::reload(Asked asked) {
  if (asked.text) return serve(*asked.text, asked);
  if (!settings_.sources.file || *settings_.sources.file == "-")
    return refuse(asked, "there is no file to read again: the proxy was started without one", {});
  served_ = seen_ = marks();
  const auto text = identity::read_file(*settings_.sources.file, config::kMaxText);
  if (!text) return refuse(asked, text.why(), {});
  return serve(*text, asked);
}

Reloader::Done Reloader::serve(const std::string& text, Asked asked) {
  config::Sources sources = settings_.sources;
  sources.text = text;
  sources.included = asked.included;
  auto outcome = config::load(sources);
  if (!asked.text && outcome.takes_in != takes_in_) {  // others than those that were marked before they were read
    takes_in_ = outcome.takes_in;
    served_ = seen_ = marks();
    outcome = config::load(sources);
  }
  for (const auto& complaint : outcome.complaints)
    if (!is_error(complaint)) log::warn(first_line(config::print({complaint})));
  if (!outcome.document) {
    std::vector<config::Complaint> errors;
    std::copy_if(outcome.complaints.begin(), outcome.complaints.end(), std::back_inserter(errors), is_error);
    return refuse(asked, config::print(errors), std::move(outcome.complaints));
  }
  if (outcome.document->digest == target_.document().digest) {
    shard_.add(unchanged_);
    shard_.set(last_, 1);
    trouble_.clear();
    return {Result::Unchanged, current_, {}, std::move(outcome.complaints)};
  }
  std::vector<config::Difference> changes;
  if (rules_of(*outcome.document) + rules_of(target_.document()) <= kMostCompared)
    changes = config::diff(target_.document(), *outcome.document);
  if (auto problem = target_.apply(std::move(*outcome.document)); !problem.empty())
    return refuse(asked, sources.file.value_or("the configuration") + ": " + problem, std::move(outcome.complaints));
  if (guard_.watching()) history_.judge(current_, "replaced");
  const auto& upkeep = target_.document().upkeep;
  history_.keep(upkeep.keep);
  record(text, asked);
  shard_.add(applied_);
  shard_.set(last_, 1);
  trouble_.clear();
  if (asked.text)
    trouble_ = "version " + std::to_string(current_) + " is served (" + asked.source + "), the file is left as it is";
  log::info("a new configuration is served",
            {{"version", current_}, {"source", asked.source}, {"digest", target_.document().digest}});
  for (size_t i = 0; i < std::min(changes.size(), kMostLogged); ++i)
    log::info("change",
              {{"version", current_}, {"severity", config::name_of(changes[i].severity)}, {"what", changes[i].sentence}});
  if (changes.size() > kMostLogged) log::info("more changes", {{"version", current_}, {"count", changes.size() - kMostLogged}});
  guard_.follow(upkeep.guard);
  guard_.watch();
  return {Result::Applied, current_, {}, std::move(outcome.complaints), std::move(changes)};
}

// The newest one before what is served that has not failed and is another.
const Version* Reloader::good_before() const {
  const Version* found = nullptr;
  for (const auto& each : history_.all())
    if (each.number < current_ && !each.failed() && each.digest != target_.document().digest) found = &each;
  return found;
}

Reloader::Done Reloader::roll_back(std::optional<uint32_t> to, const std::string& author) {
  const Version* const found = to ? history_.find(*to) : good_before();
  if (!found) {
    const std::string why = to ? "there is no version " + std::to_string(*to) + " any more" : "there is no earlier version";
    return {Result::Refused, current_, why};
  }
  const Version target = *found;  // serving it may drop the oldest
  auto done = serve(target.text, {"rollback to " + std::to_string(target.number), author, target.text, target.included});
  if (done.result != Result::Applied) return done;
  shard_.add(rollbacks_);
  guard_.stop();
  history_.judge(current_, "good");  // it was before
  return done;
}

void Reloader::on_worse(const std::string& why) {
  const uint32_t bad = current_;
  const auto& guard = target_.document().upkeep.guard;
  if (!guard.rollback) {
    history_.judge(bad, "worse than the one before: " + why);
    return log::warn("the new configuration is worse than the one before", {{"version", bad}, {"why", why}});
  }
  log::error("the new configuration is worse than the one before, which is served again", {{"version", bad}, {"why", why}});
  history_.judge(bad, "rolled back: " + why);
  const auto done = roll_back({}, "guard");
  if (done.result == Result::Refused) return log::error("no earlier configuration can be served", {{"why", done.why}});
  trouble_ = "version " + std::to_string(bad) + " was rolled back: " + why;
}

void Reloader::on_passed(bool judged) {
  history_.judge(current_, judged ? "good" : "not judged");
  log::info("the new configuration is as good as the one before",
            {{"version", current_}, {"judged", judged ? "yes" : "nobody came"}});
}

}  // namespace outrider::server
