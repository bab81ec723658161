#include "base/arena.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace outrider {

namespace {
constexpr size_t kFirst = 4096;
}

Arena::~Arena() {
  reset();
  std::free(first_);
}

void* Arena::allocate(size_t bytes, size_t align) {
  auto aligned = [&] { return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(at_) + align - 1) & ~(align - 1)); };
  char* start = aligned();
  if (!at_ || start + bytes > end_) {
    grow(bytes + align);
    start = aligned();
  }
  at_ = start + bytes;
  return start;
}

void Arena::grow(size_t at_least) {
  const size_t size = std::max(at_least + sizeof(Chunk), kFirst);
  auto* chunk = static_cast<Chunk*>(std::malloc(size));
  if (!chunk) std::abort();
  chunk->next = nullptr;
  chunk->size = size;
  if (current_) current_->next = chunk;
  current_ = chunk;
  if (!first_) first_ = chunk;
  at_ = reinterpret_cast<char*>(chunk + 1);
  end_ = reinterpret_cast<char*>(chunk) + size;
}

std::string_view Arena::copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* to = static_cast<char*>(allocate(bytes.size(), 1));
  std::memcpy(to, bytes.data(), bytes.size());
  return {to, bytes.size()};
}

std::string_view Arena::concat(std::string_view a, std::string_view b, std::string_view c) {
  const size_t n = a.size() + b.size() + c.size();
  char* to = static_cast<char*>(allocate(n, 1));
  char* at = to;
  for (auto part : {a, b, c}) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return {to, n};
}

size_t Arena::held_bytes() const {
  size_t total = 0;
  for (const Chunk* chunk = first_; chunk; chunk = chunk->next) total += chunk->size;
  return total;
}

void Arena::reset() {
  if (!first_) return;
  if (current_ == first_ && size_t(end_ - reinterpret_cast<char*>(first_)) == kFirst) {  // nearly always, and nothing is read
    at_ = reinterpret_cast<char*>(first_ + 1);
    return;
  }
  if (first_->size > kFirst) {  // made by one large allocation: not what every later life should hold
    while (Chunk* chunk = first_) {
      first_ = chunk->next;
      std::free(chunk);
    }
    current_ = nullptr;
    at_ = end_ = nullptr;
    return;
  }
  while (Chunk* chunk = first_->next) {
    first_->next = chunk->next;
    std::free(chunk);
  }
  current_ = first_;
  at_ = reinterpret_cast<char*>(first_ + 1);
  end_ = reinterpret_cast<char*>(first_) + first_->size;
}

}  // namespace outrider
