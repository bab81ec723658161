// Timers armed and taken back, as every request does, beside many that wait.

#include <memory>
#include <vector>

#include "counted.h"
#include "net/loop.h"
#include "net/timer_wheel.h"

namespace outrider::net {
namespace {

struct Silent final : Timer {
  void on_timer() override {}
};

void timer_wheel(benchmark::State& state) {
  TimerWheel wheel{TimePoint{}};
  std::vector<Silent> others(size_t(state.range(0)));
  for (size_t i = 0; i < others.size(); ++i) wheel.arm(others[i], TimePoint{} + milliseconds(1000 + i % 60000));
  Silent timer;
  {
    bench::Counted counted(state);
    for (auto _ : state) {
      wheel.arm(timer, TimePoint{} + milliseconds(30000));
      timer.cancel();
    }
  }
  for (Silent& other : others) other.cancel();
}
BENCHMARK(timer_wheel)->Arg(0)->Arg(10000);

void timer_of_loop(benchmark::State& state) {
  Loop loop;
  std::vector<Silent> others(size_t(state.range(0)));
  for (size_t i = 0; i < others.size(); ++i) loop.arm(others[i], milliseconds(1000 + i % 60000));
  Silent timer;
  {
    bench::Counted counted(state);
    for (auto _ : state) {
      loop.arm(timer, milliseconds(30000));
      timer.cancel();
    }
  }
  for (Silent& other : others) other.cancel();
}
BENCHMARK(timer_of_loop)->Arg(0)->Arg(10000);

}  // namespace
}  // namespace outrider::net
