#include "base/block_pool.h"

#include <algorithm>
#include <cstdlib>

namespace outrider {

BlockPool::~BlockPool() {
  for (Block*& head : free_)
    while (Block* block = head) {
      head = block->next_free;
      std::free(block);
    }
  while (Slice* slice = free_slices_) {
    free_slices_ = slice->next;
    delete slice;
  }
}

Block* BlockPool::take(size_t at_least) {
  uint8_t which = 0;
  while (which + 1u < kSizes.size() && kSizes[which] < at_least) ++which;
  Block* block = free_[which];
  if (block) {
    free_[which] = block->next_free;
    --free_count_[which];
  } else {
    block = static_cast<Block*>(std::malloc(sizeof(Block) + kSizes[which]));
    if (!block) std::abort();
    block->pool = this;
    block->capacity = kSizes[which];
    block->size_class = which;
  }
  block->next_free = nullptr;
  block->references = 1;
  block->used = 0;
  in_use_ += block->capacity;
  high_water_ = std::max(high_water_, in_use_);
  return block;
}

void BlockPool::release(Block* block) {
  if (--block->references > 0) return;
  const uint8_t which = block->size_class;
  in_use_ -= block->capacity;
  if (free_count_[which] >= kKeep[which]) {
    std::free(block);
    return;
  }
  block->next_free = free_[which];
  free_[which] = block;
  ++free_count_[which];
}

Slice* BlockPool::take_slice() {
  Slice* slice = free_slices_;
  if (!slice) return new Slice{};
  free_slices_ = slice->next;
  --free_slice_count_;
  slice->next = nullptr;
  return slice;
}

void BlockPool::release_slice(Slice* slice) {
  if (free_slice_count_ >= 1024) {
    delete slice;
    return;
  }
  slice->next = free_slices_;
  free_slices_ = slice;
  ++free_slice_count_;
}

}  // namespace outrider
