#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace outrider::net {

namespace {

// CLOCK_MONOTONIC as of the kernel's last tick, some milliseconds old: a third of the price.
TimePoint coarse_clock() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &at);
  return TimePoint(seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec));
}

// Only our own mistake or an exhausted system can fail these: there is nothing to go on with.
void must(int status, const char* what) {
  if (status == 0) return;
  std::fprintf(stderr, "outrider: %s: %s\n", what, uv_strerror(status));
  std::abort();
}

}  // namespace

struct Loop::Handles {
  uv_loop_t loop;
  uv_async_t wake;
  int epoll_fd;
  int alarm_fd;  // the wheel's: one timer of the kernel's for long, while a limit of epoll_wait would have each wait start one
  std::atomic<bool> stopping{false};
};

namespace {

constexpr uint32_t kOthers = 0;             // Watched::number of what is watched for the loop itself
constexpr uint64_t kLibuv = 0, kAlarm = 1;  // who, then
constexpr uint64_t kLow = 0xffff'ffff;      // bits of the descriptor in an event's word
constexpr int kEvents = 256;                // taken at once

uint64_t word_of(const Watched& one) { return uint64_t(one.number) << 32 | uint32_t(one.fd); }

int control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t word) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = word;
  return ::epoll_ctl(epoll_fd, operation, fd, &event) == 0 ? 0 : errno;
}

// libuv tells its epoll what is to be watched when it runs. Before 1.45 uv_backend_timeout() did not say that it has to.
bool must_run(const uv_loop_t& loop) {
#if UV_VERSION_HEX < 0x012d00
  if (loop.watcher_queue[0] != static_cast<const void*>(&loop.watcher_queue)) return true;
#endif
  return uv_backend_timeout(&loop) == 0;
}

}  // namespace

Loop::Loop()
    : handles_(std::make_unique<Handles>()), random_(random_seed()), wheel_(clock()),
      fine_wheel_(clock(), TimerWheel::kFineTick) {
  Handles& h = *handles_;
  must(uv_loop_init(&h.loop), "uv_loop_init");
  h.loop.data = this;
  must(uv_async_init(&h.loop, &h.wake, [](uv_async_t* a) { static_cast<Loop*>(a->loop->data)->deliver(); }), "uv_async_init");
  h.epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  must(h.epoll_fd < 0 ? -errno : 0, "epoll_create1");
  h.alarm_fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  must(h.alarm_fd < 0 ? -errno : 0, "timerfd_create");
  must(-control(h.epoll_fd, EPOLL_CTL_ADD, uv_backend_fd(&h.loop), EPOLLIN, kLibuv), "epoll_ctl");
  must(-control(h.epoll_fd, EPOLL_CTL_ADD, h.alarm_fd, EPOLLIN, kAlarm), "epoll_ctl");
}

Loop::~Loop() {
  for (int round = 0; round < 16 && (!end_of_turn_.empty() || !retired_.empty()); ++round) end_turn();
  Handles& h = *handles_;
  uv_close(reinterpret_cast<uv_handle_t*>(&h.wake), nullptr);
  ::close(h.alarm_fd);
  ::close(h.epoll_fd);
  while (uv_run(&h.loop, UV_RUN_NOWAIT) != 0) {}
  must(uv_loop_close(&h.loop), "uv_loop_close: a handle outlived its loop");
}

uv_loop_s* Loop::raw() { return &handles_->loop; }

// libuv reads CLOCK_MONOTONIC, which is what steady_clock is here.
TimePoint Loop::now() const { return TimePoint(milliseconds(uv_now(&handles_->loop))); }

void Loop::run() {
  uv_update_time(&handles_->loop);
  while (!handles_->stopping.load(std::memory_order_acquire)) run_turn(true);
  deliver();
  end_turn();
}

// Work is ended behind all events, so that a turn's output is one write.
void Loop::run_turn(bool wait) {
  end_of_turn_.empty() ? arm_wheel() : end_turn();  // what was asked for between two turns
  take_events(wait);
  end_of_turn_.splice(end_of_next_turn_);
  end_turn();
  if (!newcomers_.empty()) {
    newcomers_.run();
    end_turn();
  }
  const auto took = std::chrono::duration_cast<milliseconds>(coarse_clock() - now());
  longest_turn_ = std::max(longest_turn_, took);
}

void Loop::take_events(bool wait) {
  Handles& h = *handles_;
  tell_changes();
  bool libuv = must_run(h.loop);
  epoll_event events[kEvents];
  const int limit = !wait || libuv || work_is_left() ? 0 : uv_backend_timeout(&h.loop);
  const int count = ::epoll_wait(h.epoll_fd, events, kEvents, limit);
  uv_update_time(&h.loop);
  for (int i = 0; i < count; ++i) {
    const uint64_t word = events[i].data.u64;
    if (word >> 32 == kOthers) {
      if (word == kLibuv) libuv = true;
      else ring();
      continue;
    }
    // It may be gone since, by an event before, and its descriptor another's.
    Watched* const one = watched_[word & kLow];
    if (!one || one->number != word >> 32) continue;
    // EPOLLHUP is both: there is an end to be read, and what is written fails.
    uint32_t now = events[i].events;
    if (now & EPOLLHUP) now |= one->wanted;
    now &= one->wanted | EPOLLERR;
    if (now) one->on_events(now);
  }
  if (libuv) uv_run(&h.loop, UV_RUN_NOWAIT);
}

bool Loop::watch(Watched& one, int fd, uint32_t events) {
  if (size_t(fd) >= watched_.size()) watched_.resize(std::max<size_t>(size_t(fd) + 1, watched_.size() * 2));
  one.fd = fd;
  one.number = ++watches_ == kOthers ? ++watches_ : watches_;
  one.wanted = events;
  one.watched = 0;
  if (!tell(one)) return false;
  watched_[size_t(fd)] = &one;
  return true;
}

void Loop::want(Watched& one, uint32_t events) {
  if (one.wanted == one.watched && events != one.wanted) changed_.push_back(one.fd);
  one.wanted = events;
}

void Loop::unwatch(Watched& one, Descriptor then) {
  watched_[size_t(one.fd)] = nullptr;
  if (then == Descriptor::Kept && one.watched) control(handles_->epoll_fd, EPOLL_CTL_DEL, one.fd, 0, 0);
}

bool Loop::tell(Watched& one) {
  if (one.wanted == one.watched) return true;
  const int operation = one.watched == 0 ? EPOLL_CTL_ADD : one.wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (control(handles_->epoll_fd, operation, one.fd, one.wanted, word_of(one)) != 0) return false;
  one.watched = one.wanted;
  return true;
}

void Loop::tell_changes() {
  for (size_t i = 0; i < changed_.size(); ++i) {
    Watched* const one = watched_[size_t(changed_[i])];
    if (one && !tell(*one)) one->wanted = one->watched, one->on_events(EPOLLERR);
  }
  changed_.clear();
}

bool Loop::work_is_left() {
  return !end_of_turn_.empty() || !end_of_next_turn_.empty() || !retired_.empty() || !newcomers_.empty();
}

// Waking up is what it is for: end_turn() does the rest.
void Loop::ring() {
  uint64_t times;
  (void)!::read(handles_->alarm_fd, &times, sizeof times);
  wheel_armed_for_ = TimePoint::max();
  wheel_stale_ = true;
}

void Loop::stop() {
  handles_->stopping.store(true, std::memory_order_release);
  uv_async_send(&handles_->wake);
}

void Loop::arm(Timer& timer, milliseconds after) {
  wheel_.arm(timer, now() + after);
  wheel_stale_ |= wheel_.due(timer) < wheel_armed_for_;
}

void Loop::arm_precisely(Timer& timer, std::chrono::microseconds after) {
  if (!std::exchange(fine_, true)) fine_wheel_.advance(clock());  // which fires nothing: it is empty
  fine_wheel_.arm(timer, clock() + after);
  wheel_stale_ |= fine_wheel_.due(timer) < wheel_armed_for_;
}

void Loop::arm_within(Timer& timer, milliseconds after) {
  if (!timer.armed() || wheel_.due(timer) > now() + after) arm(timer, after);
}

void Loop::at_end_of_turn(EndOfTurn& work) {
  if (!work.linked()) end_of_turn_.push_back(work);
}

void Loop::at_end_of_next_turn(EndOfTurn& work) { end_of_next_turn_.push_back(work); }

void Loop::retire(Retired& object) { retired_.push_back(object); }

void Loop::post(std::unique_ptr<Message> message) {
  if (handles_->stopping.load(std::memory_order_acquire)) return;
  {
    std::lock_guard lock(mail_mutex_);
    mail_.push_back(std::move(message));
  }
  uv_async_send(&handles_->wake);
}

void Loop::deliver() {
  std::vector<std::unique_ptr<Message>> mail;
  {
    std::lock_guard lock(mail_mutex_);
    mail.swap(mail_);
  }
  for (auto& message : mail) message->on_delivery();
}

// Work may ask for more work of its own kind (a codec that was fed answers): it is done in the same turn, since its
// output must not wait for the next event. Rounds are bounded; what is left keeps the loop from sleeping.
void Loop::end_turn() {
  wheel_.advance(now());
  if (fine_) fine_wheel_.advance(clock());
  for (int round = 0; round < 64 && !end_of_turn_.empty(); ++round) {
    IntrusiveList<EndOfTurn> now;
    now.splice(end_of_turn_);
    while (EndOfTurn* work = now.pop_front()) work->on_end_of_turn();
  }
  IntrusiveList<Retired, EndOfTurn> gone;
  gone.splice(retired_);
  while (Retired* object = gone.pop_front()) object->on_retired();
  arm_wheel();
}

// One alarm for the wheel, moved only when something earlier comes: a firing too many costs less than a move, and most
// turns need not even ask the wheel.
void Loop::arm_wheel() {
  if (!std::exchange(wheel_stale_, false)) return;
  TimePoint next = wheel_.next();
  if (next != TimePoint::max()) next = std::chrono::ceil<milliseconds>(next);  // as now() is in whole ones
  if (fine_) {
    const TimePoint fine = fine_wheel_.next();
    fine_ = fine != TimePoint::max();
    next = std::min(next, fine);
  }
  if (next >= wheel_armed_for_) return;
  wheel_armed_for_ = next;
  // At 0 the alarm would be off.
  const auto at = std::max(next.time_since_epoch(), TimePoint::duration(1));
  const auto whole = std::chrono::floor<seconds>(at);
  const itimerspec when{{}, {whole.count(), std::chrono::nanoseconds(at - whole).count()}};
  must(::timerfd_settime(handles_->alarm_fd, TFD_TIMER_ABSTIME, &when, nullptr) == 0 ? 0 : -errno, "timerfd_settime");
}

}  // namespace outrider::net
