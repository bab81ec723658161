#pragma once
// Numbers that workers write and scrapes read, without a lock between them.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::stats {

using Slot = uint32_t;  // index into every worker's shard

enum class Kind : uint8_t { Counter, Gauge, Histogram };
enum class Range : uint8_t { Usual, Fine, Long };  // which bounds a histogram is shown with (collector.h)
struct Name {                                      // one row of names.h
  const char* name;
  const char* help;
  Kind kind;
  double scale = 1;  // what one unit in a shard is in the metric's unit: 1e-6 for _seconds kept in microseconds
  Range range = Range::Usual;
};
struct Label {
  std::string name, value;
  bool operator==(const Label&) const = default;
};

class Histogram;
struct Ledger;

// Always there and never shown: for what is counted only when somebody asked for it.
inline constexpr Slot kNowhere = 0;

// Written by one thread, read by any: a relaxed load and store, no locked instruction. Grows by chunks that never move,
// since names are found at run time while a scrape reads. Owned by the supervisor, one per writing thread. When it is
// destroyed its counters and histograms stay in the catalog's totals; its gauges go with it.
class Shard {
 public:
  static constexpr Slot kChunk = 1024;
  static constexpr size_t kChunks = 4096;
  Shard() = default;
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  void add(Slot slot, uint64_t n = 1) { write(slot, cell(slot).load(std::memory_order_relaxed) + n); }
  void sub(Slot slot, uint64_t n = 1) { write(slot, cell(slot).load(std::memory_order_relaxed) - n); }  // gauges
  void set(Slot slot, uint64_t value) { write(slot, value); }  // gauges; two's complement for negatives
  void observe(Slot histogram, uint64_t microseconds);         // log-linear buckets, fixed count (histogram.h)
  uint64_t read(Slot slot) const;                              // any thread
  size_t memory_bytes() const;                                 // any thread

 private:
  using Chunk = std::array<std::atomic<uint64_t>, kChunk>;
  std::atomic<uint64_t>& cell(Slot slot) {
    Chunk* chunk = chunks_[slot / kChunk].load(std::memory_order_relaxed);
    return (*(chunk ? chunk : grow(slot / kChunk)))[slot % kChunk];
  }
  void write(Slot slot, uint64_t value) { cell(slot).store(value, std::memory_order_relaxed); }
  friend class Catalog;
  Chunk* grow(size_t which);
  std::weak_ptr<Ledger> home_;
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
};

struct Series {  // one name with one set of labels
  Name name;
  std::vector<Label> labels;
  Slot slot = kNowhere;
};

// Cold: names and labels to slots. Runs when a configuration is compiled or a name is found, never per request. Any
// thread (locks inside). The same name and labels give the same slot. A fifth of max_series is left to the samples of a
// Collector; above the rest a name's further label sets all get its `__other__` series, and
// outrider_metrics_dropped_series_total counts them. A histogram counts as as many series as Prometheus makes of it: its
// bounds, +Inf, sum and count.
class Catalog {
 public:
  explicit Catalog(uint32_t max_series = 5000, uint32_t series_per_histogram = 18);
  ~Catalog();
  Slot slot(const Name& name, std::vector<Label> labels = {});
  std::unique_ptr<Shard> make_shard();  // part of every total from now on; may outlive the catalog

  std::vector<const Series*> series() const;        // in order of arrival; they live as long as the catalog
  uint64_t total(const Series& series) const;       // over all shards; a gauge in two's complement
  Histogram histogram(const Series& series) const;  // likewise
  uint32_t series_count() const;
  uint32_t max_series() const;
  uint32_t room_for_samples() const;
  uint64_t dropped() const;
  size_t memory_bytes() const;  // of all shards
  void count_dropped();         // by whoever keeps series elsewhere and has no room

 private:
  std::shared_ptr<Ledger> ledger_;
};

}  // namespace outrider::stats
