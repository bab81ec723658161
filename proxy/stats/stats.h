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
class ExemplarTable;
struct Ledger;
using TraceId = std::array<uint8_t, 16>;

// Whether a label's values are names: from the configuration, the registry or a peer. Those of the others are closed sets.
bool is_open(std::string_view label);
// What is beyond a limit is counted under this value of every open label. False: there is no such label.
inline constexpr const char* kOther = "__other__";
bool to_other(std::vector<Label>& labels);

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
  // After observe(), where the request is traced: an example for whoever sees the bucket. The last one of a power of two is kept,
  // as long as another series' does not take its place. No lock; memory is taken once, by the first.
  void leave_exemplar(Slot histogram, uint64_t microseconds, const TraceId& trace, uint64_t unix_microseconds);
  uint64_t read(Slot slot) const;  // any thread
  size_t memory_bytes() const;     // any thread

 private:
  using Chunk = std::array<std::atomic<uint64_t>, kChunk>;
  std::atomic<uint64_t>& cell(Slot slot) {
    Chunk* chunk = chunks_[slot / kChunk].load(std::memory_order_relaxed);
    return (*(chunk ? chunk : grow(slot / kChunk)))[slot % kChunk];
  }
  void write(Slot slot, uint64_t value) { cell(slot).store(value, std::memory_order_relaxed); }
  friend class Catalog;
  friend class Reader;
  Chunk* grow(size_t which);
  std::weak_ptr<Ledger> home_;
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
  std::atomic<ExemplarTable*> exemplars_{nullptr};
};

struct Series {  // one name with one set of labels
  Name name;
  std::vector<Label> labels;
  Slot slot = kNowhere;
};

// Cold: names and labels to slots. Runs when a configuration is compiled or a name is found, never per request. Any
// thread (locks inside). The same name and labels give the same slot, for good: workers keep it. More are kept than a scrape
// shows (Selection), so that the most used can be found out: sixteen times max_series, and of each histogram as many as
// max_series would hold of it alone. Beyond that further names share a series whose open labels are `__other__`.
class Catalog {
 public:
  static constexpr uint64_t kKept = 16;
  explicit Catalog(uint32_t max_series = 5000, uint32_t series_per_histogram = 18);
  ~Catalog();
  Slot slot(const Name& name, std::vector<Label> labels = {});
  std::unique_ptr<Shard> make_shard();  // part of every total from now on; may outlive the catalog

  // In order of arrival, without the first so many; they live as long as the catalog.
  std::vector<const Series*> series(size_t from = 0) const;
  uint64_t total(const Series& series) const;       // over all shards; a gauge in two's complement
  uint64_t total(const Name& unlabelled) const;     // 0: nobody has it
  Histogram histogram(const Series& series) const;  // likewise
  uint32_t max_series() const;                      // a scrape may show
  uint64_t dropped() const;
  size_t memory_bytes() const;             // of all shards
  void count_dropped(uint64_t times = 1);  // by whoever leaves series out

 private:
  friend class Reader;
  std::shared_ptr<Ledger> ledger_;
};

}  // namespace outrider::stats
