#pragma once
// A chain of slices of shared blocks. Moving bytes between buffers moves slices, not bytes; committed bytes never
// change, so a second reader takes a second reference. A Buffer and everything it shares belong to one worker.

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/block_pool.h"

namespace outrider {

class Buffer {
 public:
  explicit Buffer(BlockPool& pool) : pool_(&pool) {}
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { clear(); }

  BlockPool& pool() const { return *pool_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<char> reserve(size_t at_least);  // writable space at the tail, for read(2); at most 256 KiB
  void commit(size_t n);                     // n bytes of the last reserve() are now content
  void append(std::string_view bytes);       // copies; for heads and small literals
  void append(Buffer&& other);               // steals the other's slices
  // The first n bytes of `from` leave it for here: copied up to `copied`, for a few would pin a block; above, as slices.
  void pull(Buffer& from, size_t n, size_t copied);
  Buffer take(size_t n);                      // the first n bytes (or all) leave as a Buffer of their own
  Buffer share(size_t from, size_t n) const;  // the same slices, one more reference
  void settle();                              // about to outlive the turn: bytes move to the class that fits
  void drop(size_t n);                        // the first n bytes are done with
  void clear() { drop(size_); }
  size_t gather(iovec* out, size_t max) const;  // for writev(2); the number of entries filled
  std::string_view front() const;               // the first contiguous run
  // The first n bytes (n <= size()) as one run: moved together into one block first when they are not.
  std::string_view contiguous(size_t n);
  std::string text() const;  // a copy of everything; for tests and cold paths

 private:
  void fill(std::string_view bytes, size_t expected);
  void drop_slice();
  void release_spare();
  BlockPool* pool_;
  Slice* head_ = nullptr;
  Slice* tail_ = nullptr;
  Block* spare_ = nullptr;  // reserved and not (yet) committed
  size_t size_ = 0;
};

}  // namespace outrider
