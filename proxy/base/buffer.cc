#include "base/buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace outrider {

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(other.pool_), head_(std::exchange(other.head_, nullptr)), tail_(std::exchange(other.tail_, nullptr)),
      spare_(std::exchange(other.spare_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  clear();
  release_spare();
  pool_ = other.pool_;
  head_ = std::exchange(other.head_, nullptr);
  tail_ = std::exchange(other.tail_, nullptr);
  spare_ = std::exchange(other.spare_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void Buffer::release_spare() {
  if (spare_) pool_->release(std::exchange(spare_, nullptr));
}

// Only the slice that ends where its block's committed bytes end may grow: whoever shares the block sees less.
std::span<char> Buffer::reserve(size_t at_least) {
  at_least = std::min<size_t>(at_least, BlockPool::kSizes.back());
  if (tail_) {
    Block* block = tail_->block;
    const bool grows = tail_->offset + tail_->length == block->used;
    if (grows && block->capacity - block->used >= at_least) {
      release_spare();  // commit() must mean the room this call gave
      return {block->data() + block->used, block->capacity - block->used};
    }
  }
  if (spare_ && spare_->capacity < at_least) release_spare();
  if (!spare_) spare_ = pool_->take(at_least);
  return {spare_->data(), spare_->capacity};
}

void Buffer::commit(size_t n) {
  if (spare_) {
    Block* block = std::exchange(spare_, nullptr);
    if (n == 0) {
      pool_->release(block);
      return;
    }
    block->used = uint32_t(n);
    Slice* slice = pool_->take_slice();
    *slice = {nullptr, block, 0, uint32_t(n)};
    (tail_ ? tail_->next : head_) = slice;
    tail_ = slice;
  } else if (n > 0) {
    tail_->length += uint32_t(n);
    tail_->block->used += uint32_t(n);
  }
  size_ += n;
}

void Buffer::append(std::string_view bytes) { fill(bytes, bytes.size()); }

// Fills what the tail has left before a new block is taken; that one is chosen for what is still expected.
void Buffer::fill(std::string_view bytes, size_t expected) {
  while (!bytes.empty()) {
    auto room = reserve(1);
    if (spare_ && room.size() < expected) room = reserve(expected);
    const size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    commit(n);
    bytes.remove_prefix(n);
    expected -= n;
  }
}

void Buffer::append(Buffer&& other) {
  other.release_spare();
  if (!other.head_) return;
  release_spare();
  (tail_ ? tail_->next : head_) = other.head_;
  tail_ = other.tail_;
  size_ += other.size_;
  other.head_ = other.tail_ = nullptr;
  other.size_ = 0;
}

void Buffer::pull(Buffer& from, size_t n, size_t copied) {
  if (n > copied) return append(from.take(n));
  while (n > 0) {
    const auto run = from.front().substr(0, n);
    append(run);
    n -= run.size();
    from.drop(run.size());
  }
}

void Buffer::drop_slice() {
  Slice* slice = head_;
  head_ = slice->next;
  if (!head_) tail_ = nullptr;
  size_ -= slice->length;
  pool_->release(slice->block);
  pool_->release_slice(slice);
}

void Buffer::drop(size_t n) {
  while (head_ && n >= head_->length) {
    n -= head_->length;
    drop_slice();
  }
  if (!head_) {
    release_spare();
    return;
  }
  head_->offset += uint32_t(n);
  head_->length -= uint32_t(n);
  size_ -= n;
}

Buffer Buffer::take(size_t n) {
  Buffer out(*pool_);
  if (n >= size_) {
    out.append(std::move(*this));
    return out;
  }
  while (n > 0 && head_->length <= n) {
    Slice* slice = head_;
    head_ = slice->next;
    slice->next = nullptr;
    (out.tail_ ? out.tail_->next : out.head_) = slice;
    out.tail_ = slice;
    out.size_ += slice->length;
    size_ -= slice->length;
    n -= slice->length;
  }
  if (n > 0) {
    out.append(share(0, n));
    drop(n);
  }
  return out;
}

Buffer Buffer::share(size_t from, size_t n) const {
  Buffer out(*pool_);
  for (const Slice* at = head_; at && n > 0; at = at->next) {
    if (from >= at->length) {
      from -= at->length;
      continue;
    }
    const auto length = uint32_t(std::min<size_t>(at->length - from, n));
    Slice* slice = pool_->take_slice();
    *slice = {nullptr, at->block, at->offset + uint32_t(from), length};
    ++at->block->references;
    (out.tail_ ? out.tail_->next : out.head_) = slice;
    out.tail_ = slice;
    out.size_ += length;
    n -= length;
    from = 0;
  }
  return out;
}

void Buffer::settle() {
  release_spare();
  if (!head_) return;
  size_t held = 0;
  for (const Slice* at = head_; at; at = at->next) held += at->block->capacity;
  if (held / 4 <= size_ || held <= BlockPool::fitting(size_) * 2) return;  // not worth a copy
  Buffer packed(*pool_);
  for (const Slice* at = head_; at; at = at->next)
    packed.fill({at->block->data() + at->offset, at->length}, size_ - packed.size());
  *this = std::move(packed);
}

size_t Buffer::gather(iovec* out, size_t max) const {
  size_t n = 0;
  for (const Slice* at = head_; at && n < max; at = at->next, ++n) out[n] = {at->block->data() + at->offset, at->length};
  return n;
}

std::string_view Buffer::front() const {
  if (!head_) return {};
  return {head_->block->data() + head_->offset, head_->length};
}

std::string_view Buffer::contiguous(size_t n) {
  if (!head_ || head_->length >= n) return front().substr(0, n);
  // Bytes that must stand together and do not: gathered once in a block of their own, the rest stays as it is.
  Buffer rest = share(n, size_ - n);
  Block* block = pool_->take(n);
  if (block->capacity < n) {  // larger than any block: callers bound n well below this
    pool_->release(block);
    return front();
  }
  size_t done = 0;
  for (const Slice* at = head_; at && done < n; at = at->next) {
    const size_t part = std::min<size_t>(at->length, n - done);
    std::memcpy(block->data() + done, at->block->data() + at->offset, part);
    done += part;
  }
  clear();
  release_spare();
  spare_ = block;
  commit(n);
  append(std::move(rest));
  return front().substr(0, n);
}

std::string Buffer::text() const {
  std::string out;
  out.reserve(size_);
  for (const Slice* at = head_; at; at = at->next) out.append(at->block->data() + at->offset, at->length);
  return out;
}

}  // namespace outrider
