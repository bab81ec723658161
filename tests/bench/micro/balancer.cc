// A pick with its answer, per balancer: what grows is the number of endpoints.

#include <string>

#include "counted.h"
#include "upstream/balancer.h"
#include "upstream/pool.h"

namespace outrider::upstream {
namespace {

void pick(benchmark::State& state, std::string_view balancer, bool weighted) {
  ClusterPlan plan;
  plan.balancer = balancer;
  Random random(1);
  std::vector<std::unique_ptr<Seat>> seats;
  std::vector<Seat*> usable;
  for (int64_t i = 0; i < state.range(0); ++i) {
    auto facts = std::make_shared<discovery::Instance>();
    facts->address = "127.0.0.1:" + std::to_string(1000 + i);
    seats.push_back(std::make_unique<Seat>(Member{std::make_shared<Endpoint>(facts->address, ""), facts}));
    if (weighted) seats.back()->weight = uint32_t(50 + i % 100);
    usable.push_back(seats.back().get());
  }
  const auto made = make_balancer(plan, random);
  made->rebuild(usable);
  TimePoint now{seconds(1000)};
  bench::Counted counted(state);
  for (auto _ : state) {
    Seat* seat = made->pick({.now = now});
    made->on_done(*seat, {Outcome::Kind::Ok, 500}, now);
    now += std::chrono::microseconds(30);
  }
}

const int kRegistered = [] {
  for (const auto& entry : all_balancers())
    for (const bool weighted : {false, true}) {
      const std::string name = "pick/" + std::string(entry.name) + (weighted ? "/weighted" : "/equal");
      benchmark::RegisterBenchmark(name.c_str(), pick, entry.name, weighted)->Arg(10)->Arg(1000)->Arg(10000);
    }
  return 0;
}();

}  // namespace
}  // namespace outrider::upstream
