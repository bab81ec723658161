#include "stats/stats.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "base/hash.h"
#include "stats/histogram.h"

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

}  // namespace

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
    count += name.kind == Kind::Histogram ? series_per_histogram : 1;
    return by_key[std::move(key)] = series.back().slot;
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
  uint32_t count = 0;
  std::atomic<uint64_t> dropped{0};
  std::mutex shards_mutex;
  std::vector<const Shard*> shards;
  Shard gone;  // sums of those that left
};

Shard::~Shard() {
  if (auto home = home_.lock()) home->leave(*this);
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
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
  uint32_t cost = name.kind == Kind::Histogram ? ledger_->series_per_histogram : 1;
  if (!labels.empty() && ledger_->count + cost > ledger_->max_series - room_for_samples()) {
    ledger_->dropped.fetch_add(1, std::memory_order_relaxed);
    for (Label& label : labels) label.value = "__other__";
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

std::vector<const Series*> Catalog::series() const {
  std::lock_guard hold(ledger_->names_mutex);
  std::vector<const Series*> result;
  result.reserve(ledger_->series.size());
  for (const Series& one : ledger_->series) result.push_back(&one);
  return result;
}

uint64_t Catalog::total(const Series& series) const {
  std::lock_guard hold(ledger_->shards_mutex);
  uint64_t sum = ledger_->gone.read(series.slot);
  for (const Shard* shard : ledger_->shards) sum += shard->read(series.slot);
  return sum;
}

Histogram Catalog::histogram(const Series& series) const {
  Histogram result;
  auto merge = [&](const Shard& shard) {
    result.add(0, 0, shard.read(series.slot));
    for (uint32_t i = 0; i < Histogram::kBuckets; ++i) result.add(i, shard.read(series.slot + 1 + i), 0);
  };
  std::lock_guard hold(ledger_->shards_mutex);
  merge(ledger_->gone);
  for (const Shard* shard : ledger_->shards) merge(*shard);
  return result;
}

uint32_t Catalog::series_count() const {
  std::lock_guard hold(ledger_->names_mutex);
  return ledger_->count;
}

size_t Catalog::memory_bytes() const {
  std::lock_guard hold(ledger_->shards_mutex);
  size_t sum = ledger_->gone.memory_bytes();
  for (const Shard* shard : ledger_->shards) sum += shard->memory_bytes();
  return sum;
}

uint32_t Catalog::max_series() const { return ledger_->max_series; }
uint32_t Catalog::room_for_samples() const { return ledger_->max_series / 5; }
uint64_t Catalog::dropped() const { return ledger_->dropped.load(std::memory_order_relaxed); }
void Catalog::count_dropped() { ledger_->dropped.fetch_add(1, std::memory_order_relaxed); }

}  // namespace outrider::stats
