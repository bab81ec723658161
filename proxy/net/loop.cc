#include "net/loop.h"

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
  int alarm_fd;
  uv_poll_t alarm;   // the wheel's: one timer of the kernel's for long, while a uv_timer would have each wait start one
  uv_timer_t again;  // with 0: work is left for the next turn
  uv_prepare_t prepare;
  uv_check_t check;
  std::atomic<bool> stopping{false};
};

Loop::Loop() : handles_(std::make_unique<Handles>()), random_(random_seed()), wheel_(clock()) {
  Handles& h = *handles_;
  must(uv_loop_init(&h.loop), "uv_loop_init");
  h.loop.data = this;
  must(uv_async_init(&h.loop, &h.wake,
                     [](uv_async_t* a) {
                       auto& self = *static_cast<Loop*>(a->loop->data);
                       self.deliver();
                       if (self.handles_->stopping.load(std::memory_order_acquire)) uv_stop(a->loop);
                     }),
       "uv_async_init");
  h.alarm_fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  must(h.alarm_fd < 0 ? -errno : 0, "timerfd_create");
  must(uv_poll_init(&h.loop, &h.alarm, h.alarm_fd), "uv_poll_init");
  must(uv_poll_start(&h.alarm, UV_READABLE,
                     [](uv_poll_t* a, int, int) {  // waking up is what it is for: end_turn() does the rest
                       auto& self = *static_cast<Loop*>(a->loop->data);
                       uint64_t times;
                       (void)!::read(self.handles_->alarm_fd, &times, sizeof times);
                       self.wheel_armed_for_ = TimePoint::max();
                       self.wheel_stale_ = true;
                     }),
       "uv_poll_start");
  must(uv_timer_init(&h.loop, &h.again), "uv_timer_init");
  must(uv_prepare_init(&h.loop, &h.prepare), "uv_prepare_init");
  must(uv_check_init(&h.loop, &h.check), "uv_check_init");
  // Timers run before the poll and events after it: work is ended behind both, so that a turn's output is one write.
  uv_prepare_start(&h.prepare, [](uv_prepare_t* p) { static_cast<Loop*>(p->loop->data)->end_turn(); });
  uv_check_start(&h.check, [](uv_check_t* c) {
    auto& self = *static_cast<Loop*>(c->loop->data);
    self.end_of_turn_.splice(self.end_of_next_turn_);
    self.end_turn();
    if (!self.newcomers_.empty()) {
      self.newcomers_.run();
      self.end_turn();
    }
    const auto took = std::chrono::duration_cast<milliseconds>(coarse_clock() - self.now());
    self.longest_turn_ = std::max(self.longest_turn_, took);
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(&h.prepare));
  uv_unref(reinterpret_cast<uv_handle_t*>(&h.check));
}

Loop::~Loop() {
  for (int round = 0; round < 16 && (!end_of_turn_.empty() || !retired_.empty()); ++round) end_turn();
  Handles& h = *handles_;
  for (auto* handle : {reinterpret_cast<uv_handle_t*>(&h.wake), reinterpret_cast<uv_handle_t*>(&h.alarm),
                       reinterpret_cast<uv_handle_t*>(&h.again), reinterpret_cast<uv_handle_t*>(&h.prepare),
                       reinterpret_cast<uv_handle_t*>(&h.check)})
    uv_close(handle, nullptr);
  ::close(h.alarm_fd);
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

void Loop::run_turn(bool wait) { uv_run(&handles_->loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT); }

void Loop::stop() {
  handles_->stopping.store(true, std::memory_order_release);
  uv_async_send(&handles_->wake);
}

void Loop::arm(Timer& timer, milliseconds after) {
  wheel_.arm(timer, now() + after);
  wheel_stale_ |= wheel_.due(timer) < wheel_armed_for_;
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
  Handles& h = *handles_;
  if (!end_of_turn_.empty() || !end_of_next_turn_.empty() || !retired_.empty() || !newcomers_.empty())
    uv_timer_start(
        &h.again, [](uv_timer_t*) {}, 0, 0);
  else uv_timer_stop(&h.again);
  if (!std::exchange(wheel_stale_, false)) return;
  const TimePoint next = wheel_.next();
  if (next >= wheel_armed_for_) return;
  wheel_armed_for_ = next;
  // In whole milliseconds, as now() is; at 0 the alarm would be off.
  const auto at = std::max(std::chrono::ceil<milliseconds>(next.time_since_epoch()), milliseconds(1));
  const itimerspec when{{}, {at.count() / 1000, at.count() % 1000 * 1'000'000}};
  must(::timerfd_settime(h.alarm_fd, TFD_TIMER_ABSTIME, &when, nullptr) == 0 ? 0 : -errno, "timerfd_settime");
}

}  // namespace outrider::net
