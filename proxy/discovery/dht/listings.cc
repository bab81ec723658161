#include "discovery/dht/listings.h"

namespace outrider::discovery {

namespace {
constexpr milliseconds kLookAgain = std::chrono::minutes(1);
constexpr size_t kOpened = 2;            // keys at once: each answers with all that lies there
constexpr milliseconds kOpening{100};    // until the next ones
constexpr milliseconds kListened{1000};  // after the last ones, until they are read, which costs nothing then
constexpr size_t kMostRefused = 4096;
}  // namespace

Listings::Listings(net::Loop& loop, Table& table, const DhtOptions& options, Verifier& verifier, DhtStats& stats,
                   ListingsEvents& events)
    : loop_(loop), table_(table), options_(options), verifier_(verifier), stats_(stats), events_(events) {}

void Listings::on_written(const std::string& service, const InstanceId& instance, const std::string& record, bool gone) {
  auto& own = own_[{service, instance}];
  if (!own) own = std::make_shared<Own>(Own{service, instance, {}, false, false, {}});
  if (own->listed) table_.drop(key_of(*own), own->record);
  if (gone) {
    own_.erase({service, instance});
    return;
  }
  own->record = record;
  if (own->listed) put(*own);
  look(own);
}

void Listings::on_connected(bool connected) {
  connected_ = connected;
  for (const auto& [name, own] : std::map(own_)) look(own);
}

void Listings::put_again() {
  for (const auto& [name, own] : own_) {
    if (!own->listed) continue;
    table_.drop(key_of(*own), own->record);
    put(*own);
  }
}

void Listings::add_keys(std::set<std::string>& keys) const {
  for (const auto& [name, own] : own_)
    if (own->listed) keys.insert(key_of(*own));
}

// Who else lists this service? Those with lower ids go first.
void Listings::look(const std::shared_ptr<Own>& own) {
  if (!connected_ || own->looking || (own->looked != TimePoint{} && loop_.now() < own->looked + kLookAgain)) return;
  own->looking = true;
  const auto before = std::make_shared<std::set<InstanceId>>();
  const std::weak_ptr<Own> weak = own;
  table_.sample(
      key_of(*own), listing_part(own->service),
      [this, weak, before](const Values& values) {
        const auto own = weak.lock();
        const WallTime now = net::Loop::wall();
        for (const auto& bytes : values) {
          if (!own || before->size() >= kSpeakers) return;
          const Record record = parse_record(bytes).record;
          if (record.service != own->service || record.instance >= own->instance || record.not_after <= now) continue;
          if (verifier_.read(bytes, own->service, now)) before->insert(record.instance);
        }
      },
      [this, weak, before](bool ok) {
        const auto own = weak.lock();
        if (!own) return;
        own->looking = false;
        if (!ok) return;
        own->looked = loop_.now();
        settle(*own, before->size() < kSpeakers);
      });
}

void Listings::settle(Own& own, bool speaks) {
  if (own.listed == speaks) return;
  own.listed = speaks;
  if (speaks) put(own);
  else table_.drop(key_of(own), own.record);
}

void Listings::want() {
  const bool first = !wanted();
  loop_.arm(idle_, kIdle);
  if (!first) return;
  asked_ = std::make_shared<bool>(true);
  on_more();
}

void Listings::forget() {
  for (size_t n = 0; n < listening_.size(); ++n) table_.unlisten(listing_key(options_.trust_domain, n), listening_[n]);
  listening_.clear();
  entries_.clear();
  refused_.clear();
  quota_ = Quota(kMostOfSigner);
  complete_ = false;
  asked_.reset();
  more_.cancel();
  idle_.cancel();
}

void Listings::on_more() {
  if (listening_.size() == kListingKeys) return read();
  for (size_t i = 0; i < kOpened && listening_.size() < kListingKeys; ++i) listen(listening_.size());
  loop_.arm(more_, listening_.size() < kListingKeys ? kOpening : kListened);
}

void Listings::listen(size_t n) {
  listening_.push_back(table_.listen(listing_key(options_.trust_domain, n), [this, n](const Values& values, bool expired) {
    if (!expired) return add(n, values);
    for (const auto& bytes : values) entries_.erase(value_id(bytes));
  }));
}

void Listings::read() {
  unanswered_ = kListingKeys;
  const std::weak_ptr<bool> asked = asked_;
  for (size_t n = 0; n < kListingKeys; ++n)
    table_.get(
        listing_key(options_.trust_domain, n),
        [this, asked, n](const Values& values) {
          if (asked.lock()) add(n, values);
        },
        [this, asked](bool) {
          if (!asked.lock() || --unanswered_ > 0) return;
          complete_ = true;
          events_.on_listed();
        });
}

void Listings::add(size_t n, const Values& values) {
  const WallTime now = net::Loop::wall();
  for (const auto& bytes : values) {
    const uint64_t id = value_id(bytes);
    if (entries_.contains(id) || refused_.contains(id) || take(n, id, bytes, now)) continue;
    if (refused_.size() >= kMostRefused) refused_.clear();
    refused_.insert(id);
  }
}

bool Listings::take(size_t n, uint64_t id, const std::string& bytes, WallTime now) {
  const Parsed parsed = parse_record(bytes);
  if (parsed.verdict == RecordVerdict::Ok && parsed.record.not_after <= now) return false;  // it lives longer than what it says
  if (entries_.size() >= kMost) {
    stats_.unlisted.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  const auto believed = verifier_.read(bytes, {}, now);
  if (!believed || believed->record.tombstone) return false;
  const Record& record = believed->record;
  if (listing_key(options_.trust_domain, record.service) != listing_key(options_.trust_domain, n)) {
    verifier_.refuse(RecordVerdict::Replayed);
    return false;
  }
  if (!quota_.take(record.leaf, id, record.not_after, now)) {
    verifier_.refuse(RecordVerdict::Quota);
    stats_.unlisted.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  entries_[id] = {record.service, record.protocol, record.not_after};
  return true;
}

std::vector<DhtFacts::Listed> Listings::listed() const {
  std::map<std::string, std::string> names;
  const WallTime now = net::Loop::wall();
  for (const auto& [id, entry] : entries_)
    if (now < entry.expires) names[entry.service] = entry.protocol;
  std::vector<DhtFacts::Listed> all;
  for (auto& [service, protocol] : names) all.push_back({service, std::move(protocol)});
  return all;
}

}  // namespace outrider::discovery
