#pragma once
// Recycled blocks in four sizes, with plain reference counts, and the slices that point into them.
// One pool per worker, owned by it; blocks and slices never leave their worker's thread.

#include <array>
#include <cstddef>
#include <cstdint>

namespace outrider {

class BlockPool;

struct Block {
  Block* next_free;
  BlockPool* pool;
  uint32_t references;
  uint32_t capacity;
  uint32_t used;  // bytes committed by the one slice that may still grow
  uint8_t size_class;
  char* data() { return reinterpret_cast<char*>(this + 1); }
};

struct Slice {
  Slice* next;
  Block* block;
  uint32_t offset, length;
};

class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  Block* take(size_t at_least);  // one reference; the smallest class that holds it, else the largest
  void release(Block* block);    // one reference less; recycled at zero
  Slice* take_slice();
  void release_slice(Slice* slice);

  size_t in_use_bytes() const { return in_use_; }  // blocks handed out and not back
  size_t high_water_bytes() const { return high_water_; }
  static constexpr std::array<uint32_t, 4> kSizes{512, 4096, 65536, 262144};
  // What n bytes hold when they are packed: whole blocks of the largest class, and one for the rest.
  static constexpr size_t fitting(size_t n) {
    const size_t rest = n % kSizes.back();
    if (rest == 0) return n;
    for (const uint32_t size : kSizes)
      if (rest <= size) return n - rest + size;
    return n;
  }

 private:
  static constexpr std::array<uint32_t, 4> kKeep{256, 64, 16, 4};  // free blocks kept per class; the rest go back
  std::array<Block*, 4> free_{};
  std::array<uint32_t, 4> free_count_{};
  Slice* free_slices_ = nullptr;
  uint32_t free_slice_count_ = 0;
  size_t in_use_ = 0, high_water_ = 0;
};

}  // namespace outrider
