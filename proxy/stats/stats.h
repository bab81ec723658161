#pragma once
// Numbers that workers write and scrapes read, without a lock between them.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::stats {

using Slot = uint32_t;               // index into every worker's shard

enum class Kind : uint8_t { Counter, Gauge, Histogram };
struct Name {                        // one row of names.h
  const char* name;
  const char* help;
  Kind kind;
  double scale = 1;                  // what one unit in a shard is in the metric's unit: 1e-6 for _seconds kept in microseconds
};
struct Label {
  std::string name, value;
  bool operator==(const Label&) const = default;
};

// Written by one thread, read by any: a relaxed load and store, no locked instruction. Grows by chunks that never move,
// since names are found at run time while a scrape reads. Owned by the supervisor, one per writing thread.
class Shard {
 public:
  static constexpr Slot kChunk = 1024;
  static constexpr size_t kChunks = 4096;
  Shard() = default;
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  void add(Slot slot, uint64_t n = 1) { write(slot, cell(slot).load(std::memory_order_relaxed) + n); }
  void sub(Slot slot, uint64_t n = 1) { write(slot, cell(slot).load(std::memory_order_relaxed) - n); }   // gauges
  void set(Slot slot, uint64_t value) { write(slot, value); }                                            // gauges; two's complement for negatives
  void observe(Slot histogram, uint64_t microseconds);   // log-linear buckets, fixed count (histogram.h)
  uint64_t read(Slot slot) const;                        // any thread

 private:
  using Chunk = std::array<std::atomic<uint64_t>, kChunk>;
  std::atomic<uint64_t>& cell(Slot slot) {
    Chunk* chunk = chunks_[slot / kChunk].load(std::memory_order_relaxed);
    return (*(chunk ? chunk : grow(slot / kChunk)))[slot % kChunk];
  }
  void write(Slot slot, uint64_t value) { cell(slot).store(value, std::memory_order_relaxed); }
  Chunk* grow(size_t which);
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
};

// Cold: names and labels to slots. Runs when a configuration is compiled or a name is found, never per request. Any
// thread (one lock inside). The same name and labels give the same slot. Above max_series a name's further label sets
// all get its `__other__` series, and outrider_metrics_dropped_series_total counts them.
class Catalog {
 public:
  explicit Catalog(uint32_t max_series = 5000);
  ~Catalog();
  Slot slot(const Name& name, std::vector<Label> labels = {});
  std::unique_ptr<Shard> make_shard();                   // known to collectors until it is destroyed... see collector.h

 private:
  friend class Collector;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace outrider::stats
