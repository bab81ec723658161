// A set of endpoints of which one has changed, taken over by a worker between two requests.

#include <string>

#include "counted.h"
#include "net/loop.h"
#include "upstream/cluster.h"

namespace outrider::upstream {
namespace {

Member member(int64_t number) {
  auto facts = std::make_shared<discovery::Instance>();
  facts->address = "127.0.0.1:" + std::to_string(number);
  return {std::make_shared<Endpoint>(facts->address, "", net::Loop::wall() - seconds(3600)), facts};
}

void cluster_adopt(benchmark::State& state) {
  net::Loop loop;
  stats::Catalog catalog;
  const auto shard = catalog.make_shard();
  const Context context{loop, catalog, *shard};
  auto plan = std::make_shared<ClusterPlan>();
  plan->name = "web";
  auto even = std::make_shared<EndpointSet>();
  even->known = Known::Yes;
  for (int64_t i = 0; i < state.range(0); ++i) even->members.push_back(member(1000 + i));
  auto odd = std::make_shared<EndpointSet>(*even);
  odd->members.back() = member(999);
  Ref<Cluster> cluster(new Cluster(context, plan, std::make_shared<Limits>()));
  cluster->adopt(even);
  bool turn = false;
  for (auto _ : state) cluster->adopt((turn = !turn) ? odd : even);
  cluster = {};
  loop.run_turn(false);
}
BENCHMARK(cluster_adopt)->Arg(10)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace outrider::upstream
