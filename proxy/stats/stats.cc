#include "stats/stats.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "base/hash.h"
#include "stats/exemplars.h"
#include "stats/histogram.h"
#include "stats/reader.h"

namespace outrider::stats {

namespace {

constexpr uint64_t kSlotLimit = uint64_t(Shard::kChunk) * Shard::kChunks;

std::string key_of(const Name& name, std::vector<Label> labels) {
  std::sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.name < b.name; });
  std::string key = name.name;
  for (const Label& label : labels) {
    key.push_back('\0');
    key += label.name;
    key.push_back('\0');
    key += label.value;
  }
  return key;
}

constexpr std::string_view kOpenLabels[] = {"cluster", "endpoint", "file",    "listener", "owner", "peer",
                                            "route",   "rule",     "service", "source",   "store", "trust_domain"};

}  // namespace

bool is_open(std::string_view label) {
  return std::find(std::begin(kOpenLabels), std::end(kOpenLabels), label) != std::end(kOpenLabels);
}

bool to_other(std::vector<Label>& labels) {
  bool any = false;
  for (Label& label : labels) {
    if (!is_open(label.name)) continue;
    label.value = kOther;
    any = true;
  }
  return any;
}

// What a catalog and its shards share. Two locks, so that a name found at run time does not wait for a scrape: `names`
// for the table, `shards` for who is there. Taken together only in that order: shards, then names.
struct Ledger {
  Slot add(const Name& name, std::vector<Label> labels, std::string key) {
    uint32_t width = name.kind == Kind::Histogram ? Histogram::kSlots : 1;
    if (next + width > kSlotLimit) {
      dropped.fetch_add(1, std::memory_order_relaxed);
      return kNowhere;
    }
    series.push_back({name, std::move(labels), Slot(next)});
    next += width;
    name.kind == Kind::Histogram ? ++histograms[name.name] : ++scalars;
    return by_key[std::move(key)] = series.back().slot;
  }

  bool full(const Name& name) {
    if (name.kind == Kind::Histogram) return histograms[name.name] >= std::max(1u, max_series / series_per_histogram);
    return scalars >= Catalog::kKept * max_series;
  }

  void leave(const Shard& shard) {
    std::lock_guard hold_shards(shards_mutex);
    std::erase(shards, &shard);
    std::lock_guard hold_names(names_mutex);
    for (const Series& one : series) {
      if (one.name.kind == Kind::Gauge) continue;
      uint32_t width = one.name.kind == Kind::Histogram ? Histogram::kSlots : 1;
      for (uint32_t i = 0; i < width; ++i) {
        uint64_t value = shard.read(one.slot + i);
        if (value) gone.add(one.slot + i, value);
      }
    }
  }

  uint32_t max_series = 0, series_per_histogram = 1;
  std::mutex names_mutex;
  std::deque<Series> series;  // only grows: a Series stays where it is
  std::unordered_map<std::string, Slot, StringHash, std::equal_to<>> by_key;
  uint64_t next = Histogram::kSlots;  // the first are kNowhere, wide enough for a histogram
  uint64_t scalars = 0;
  std::unordered_map<std::string_view, uint32_t> histograms;  // by name
  std::atomic<uint64_t> dropped{0};
  std::mutex shards_mutex;
  std::vector<const Shard*> shards;
  Shard gone;  // sums of those that left
};

Shard::~Shard() {
  if (auto home = home_.lock()) home->leave(*this);
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
  delete exemplars_.load(std::memory_order_relaxed);
}

void Shard::leave_exemplar(Slot histogram, uint64_t microseconds, const TraceId& trace, uint64_t unix_microseconds) {
  ExemplarTable* table = exemplars_.load(std::memory_order_relaxed);
  if (!table) exemplars_.store(table = new ExemplarTable, std::memory_order_release);
  table->leave({histogram, microseconds, unix_microseconds, trace});
}

Shard::Chunk* Shard::grow(size_t which) {
  auto* chunk = new Chunk{};
  chunks_[which].store(chunk, std::memory_order_release);  // a reader that sees it sees its zeros
  return chunk;
}

void Shard::observe(Slot histogram, uint64_t microseconds) {
  add(histogram, microseconds);
  add(histogram + 1 + Histogram::index(microseconds), 1);
}

uint64_t Shard::read(Slot slot) const {
  const Chunk* chunk = chunks_[slot / kChunk].load(std::memory_order_acquire);
  return chunk ? (*chunk)[slot % kChunk].load(std::memory_order_relaxed) : 0;
}

size_t Shard::memory_bytes() const {
  const auto held = std::count_if(chunks_.begin(), chunks_.end(),
                                  [](const auto& chunk) { return chunk.load(std::memory_order_relaxed) != nullptr; });
  return sizeof(Shard) + size_t(held) * sizeof(Chunk);
}

Catalog::Catalog(uint32_t max_series, uint32_t series_per_histogram) : ledger_(std::make_shared<Ledger>()) {
  ledger_->max_series = max_series;
  ledger_->series_per_histogram = series_per_histogram;
}

Catalog::~Catalog() = default;

Slot Catalog::slot(const Name& name, std::vector<Label> labels) {
  std::string key = key_of(name, labels);
  std::lock_guard hold(ledger_->names_mutex);
  auto known = ledger_->by_key.find(key);
  if (known != ledger_->by_key.end()) return known->second;
  if (ledger_->full(name) && to_other(labels)) {
    ledger_->dropped.fetch_add(1, std::memory_order_relaxed);
    key = key_of(name, labels);
    known = ledger_->by_key.find(key);
    if (known != ledger_->by_key.end()) return known->second;
  }
  return ledger_->add(name, std::move(labels), std::move(key));
}

std::unique_ptr<Shard> Catalog::make_shard() {
  auto shard = std::make_unique<Shard>();
  shard->home_ = ledger_;
  std::lock_guard hold(ledger_->shards_mutex);
  ledger_->shards.push_back(shard.get());
  return shard;
}

std::vector<const Series*> Catalog::series(size_t from) const {
  std::lock_guard hold(ledger_->names_mutex);
  std::vector<const Series*> result;
  if (from < ledger_->series.size()) result.reserve(ledger_->series.size() - from);
  for (size_t i = from; i < ledger_->series.size(); ++i) result.push_back(&ledger_->series[i]);
  return result;
}

uint64_t Catalog::total(const Series& series) const { return Reader(*this).total(series.slot); }

uint64_t Catalog::total(const Name& unlabelled) const {
  Slot slot = kNowhere;
  {
    std::lock_guard hold(ledger_->names_mutex);
    const auto known = ledger_->by_key.find(std::string_view(unlabelled.name));
    if (known == ledger_->by_key.end()) return 0;
    slot = known->second;
  }
  return Reader(*this).total(slot);
}

Histogram Catalog::histogram(const Series& series) const {
  Histogram result;
  Reader(*this).add_to(result, series.slot);
  return result;
}

Reader::Reader(const Catalog& catalog) : ledger_(*catalog.ledger_), hold_(ledger_.shards_mutex) {}

uint64_t Reader::total(Slot slot) const {
  uint64_t sum = ledger_.gone.read(slot);
  for (const Shard* shard : ledger_.shards) sum += shard->read(slot);
  return sum;
}

void Reader::add_to(Histogram& sum, Slot slot) const {
  const auto merge = [&](const Shard& shard) {
    sum.add(0, 0, shard.read(slot));
    for (uint32_t i = 0; i < Histogram::kBuckets; ++i)
      if (const uint64_t count = shard.read(slot + 1 + i)) sum.add(i, count, 0);
  };
  merge(ledger_.gone);
  for (const Shard* shard : ledger_.shards) merge(*shard);
}

std::vector<Exemplar> Reader::exemplars() const {
  std::vector<Exemplar> all;
  for (const Shard* shard : ledger_.shards)
    if (const ExemplarTable* table = shard->exemplars_.load(std::memory_order_acquire)) table->append_to(all);
  return all;
}

size_t Catalog::memory_bytes() const {
  std::lock_guard hold(ledger_->shards_mutex);
  size_t sum = ledger_->gone.memory_bytes();
  for (const Shard* shard : ledger_->shards) sum += shard->memory_bytes();
  return sum;
}

uint32_t Catalog::max_series() const { return ledger_->max_series; }
uint64_t Catalog::dropped() const { return ledger_->dropped.load(std::memory_order_relaxed); }
void Catalog::count_dropped(uint64_t times) { ledger_->dropped.fetch_add(times, std::memory_order_relaxed); }

}  // namespace outrider::stats
