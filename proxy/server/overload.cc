#include "server/overload.h"

#include <algorithm>

#include "base/log.h"
#include "config/values.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

using Level = exchange::Pressure::Level;
using Cause = exchange::Pressure::Cause;

constexpr milliseconds kCalm{1000}, kNear{100};
constexpr milliseconds kLags{5000};
constexpr double kEase = 0.05;

const char* name_of(Cause cause) {
  switch (cause) {
    case Cause::Memory: return "memory";
    case Cause::Connections: return "connections";
    case Cause::LoopLag: return "loop_lag";
    case Cause::Nothing: break;
  }
  return "none";
}

const char* effect_of(Level level) {
  switch (level) {
    case Level::ShedLow: return "requests of low priority are refused";
    case Level::NoKeepAlive: return "requests of low priority are refused, connections are not kept";
    case Level::Refuse: return "connections and requests are refused";
    case Level::Calm: break;
  }
  return "nothing is refused";
}

// 80%, 90%, 95%; of another first one likewise: half, and a quarter, of what is left.
Level of_memory(double share, double first) {
  if (first == 0 || share < first) return Level::Calm;
  const double left = 1 - first;
  return share < first + left / 2 ? Level::ShedLow : share < first + left * 3 / 4 ? Level::NoKeepAlive : Level::Refuse;
}

// The last of them is the door's to refuse, by the limit itself.
Level of_connections(double share) { return share < 0.8 ? Level::Calm : share < 0.9 ? Level::ShedLow : Level::NoKeepAlive; }

}  // namespace

OverloadLadder::Step OverloadLadder::step(const Strain& strain, bool lags, double ease) const {
  Step found;
  const auto take = [&found](Level level, Cause cause) {
    if (level > found.level) found = {level, cause};
  };
  if (strain.memory) take(of_memory(strain.memory->share() + ease, limits_.memory), Cause::Memory);
  take(of_connections(double(strain.connections) / double(limits_.connections) + ease), Cause::Connections);
  if (lags) take(Level::ShedLow, Cause::LoopLag);
  return found;
}

bool OverloadLadder::look(const Strain& strain, TimePoint now) {
  if (limits_.loop_lag.count() && strain.turn > limits_.loop_lag) lags_until_ = now + kLags;
  const bool lags = now < lags_until_;
  const Step before = now_, up = step(strain, lags, 0), down = step(strain, lags, kEase);
  if (up.level >= now_.level) now_ = up;
  else if (down.level <= now_.level) now_ = down;
  return now_.level != before.level || now_.cause != before.cause;
}

bool OverloadLadder::is_near(const Strain& strain) const {
  constexpr double kShare = 0.75;
  // Of turns there is news once a second.
  const bool there = now_.level != Level::Calm && now_.cause != Cause::LoopLag;
  return there || (strain.memory && limits_.memory > 0 && strain.memory->share() > kShare * limits_.memory) ||
         double(strain.connections) > kShare * 0.8 * double(limits_.connections);
}

OverloadWatch::OverloadWatch(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, const config::Overload& limits,
                             Sources sources, std::shared_ptr<exchange::Pressure> pressure)
    : control_(control), shard_(shard), limits_(limits), sources_(std::move(sources)), pressure_(std::move(pressure)),
      ladder_(limits), level_(catalog.slot(stats::names::kOverloadLevel)) {
  control_.arm(look_, kCalm);
}

void OverloadWatch::on_look() {
  strain_ = {limits_.memory > 0 ? sources_.memory.read() : std::nullopt, sources_.connections->now(), sources_.turn()};
  const Level before = ladder_.level();
  if (ladder_.look(strain_, control_.now())) {
    const Level level = ladder_.level();
    pressure_->set(level, ladder_.cause());
    shard_.set(level_, uint64_t(level));
    if (level > before)
      log::warn("overload", {{"level", unsigned(level)},
                             {"cause", name_of(ladder_.cause())},
                             {"reading", cause_text()},
                             {"effect", effect_of(level)}});
    else if (level < before)
      log::info(level == Level::Calm ? "no overload any more" : "less overload",
                {{"level", unsigned(level)}, {"effect", effect_of(level)}});
  }
  control_.arm(look_, ladder_.is_near(strain_) ? kNear : kCalm);
}

std::string OverloadWatch::cause_text() const {
  switch (ladder_.cause()) {
    case Cause::Memory:
      if (!strain_.memory) break;
      return std::to_string(int(strain_.memory->share() * 100)) + "% of " + config::size_text(strain_.memory->limit) +
             " of memory";
    case Cause::Connections:
      return std::to_string(strain_.connections) + " of " + std::to_string(limits_.connections) + " connections";
    case Cause::LoopLag: return "turns of more than " + std::to_string(limits_.loop_lag.count()) + " ms";
    case Cause::Nothing: break;
  }
  return {};
}

std::string OverloadWatch::describe() const {
  if (ladder_.level() == Level::Calm) return {};
  return "level " + std::to_string(unsigned(ladder_.level())) + ", " + cause_text() + ": " + effect_of(ladder_.level());
}

}  // namespace outrider::server
