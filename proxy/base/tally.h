#pragma once
// What workers share when refusing: a count alone on its cache line, and counts by key.

#include <array>
#include <atomic>
#include <cstdint>

#include "base/hash.h"
#include "base/random.h"

namespace outrider {

// A limit of the whole process. Any thread; relaxed, since only the number matters.
class alignas(64) Tally {
 public:
  // False: full, and nothing was taken.
  bool enter(uint32_t limit) {
    const uint32_t before = count_.fetch_add(1, std::memory_order_relaxed);
    if (before < limit) {
      if (before >= most_.load(std::memory_order_relaxed)) most_.store(before + 1, std::memory_order_relaxed);
      return true;
    }
    count_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void leave() { count_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t now() const { return count_.load(std::memory_order_relaxed); }
  uint32_t take_most() { return most_.exchange(now(), std::memory_order_relaxed); }  // since this was last asked; one asks

 private:
  std::atomic<uint32_t> count_{0}, most_{0};
};

// Bytes on their way to somebody who may be slow, and how often there was no room for more. Any thread; relaxed.
class alignas(64) Backlog {
 public:
  // False: no room, which is counted, and nothing was taken.
  bool enter(uint32_t bytes, uint32_t limit) {
    if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + uint64_t{bytes} <= limit) return true;
    leave(bytes);
    missed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  void leave(uint32_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint32_t take_missed() { return missed_.exchange(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> bytes_{0}, missed_{0};
};

// A limit for each key, of the whole process: connections of one address. Any thread, no lock. Bounded: eight keys share
// a line, and one that finds its line full is let in uncounted, since the total has a limit of its own. Two threads that
// meet a new key at the same moment may let in one more than the limit.
class TallyTable {
 public:
  enum class Entry : uint8_t { Refused, Counted, Uncounted };
  TallyTable() : seed_(random_seed()) {}
  ~TallyTable() { delete[] lines_.load(std::memory_order_acquire); }
  TallyTable(const TallyTable&) = delete;
  TallyTable& operator=(const TallyTable&) = delete;

  Entry enter(uint64_t key, uint32_t limit) {
    const Place place = find(key);
    for (;;) {
      Cell* free = nullptr;
      Cell* mine = nullptr;
      uint64_t seen = 0;
      for (Cell& cell : place.line) {
        const uint64_t value = cell.load(std::memory_order_relaxed);
        if (value == 0 && !free) free = &cell;
        if (value == 0 || (value & ~kCount) != place.tag) continue;
        mine = &cell;
        seen = value;
        break;
      }
      if ((seen & kCount) >= limit) return Entry::Refused;
      if ((seen & kCount) == kCount || (!mine && !free)) return Entry::Uncounted;
      if (mine ? mine->compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)
               : free->compare_exchange_weak(seen, place.tag | 1, std::memory_order_relaxed))
        return Entry::Counted;
    }
  }

  // Once for each enter() that said Counted.
  void leave(uint64_t key) {
    const Place place = find(key);
    for (Cell& cell : place.line) {
      uint64_t value = cell.load(std::memory_order_relaxed);
      while (value != 0 && (value & ~kCount) == place.tag)
        if (cell.compare_exchange_weak(value, (value & kCount) == 1 ? 0 : value - 1, std::memory_order_relaxed)) return;
    }
  }

 private:
  using Cell = std::atomic<uint64_t>;  // forty bits of the key above a count; 0: free
  struct alignas(64) Line : std::array<Cell, 8> {};
  struct Place {
    Line& line;
    uint64_t tag;
  };
  static constexpr uint64_t kCount = (uint64_t{1} << 24) - 1;
  static constexpr uint64_t kLines = 8192;  // half a megabyte, made when the first key comes

  Place find(uint64_t key) {
    Line* lines = lines_.load(std::memory_order_acquire);
    if (!lines) {
      Line* fresh = new Line[kLines]();
      if (lines_.compare_exchange_strong(lines, fresh, std::memory_order_acq_rel)) lines = fresh;
      else delete[] fresh;
    }
    const uint64_t h = mix(key ^ seed_);
    const uint64_t tag = h & ~kCount;
    return {lines[h % kLines], tag ? tag : kCount + 1};
  }

  const uint64_t seed_;  // nobody outside knows which addresses share a line
  std::atomic<Line*> lines_{nullptr};
};

}  // namespace outrider
