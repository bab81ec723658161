#include "wire/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace outrider::wire {

namespace {

constexpr size_t kKept = 32;

}  // namespace

PipePool::~PipePool() {
  for (const Pipe& pipe : free_) {
    ::close(pipe.read);
    ::close(pipe.write);
  }
}

std::span<char> PipePool::scratch() {
  if (!scratch_) scratch_.reset(new char[kScratch]);
  return {scratch_.get(), kScratch};
}

bool PipePool::lend(PipeLoan& to) {
  if (lent_count_ >= kLent) {
    PipeLoan& idle = *lent_.front();
    if (idle.held > 0) return false;
    take_back(idle);
  }
  if (!free_.empty()) {
    to.read = free_.back().read;
    to.write = free_.back().write;
    free_.pop_back();
  } else {
    int fds[2];
    if (::pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return false;
    ::fcntl(fds[1], F_SETPIPE_SZ, int(kPipeBytes));  // refused above the user's quota: 64 KiB works too
    to.read = fds[0];
    to.write = fds[1];
  }
  to.held = 0;
  lent_.push_back(to);
  ++lent_count_;
  return true;
}

void PipePool::note_use(PipeLoan& loan) { lent_.push_back(loan); }

void PipePool::take_back(PipeLoan& loan) {
  if (!loan.active()) return;
  loan.unlink();
  --lent_count_;
  const Pipe pipe{std::exchange(loan.read, -1), std::exchange(loan.write, -1)};
  if (std::exchange(loan.held, 0) == 0 && free_.size() < kKept) return free_.push_back(pipe);
  ::close(pipe.read);
  ::close(pipe.write);
}

}  // namespace outrider::wire
