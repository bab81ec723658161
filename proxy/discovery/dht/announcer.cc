#include "discovery/dht/announcer.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace outrider::discovery {

namespace {

constexpr size_t kInstancesAKey = 64;  // on average; a key of many more is slow to read
constexpr uint16_t kMostShards = 256;
constexpr size_t kBeacons = 4;  // records under the first key that tell newcomers how many keys there are

uint16_t shards_for(size_t instances) {
  uint16_t shards = 1;
  while (shards < kMostShards && size_t(shards) * kInstancesAKey < instances) shards = uint16_t(shards * 2);
  return shards;
}

bool same(const Instance& a, const Instance& b) {
  return a.address == b.address && a.version == b.version && a.zone == b.zone && a.protocol == b.protocol &&
         a.labels == b.labels && a.weight == b.weight && a.slots == b.slots && a.draining == b.draining &&
         a.mutual_tls == b.mutual_tls;
}

}  // namespace

Announcer::Announcer(net::Loop& loop, Table& table, const DhtOptions& options, Verifier& verifier, DhtStats& stats,
                     AnnouncerEvents& events)
    : loop_(loop), table_(table), options_(options), verifier_(verifier), stats_(stats), events_(events) {}

void Announcer::announce(const std::string& service, const Instance& facts) {
  const std::string name = facts.instance.empty() ? service : service + ' ' + facts.instance;
  auto& own = own_[name];
  const bool first = !own;
  if (first) {
    if (options_.signs() && !options_.owners.may_speak_for(service, options_.identity->id, options_.trust_domain))
      log::warn("nobody will believe this registration: its signer may not speak for the service",
                {{"service", service}, {"identity", options_.identity->id.text()}});
    own = std::make_shared<Own>(*this, service, name);
    own->shards = std::max<uint16_t>(1, options_.shards);
    own->id = new_instance_id();
    const auto given = from_hex(facts.instance);
    if (given && given->size() == own->id.size()) std::copy(given->begin(), given->end(), own->id.begin());
  } else if (!own->gone && same(own->facts, facts)) {
    return;
  }
  own->facts = facts;
  own->gone = false;
  own->changed = true;
  const TimePoint may = own->written + options_.change;
  if (!first && loop_.now() < may) return loop_.arm(own->due, std::chrono::ceil<milliseconds>(may - loop_.now()));
  const auto keep = own;
  write(*keep);
  if (first) survey(keep);
}

void Announcer::withdraw(const std::string& service) {
  for (const auto& [name, own] : own_) {
    if (own->service != service || own->gone) continue;
    own->gone = own->leaving = true;
    write(*own);
    loop_.arm(own->farewell, options_.farewell);
  }
}

void Announcer::withdraw_all() {
  std::set<std::string> services;
  for (const auto& [name, own] : own_) services.insert(own->service);
  for (const auto& service : services) withdraw(service);
}

bool Announcer::leaving() const {
  return std::any_of(own_.begin(), own_.end(), [](const auto& one) { return one.second->leaving; });
}

void Announcer::on_due(Own& own) {
  const auto keep = own_.at(own.name);
  if (own.gone && net::Loop::wall() >= own.not_after) {  // nobody can know an older version any more
    for (const auto& value : own.lying) table_.drop(value.key, value.value);
    own_.erase(keep->name);
    return;
  }
  const bool renewal = !own.changed;
  write(own);
  // Every instance reading the first key at each renewal would be quadratic: about eight of them do.
  if (renewal && !own.gone && (!own.also.empty() || loop_.random().below(kInstancesAKey / 8) == 0)) survey(keep);
}

// Puts the present state under each of its keys and lets go of what was there before.
void Announcer::write(Own& own) {
  const WallTime now = net::Loop::wall();
  Announcement what;
  what.trust_domain = options_.trust_domain;
  what.service = own.service;
  what.shards = own.shards;
  what.instance = own.id;
  what.sequence = own.sequence = std::max<uint64_t>(own.sequence + 1, uint64_t(to_ms(now)));
  what.issued = what.not_before = from_ms(to_ms(now));
  what.not_after = own.not_after = what.issued + options_.valid;
  what.tombstone = own.gone;
  what.draining = own.facts.draining;
  what.ready = !own.gone && !own.facts.draining;
  what.mutual_tls = own.facts.mutual_tls;
  what.protocol = own.facts.protocol;
  what.weight = own.facts.weight;
  what.slots = own.facts.slots;
  what.zone = own.facts.zone;
  what.version = own.facts.version;
  what.labels = own.facts.labels;
  std::sort(what.labels.begin(), what.labels.end());
  if (auto address = net::Address::parse(own.facts.address)) what.address = *address;
  own.written = loop_.now();
  own.changed = own.acknowledged = own.told = false;
  own.unanswered = 0;

  std::set<uint16_t> keys = own.also;
  keys.insert(shard_of(own.id, own.shards));
  std::vector<Lying> before = std::move(own.lying);
  own.lying.clear();
  for (const uint16_t shard : keys) {
    what.shard = shard;
    auto bytes = write_record(what, options_.signs() ? verifier_.identity().get() : nullptr);
    if (!bytes) {
      log::error("cannot write a registration", {{"service", own.service}, {"why", bytes.why()}});
      continue;
    }
    own.lying.push_back({key_name(options_.trust_domain, own.service, shard), std::move(*bytes)});
  }
  for (const auto& value : before) table_.drop(value.key, value.value);
  own.unanswered = own.lying.size();
  const auto keep = own_.at(own.name);
  for (const auto& value : std::vector<Lying>(own.lying)) put(keep, value);
  if (own.lying.empty()) answered(own, own.sequence, false);
  else events_.on_written(own.service, own.id, own.lying.front().value, own.gone);
  const auto half = std::chrono::duration_cast<milliseconds>(options_.valid) / 2;
  if (own.gone) loop_.arm(own.due, options_.valid + milliseconds(10));
  else loop_.arm(own.due, half - milliseconds(loop_.random().below(uint32_t(half.count() / 10 + 1))));
}

void Announcer::put(const std::shared_ptr<Own>& own, const Lying& value) {
  table_.put(value.key, value.value, [weak = std::weak_ptr<Own>(own), sequence = own->sequence](bool acknowledged) {
    if (const auto own = weak.lock()) own->announcer.answered(*own, sequence, acknowledged);
  });
}

void Announcer::answered(Own& own, uint64_t sequence, bool acknowledged) {
  if (sequence != own.sequence) return;  // of a version that is history
  if (own.unanswered > 0) --own.unanswered;
  own.acknowledged |= acknowledged;
  if (!own.told && (acknowledged || own.unanswered == 0)) {
    own.told = true;
    (acknowledged ? stats_.published : stats_.publish_failed).fetch_add(1, std::memory_order_relaxed);
    events_.on_version(own.service, acknowledged);
  }
  if (own.leaving && (own.unanswered == 0 || (acknowledged && own.lying.size() == 1))) part(own, own.acknowledged);
}

void Announcer::part(Own& own, bool acknowledged) {
  if (!own.leaving) return;
  own.leaving = false;
  own.farewell.cancel();
  const bool last = std::none_of(own_.begin(), own_.end(),
                                 [&](const auto& one) { return one.second->leaving && one.second->service == own.service; });
  if (last) events_.on_gone(own.service, acknowledged || own.acknowledged);
}

// Values put while alone are announced by the table in its own time; this does it now.
void Announcer::on_connected() {
  for (const auto& [name, own] : std::map<std::string, std::shared_ptr<Own>>(own_)) {
    if (own->acknowledged) continue;
    put_again(own);
    if (!own->gone) survey(own);
  }
}

void Announcer::put_again() {
  for (const auto& [name, own] : own_) put_again(own);
}

void Announcer::put_again(const std::shared_ptr<Own>& own) {
  own->unanswered = own->lying.size();
  for (const auto& value : std::vector<Lying>(own->lying)) {
    table_.drop(value.key, value.value);
    put(own, value);
  }
}

void Announcer::on_identity_changed() {
  for (const auto& [name, own] : std::map<std::string, std::shared_ptr<Own>>(own_)) write(*own);
}

void Announcer::add_keys(std::set<std::string>& keys) const {
  for (const auto& [name, own] : own_)
    for (const auto& value : own->lying) keys.insert(value.key);
}

// Reads the first key of the service: how many keys it has, and whether it needs more. One reading serves all who ask.
void Announcer::survey(const std::shared_ptr<Own>& own) {
  const std::string service = own->service;
  auto& survey = surveys_[service];
  const bool under_way = survey != nullptr;
  if (!under_way) survey = std::make_shared<Survey>();
  survey->waiting.push_back(own);
  if (under_way) return;
  table_.sample(
      key_name(options_.trust_domain, service, 0), part_of(loop_.random().below(kParts)),
      [this, service, survey](const Values& values) {
        for (const auto& value : values)
          if (auto believed = verifier_.read(value, service, net::Loop::wall()))
            survey->sample.push_back(std::move(believed->record));
      },
      [this, service, survey](bool ok) {
        surveys_.erase(service);
        for (const auto& weak : survey->waiting)
          if (const auto own = weak.lock(); ok && own && !own->gone) surveyed(*own, *survey);
      });
}

// By the sample: whoever lies under the first key because its id falls there stands for one under every other key; beacons
// stand for nobody. Versions that fade count too: it is an estimate.
void Announcer::surveyed(Own& own, const Survey& survey) {
  size_t instances = 0, beacons = 0;
  uint16_t wanted = own.shards;
  for (const Record& record : survey.sample) {
    const uint16_t shards = std::min(record.shards, kMostShards);
    if (record.tombstone) continue;
    wanted = std::max(wanted, shards);
    if (shards >= own.shards && record.instance != own.id) beacons += kParts;
    if (shard_of(record.instance, shards) == 0) instances += kParts * shards;
  }
  std::set<uint16_t> also;
  if (const uint16_t needed = shards_for(instances); options_.shards == 0 && needed > wanted) {
    // It grows: until the next renewal the record lies under the old key too, for those who have not heard of the new.
    also.insert(shard_of(own.id, wanted));
    wanted = needed;
  }
  if (options_.shards != 0) wanted = options_.shards;
  const uint16_t mine = shard_of(own.id, wanted);
  if (mine != 0 && beacons < kBeacons) also.insert(0);
  also.erase(mine);
  if (wanted == own.shards && also == own.also) return;
  own.shards = wanted;
  own.also = std::move(also);
  write(own);
}

std::vector<DhtFacts::Own> Announcer::facts() const {
  std::vector<DhtFacts::Own> all;
  const WallTime now = net::Loop::wall();
  for (const auto& [name, own] : own_) {
    if (own->gone) continue;
    const double left = double(to_ms(own->not_after) - to_ms(now)) / 1000;
    all.push_back({own->service, own->facts.address, own->sequence, left, own->acknowledged, own->shards});
  }
  return all;
}

}  // namespace outrider::discovery
