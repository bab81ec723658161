#include "server/watchers.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "config/values.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr milliseconds kUsually{600'000}, kAtMost{24 * 3600'000}, kForWorkers{5'000};

}  // namespace

// One reader, from its question to its end.
class Watchers::Watcher {
 public:
  Watcher(Watchers& all, admin::Visit& who)
      : visit(who), watch(std::make_shared<exchange::Watch>(static_cast<exchange::TapSink&>(all))), all_(all) {}
  void start();
  void on_adopted();  // by one more worker
  void show(std::string lines);
  void on_room();
  admin::Visit& visit;
  const std::shared_ptr<exchange::Watch> watch;
  uint64_t left = std::numeric_limits<uint64_t>::max();  // lines
  milliseconds lasts = kUsually;

 private:
  void on_over();
  void end(const char* why);
  void send(std::string_view lines);
  std::string drops();
  Watchers& all_;
  size_t adopted_ = 0;
  bool begun_ = false;
  std::string early_;  // from workers that knew of it before others did
  uint32_t held_ = 0;  // bytes of the backlog
  uint64_t shown_ = 0;
  net::BoundTimer<Watcher, &Watcher::on_over> over_{*this};
};

void Watchers::Watcher::start() { all_.control_.arm(over_, kForWorkers); }

// Whoever has read the head has not missed what ends from then on.
void Watchers::Watcher::on_adopted() {
  if (++adopted_ < all_.workers_.size()) return;
  begun_ = true;
  all_.control_.arm(over_, lasts);
  if (!visit.begin({.type = "application/x-ndjson"})) return all_.remove(*this);
  if (!early_.empty()) show(std::exchange(early_, {}));
}

void Watchers::Watcher::show(std::string lines) {
  if (!begun_) {
    early_ += lines;
    return;
  }
  held_ += uint32_t(lines.size());
  size_t end = 0;
  while (left > 0 && end < lines.size()) {
    end = lines.find('\n', end) + 1;
    --left;
    ++shown_;
  }
  send(drops() + lines.substr(0, end));
  if (left == 0) this->end("limit");
}

void Watchers::Watcher::send(std::string_view lines) {
  if (visit.send(lines)) on_room();
}

// What was dropped until now is told, for nothing more may come that could tell it.
void Watchers::Watcher::on_room() {
  watch->backlog.leave(std::exchange(held_, 0));
  if (const std::string told = drops(); !told.empty()) visit.send(told);
}

std::string Watchers::Watcher::drops() {
  const uint32_t missed = watch->backlog.take_missed();
  return missed ? "{\"dropped\":" + std::to_string(missed) + "}\n" : "";
}

void Watchers::Watcher::on_over() {
  if (begun_) return end("duration");
  visit.reply({.status = 503, .body = "The workers are too busy to show anything.\n"});
  all_.remove(*this);
}

void Watchers::Watcher::end(const char* why) {
  visit.send(drops() + "{\"end\":\"" + why + "\",\"shown\":" + std::to_string(shown_) + "}\n");
  visit.end();
  all_.remove(*this);
}

// Owned by the admin server.
class Watchers::TapPage final : public admin::Page {
 public:
  explicit TapPage(Watchers& all) : all_(all) {}
  void on_visit(admin::Visit& visit) override { all_.begin(visit); }
  void on_gone(admin::Visit& visit) override {
    if (const Watcher* watcher = all_.find(visit)) all_.remove(*watcher);
  }
  void on_room(admin::Visit& visit) override {
    if (Watcher* watcher = all_.find(visit)) watcher->on_room();
  }

 private:
  Watchers& all_;
};

Watchers::Watchers(net::Loop& control, const Workers& workers, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), workers_(workers), shard_(shard), count_(catalog.slot(stats::names::kTapWatchers)) {
  shard_.set(count_, 0);
}

Watchers::~Watchers() = default;

std::unique_ptr<admin::Page> Watchers::page() { return std::make_unique<TapPage>(*this); }

void Watchers::begin(admin::Visit& visit) {
  if (watchers_.size() >= kMost)
    return visit.reply(
        {.status = 429, .body = std::to_string(kMost) + " are watching already, and no more may: end one of them first.\n"});
  auto watcher = std::make_unique<Watcher>(*this, visit);
  if (const std::string wrong = read(visit.ask(), *watcher); !wrong.empty())
    return visit.reply({.status = 400, .body = wrong + "\n"});
  watcher->start();
  const auto watch = watcher->watch;
  watchers_.push_back(std::move(watcher));
  publish(watch);
}

std::string Watchers::read(const admin::Ask& ask, Watcher& watcher) const {
  for (const auto& [key, value] : ask.parameters()) {
    if (key == "limit") {
      const auto limit = parse_number(value);
      if (!limit || *limit == 0) return "limit: expected a number, got \"" + value + "\"";
      watcher.left = *limit;
    } else if (key == "for") {
      const auto lasts = config::duration_of(value);
      if (!lasts || *lasts < milliseconds(1) || *lasts > kAtMost)
        return "for: expected a duration of at most 24h, like 30s, got \"" + value + "\"";
      watcher.lasts = std::chrono::duration_cast<milliseconds>(*lasts);
    } else if (key == "tapped") {
      watcher.watch->tapped = true;
    } else if (std::string wrong = watcher.watch->match.add(key, value); !wrong.empty()) {
      return wrong;
    }
  }
  return {};
}

// `fresh`: whose watcher is to hear of every worker that knows it; null: nobody is new.
void Watchers::publish(const std::shared_ptr<exchange::Watch>& fresh) {
  shard_.set(count_, watchers_.size());
  auto all = std::make_shared<exchange::Watches>();
  for (const auto& each : watchers_) all->push_back(each->watch);
  for (const auto& worker : workers_)
    worker->watch(all, [this, fresh] {
      if (!fresh) return;
      control_.post([this, fresh] {
        if (Watcher* watcher = find(fresh.get())) watcher->on_adopted();
      });
    });
}

void Watchers::on_shown(const std::shared_ptr<exchange::Watch>& watch, std::string lines) {
  control_.post([this, watch, lines = std::move(lines)]() mutable {
    if (Watcher* watcher = find(watch.get())) watcher->show(std::move(lines));
  });
}

void Watchers::remove(const Watcher& watcher) {
  std::erase_if(watchers_, [&](const auto& each) { return each.get() == &watcher; });
  publish(nullptr);
}

Watchers::Watcher* Watchers::find(const exchange::Watch* watch) {
  for (const auto& each : watchers_)
    if (each->watch.get() == watch) return each.get();
  return nullptr;
}

Watchers::Watcher* Watchers::find(const admin::Visit& visit) {
  for (const auto& each : watchers_)
    if (&each->visit == &visit) return each.get();
  return nullptr;
}

}  // namespace outrider::server
