#pragma once
// Bump allocator that lives as long as one exchange. reset() keeps a first chunk of 4 KiB, so a worker that has warmed
// up serves requests without calling malloc. Destructors are not run: what goes in is trivially destructible.
// Owned by an exchange or an attempt; one thread.

#include <cstddef>
#include <new>
#include <string_view>
#include <utility>

namespace outrider {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();
  void* allocate(size_t bytes, size_t align = alignof(std::max_align_t));
  std::string_view copy(std::string_view bytes);
  std::string_view concat(std::string_view a, std::string_view b, std::string_view c = {});
  template <class T, class... Args>
  T* make(Args&&... args) {
    return new (allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }
  template <class T>
  T* array(size_t n) {
    return static_cast<T*>(allocate(sizeof(T) * n, alignof(T)));
  }
  void reset();
  size_t held_bytes() const;  // of all chunks

 private:
  struct Chunk {
    Chunk* next;
    size_t size;
  };  // its bytes follow
  void grow(size_t at_least);
  Chunk* first_ = nullptr;  // of kFirst bytes, kept by reset()
  Chunk* current_ = nullptr;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace outrider
