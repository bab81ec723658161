#pragma once
// What relays of a worker move bytes through: kernel pipes for splice(2), lent to whoever moves bulk just now, and scratch
// memory.

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/intrusive_list.h"

namespace outrider::wire {

// A pipe while it is lent. Owned by one direction of a relay, which gives it back before it ends.
struct PipeLoan : ListHook<PipeLoan> {
  int read = -1, write = -1;
  size_t held = 0;  // bytes in it; kept by whoever splices
  bool active() const { return read >= 0; }
};

// Owned by a worker; one thread. What is given back empty is kept for the next. At most kLent are out at a time: then the
// one that has been of no use for the longest is taken back, so connections that once moved bulk hold no descriptors.
class PipePool {
 public:
  static constexpr size_t kPipeBytes = 512 * 1024;
  static constexpr size_t kLent = 256;
  static constexpr size_t kScratch = 64 * 1024;
  PipePool() = default;
  ~PipePool();
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  bool lend(PipeLoan& to);         // false: descriptors are short, go on without
  void note_use(PipeLoan& loan);   // it is moving bulk
  void take_back(PipeLoan& loan);  // idempotent; one that still holds bytes is closed
  size_t lent() const { return lent_count_; }
  std::span<char> scratch();  // for bytes that do not outlive the call that moves them

 private:
  struct Pipe {
    int read, write;
  };
  IntrusiveList<PipeLoan> lent_;  // the least used first
  size_t lent_count_ = 0;
  std::vector<Pipe> free_;
  std::unique_ptr<char[]> scratch_;  // once it is wanted
};

}  // namespace outrider::wire
