#include "discovery/dht/watches.h"

#include <algorithm>

namespace outrider::discovery {

namespace {
constexpr uint16_t kMostShards = 256;
constexpr milliseconds kFirstRetry{1000};
constexpr milliseconds kLongestReading{30000};
constexpr milliseconds kYoung{120000}, kOften{6000};  // a watch so young that finds nothing looks again so often
constexpr uint8_t kMissing = 2;                       // readings that must not show a value until it counts as gone
constexpr uint8_t kDrowned = 3;  // readings in a row that proved nothing until they are taken for what they are
constexpr size_t kMostRefused = 4096, kMostKept = 10000;
constexpr size_t kPings = 3;
constexpr size_t kOpened = 8;            // keys of a service at once: up to a megabyte of answers
constexpr milliseconds kOpening{100};    // until the next ones
constexpr milliseconds kListened{1000};  // after the last ones, until they are read

// A clock that is set, a certificate that becomes valid, a bundle that is renewed: looked at again. The rest stays as it is.
bool may_pass(RecordVerdict why) {
  return why == RecordVerdict::Skew || why == RecordVerdict::Expired || why == RecordVerdict::UnknownCa ||
         why == RecordVerdict::Muted || why == RecordVerdict::Quota;
}
}  // namespace

Watches::Watches(net::Loop& loop, Table& table, const DhtOptions& options, Verifier& verifier, WatchesEvents& events)
    : loop_(loop), table_(table), options_(options), verifier_(verifier), events_(events) {}

void Watches::watch(const std::string& service) {
  auto& watch = watches_[service];
  if (watch) return;
  watch = std::make_shared<Watch>(*this, service);
  watch->since = loop_.now();
  const Pointer keep = watch;
  if (const auto it = loaded_.find(service); it != loaded_.end()) {
    const std::vector<Kept> records = std::move(it->second);
    loaded_.erase(it);
    for (const auto& one : records)
      if (const auto believed = verifier_.read(one.bytes, service, net::Loop::wall(), options_.stale_serve)) {
        this->keep(*keep, *believed->facts, false, one.bytes);
        events_.on_remembered(service, believed->facts);
      }
  }
  extend(keep, std::max<uint16_t>(1, options_.shards));
  if (connected_) read(keep);
}

void Watches::unwatch(const std::string& service) {
  const auto it = watches_.find(service);
  if (it == watches_.end()) return;
  const Pointer watch = it->second;
  watches_.erase(it);
  watch->due.cancel();
  watch->more.cancel();
  for (const auto& [key, token] : watch->listening) table_.unlisten(key, token);
  auto& loaded = loaded_[service];
  for (auto& [instance, kept] : watch->kept)
    if (!kept.tombstone) loaded.push_back(std::move(kept));
  const WallTime now = net::Loop::wall();
  for (auto& [name, records] : loaded_) std::erase_if(records, [&](const Kept& kept) { return over(kept, now); });
  std::erase_if(loaded_, [](const auto& one) { return one.second.empty(); });
}

void Watches::on_connected(bool connected) {
  connected_ = connected;
  if (!connected) return;
  for (const auto& [service, watch] : std::map<std::string, Pointer>(watches_)) {
    watch->retry = milliseconds(0);
    read(watch);
  }
}

void Watches::on_trust_changed() {
  const WallTime now = net::Loop::wall();
  for (const auto& [service, watch] : std::map<std::string, Pointer>(watches_)) {
    watch->refused.clear();
    std::erase_if(watch->kept, [&](const auto& one) {
      const Kept& kept = one.second;
      if (now >= kept.expires || verifier_.trusts_signer(kept.bytes, now)) return false;
      changed_ = true;
      if (const auto it = watch->values.find(value_id(kept.bytes)); it != watch->values.end()) {
        const auto facts = it->second.facts;
        watch->values.erase(it);
        if (!kept.tombstone) events_.on_lapsed(service, facts);
      }
      return true;
    });
    if (connected_) read(watch);
  }
}

void Watches::add_keys(std::set<std::string>& keys) const {
  for (const auto& [service, watch] : watches_)
    for (const auto& [key, token] : watch->listening) keys.insert(key);
}

void Watches::extend(const Pointer& watch, uint16_t shards) {
  watch->shards = std::max(watch->shards, shards);
  if (watch->listening.empty()) listen(watch);
  if (watch->listening.size() < watch->shards && !watch->more.armed()) loop_.arm(watch->more, milliseconds(0));
}

void Watches::more(const Pointer& watch) {
  const size_t before = watch->listening.size();
  while (watch->listening.size() < std::min<size_t>(watch->shards, before + kOpened)) listen(watch);
  if (watch->listening.size() < watch->shards) return loop_.arm(watch->more, kOpening);
  if (watch->listening.size() > before) return loop_.arm(watch->more, kListened);
  if (watch->asked == 0) {
    if (connected_ && watch->reading > 0) read(watch);
    return;
  }
  read_keys(watch);  // a reading is under way: it takes the new keys along
  if (watch->unanswered == 0) finish(*watch);
}

void Watches::listen(const Pointer& watch) {
  const std::string key = key_name(options_.trust_domain, watch->service, uint16_t(watch->listening.size()));
  const std::weak_ptr<Watch> weak = watch;
  const uint64_t token = table_.listen(key, [this, weak](const Values& values, bool expired) {
    const auto watch = weak.lock();
    if (!watch) return;
    if (expired) ended(*watch, values);
    else add(watch, values, true);
  });
  watch->listening.emplace_back(key, token);
}

void Watches::read(const Pointer& watch) {
  if (watch->asked > 0 && loop_.now() < watch->read_at + kLongestReading) return;
  ++watch->reading;
  watch->read_at = loop_.now();
  watch->junk = verifier_.junk();
  watch->asked = watch->unanswered = 0;
  watch->whole = true;
  loop_.arm(watch->due, kLongestReading);  // should an answer never come
  read_keys(watch);
}

void Watches::read_keys(const Pointer& watch) {
  const std::weak_ptr<Watch> weak = watch;
  const uint64_t reading = watch->reading;
  while (watch->asked < watch->listening.size()) {
    ++watch->unanswered;
    table_.get(
        watch->listening[watch->asked++].first,
        [this, weak](const Values& values) {
          if (const auto watch = weak.lock()) add(watch, values, false);
        },
        [this, weak, reading](bool ok) {
          if (const auto watch = weak.lock()) read_done(*watch, reading, ok);
        });
  }
}

void Watches::read_done(Watch& watch, uint64_t reading, bool ok) {
  if (reading != watch.reading || watch.unanswered == 0) return;
  watch.whole &= ok;
  if (--watch.unanswered > 0 || watch.more.armed()) return;  // armed: there are keys to be read yet
  if (watches_.count(watch.service)) finish(watch);
}

void Watches::finish(Watch& watch) {
  watch.asked = 0;
  // Under a flood honest answers get lost, and the liars' are what is left: they prove no absence.
  const bool drowned = watch.values.empty() && verifier_.junk() != watch.junk && watch.drowned < kDrowned;
  watch.drowned = drowned ? watch.drowned + 1 : 0;
  if (!watch.whole || !connected_ || drowned) {
    watch.retry = watch.retry == milliseconds(0) ? kFirstRetry : std::min(watch.retry * 2, options_.reconcile);
    loop_.arm(watch.due, watch.retry);
    return;
  }
  watch.retry = milliseconds(0);
  const WallTime now = net::Loop::wall();
  for (auto it = watch.values.begin(); it != watch.values.end();) {
    Seen& seen = it->second;
    if (now >= seen.facts->expires + std::chrono::minutes(1)) {
      it = watch.values.erase(it);
      continue;
    }
    if (seen.reading == watch.reading) seen.missing = 0;
    else if (++seen.missing >= kMissing && !seen.ending) {
      seen.ending = true;
      ending_.emplace_back(watch.service, it->first);
    }
    ++it;
  }
  std::erase_if(watch.refused, [&](const auto& one) { return loop_.now() >= one.second; });
  std::erase_if(watch.kept, [&](const auto& one) { return over(one.second, now); });
  confirm();
  const bool first = !std::exchange(watch.answered, true);
  // Where nothing was found, those who know may not have been among those we knew.
  const milliseconds most = loop_.now() < watch.since + kYoung ? std::min(kOften, options_.reconcile) : options_.reconcile;
  watch.empty = watch.values.empty() ? std::min(std::max(watch.empty * 2, kFirstRetry), most) : milliseconds(0);
  const milliseconds pause = watch.empty == milliseconds(0) ? options_.reconcile : watch.empty;
  loop_.arm(watch.due, pause + milliseconds(loop_.random().below(uint32_t(pause.count()))));
  events_.on_answered(watch.service, std::chrono::duration_cast<milliseconds>(loop_.now() - watch.since), first);
}

void Watches::add(const Pointer& watch, const Values& values, bool pushed) {
  const WallTime now = net::Loop::wall();
  uint16_t shards = uint16_t(watch->listening.size());
  for (const auto& bytes : values) {
    const uint64_t id = value_id(bytes);
    if (const auto it = watch->values.find(id); it != watch->values.end()) {
      it->second.reading = watch->reading;
      it->second.ending = false;  // here it is
      continue;
    }
    const auto refused = watch->refused.find(id);
    if ((refused != watch->refused.end() && loop_.now() < refused->second) || watch->values.size() >= kMostValues) continue;
    RecordVerdict why = RecordVerdict::Ok;
    auto believed = verifier_.read(bytes, watch->service, now, {}, &why);
    if (!believed) {
      refuse(*watch, id, why);
      continue;
    }
    if (!watch->quota.take(believed->record.leaf, id, believed->facts->expires, now)) {
      verifier_.refuse(RecordVerdict::Quota);
      refuse(*watch, id, RecordVerdict::Quota);
      continue;
    }
    const bool tombstone = believed->record.tombstone;
    watch->values[id] = {believed->facts, tombstone, 0, watch->reading, false};
    keep(*watch, *believed->facts, tombstone, bytes);
    if (options_.shards == 0) shards = std::max(shards, std::min(believed->record.shards, kMostShards));
    events_.on_learned(watch->service, believed->facts, tombstone, pushed && watch->answered);
  }
  extend(watch, shards);
}

void Watches::refuse(Watch& watch, uint64_t id, RecordVerdict why) {
  if (watch.refused.size() >= kMostRefused) watch.refused.clear();
  watch.refused[id] = loop_.now() + (may_pass(why) ? options_.doubt : 2 * options_.valid);
}

void Watches::keep(Watch& watch, const Instance& facts, bool tombstone, const std::string& bytes) {
  const std::string key = facts.identity + ' ' + facts.instance;
  auto it = watch.kept.find(key);
  if (it != watch.kept.end() && it->second.sequence >= facts.sequence) return;
  const WallTime now = net::Loop::wall();
  if (it == watch.kept.end()) {
    if (watch.kept.size() >= kMostKept) std::erase_if(watch.kept, [&](const auto& one) { return now >= one.second.expires; });
    if (watch.kept.size() >= kMostKept) return;
  }
  watch.kept[key] = {tombstone ? std::string() : bytes, facts.sequence, facts.expires, tombstone};
  changed_ = true;
}

// Nobody can know an older version of what has left any more, or the rest is too old to be served.
bool Watches::over(const Kept& kept, WallTime now) const {
  return now >= kept.expires + (kept.tombstone ? milliseconds(0) : options_.stale_serve);
}

void Watches::ended(Watch& watch, const Values& values) {
  for (const auto& bytes : values) {
    const uint64_t id = value_id(bytes);
    const auto it = watch.values.find(id);
    if (it == watch.values.end() || it->second.ending) continue;
    it->second.ending = true;
    ending_.emplace_back(watch.service, id);
  }
  confirm();
}

// Pings a few peers: the first answer proves that it is not us who is gone.
void Watches::confirm() {
  if (pings_ > 0 || ending_.empty()) return;
  in_round_ = std::exchange(ending_, {});
  const auto peers = table_.some_peers(kPings);
  if (peers.empty()) return confirmed(false);
  pings_ = peers.size();
  const std::weak_ptr<bool> alive = alive_;
  for (const auto& peer : peers)
    table_.ping(peer, [this, alive](bool answered) {
      if (alive.expired()) return;
      --pings_;
      if (answered || pings_ == 0) confirmed(answered);
    });
}

void Watches::confirmed(bool heard) {
  for (const auto& [service, id] : std::exchange(in_round_, {})) {
    const auto watch = watches_.find(service);
    if (watch == watches_.end()) continue;
    const auto it = watch->second->values.find(id);
    if (it == watch->second->values.end() || !it->second.ending) continue;
    it->second.ending = false;
    if (!heard) continue;  // a later reading will tell
    const auto facts = it->second.facts;
    watch->second->values.erase(it);  // should it come back, it is learned again
    events_.on_lapsed(service, facts);
  }
  confirm();
}

void Watches::load(Values records) {
  for (auto& bytes : records)
    if (auto parsed = parse_record(bytes); parsed.verdict == RecordVerdict::Ok)
      loaded_[parsed.record.service].push_back({std::move(bytes), parsed.record.sequence, parsed.record.not_after, false});
}

size_t Watches::entries() const {
  size_t all = 0;
  for (const auto& [service, watch] : watches_) all += watch->values.size() + watch->refused.size() + watch->kept.size();
  for (const auto& [service, records] : loaded_) all += records.size();
  return all;
}

Values Watches::records() const {
  Values all;
  const WallTime now = net::Loop::wall();
  for (const auto& [service, watch] : watches_)
    for (const auto& [instance, kept] : watch->kept)
      if (!kept.tombstone && !over(kept, now)) all.push_back(kept.bytes);
  for (const auto& [service, records] : loaded_)
    for (const auto& kept : records)
      if (!over(kept, now)) all.push_back(kept.bytes);
  return all;
}

}  // namespace outrider::discovery
