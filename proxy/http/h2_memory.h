#pragma once
// What nghttp2 allocates, from the worker's blocks.

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>

#include "base/block_pool.h"

namespace outrider::http {

// Small pieces are cut from blocks and kept by size when they are freed; the blocks go back with the object, which is
// when its session has gone. What is large lives as long as the session, or nearly, and is malloc's. Part of one codec.
class H2Memory {
 public:
  explicit H2Memory(BlockPool& pool);
  ~H2Memory();
  H2Memory(const H2Memory&) = delete;
  H2Memory& operator=(const H2Memory&) = delete;
  nghttp2_mem* interface() { return &mem_; }

 private:
  static constexpr size_t kStep = 64, kSmall = 1024;  // a piece, its head included, is a multiple of kStep
  struct Piece;
  static Piece* piece_of(void* bytes);
  void* take(size_t n);
  void give(void* bytes);
  void* again(void* bytes, size_t n);
  BlockPool& pool_;
  nghttp2_mem mem_;
  Block* blocks_ = nullptr;  // the first is the one still cut from
  std::array<Piece*, kSmall / kStep + 1> free_{};
};

}  // namespace outrider::http
