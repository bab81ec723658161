#include "http/h2_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace outrider::http {

namespace {

constexpr size_t kBlock = 4096;

}  // namespace

// The head of what nghttp2 sees as its bytes.
struct alignas(16) H2Memory::Piece {
  size_t size;  // with the head
  Piece* next;  // among the free
};

H2Memory::H2Memory(BlockPool& pool)
    : pool_(pool), mem_{this, [](size_t n, void* self) { return static_cast<H2Memory*>(self)->take(n); },
                        [](void* bytes, void* self) { static_cast<H2Memory*>(self)->give(bytes); },
                        [](size_t n, size_t size, void* self) {
                          void* const bytes = static_cast<H2Memory*>(self)->take(n * size);
                          return std::memset(bytes, 0, n * size);
                        },
                        [](void* bytes, size_t n, void* self) { return static_cast<H2Memory*>(self)->again(bytes, n); }} {}

H2Memory::~H2Memory() {
  while (Block* const block = blocks_) {
    blocks_ = block->next_free;
    pool_.release(block);
  }
}

H2Memory::Piece* H2Memory::piece_of(void* bytes) { return static_cast<Piece*>(bytes) - 1; }

void* H2Memory::take(size_t n) {
  const size_t size = (sizeof(Piece) + n + kStep - 1) / kStep * kStep;
  if (size > kSmall) {
    auto* const piece = static_cast<Piece*>(std::malloc(size));
    if (!piece) std::abort();
    piece->size = size;
    return piece + 1;
  }
  Piece*& kept = free_[size / kStep];
  if (Piece* const piece = kept) {
    kept = piece->next;
    return piece + 1;
  }
  if (!blocks_ || blocks_->used + size > blocks_->capacity) {
    Block* const block = pool_.take(kBlock);
    block->next_free = blocks_;
    block->used = uint32_t(-reinterpret_cast<uintptr_t>(block->data()) % alignof(Piece));
    blocks_ = block;
  }
  auto* const piece = reinterpret_cast<Piece*>(blocks_->data() + blocks_->used);
  blocks_->used += uint32_t(size);
  piece->size = size;
  return piece + 1;
}

void H2Memory::give(void* bytes) {
  if (!bytes) return;
  Piece* const piece = piece_of(bytes);
  if (piece->size > kSmall) return std::free(piece);
  Piece*& kept = free_[piece->size / kStep];
  piece->next = kept;
  kept = piece;
}

void* H2Memory::again(void* bytes, size_t n) {
  if (!bytes) return take(n);
  const size_t there = piece_of(bytes)->size - sizeof(Piece);
  if (n <= there) return bytes;
  void* const more = take(n);
  std::memcpy(more, bytes, there);
  give(bytes);
  return more;
}

}  // namespace outrider::http
