// What workers write per request, and what a scrape costs.

#include <prometheus/text_serializer.h>

#include <string>

#include "counted.h"
#include "stats/collector.h"
#include "stats/histogram.h"
#include "stats/names.h"

namespace outrider::stats {
namespace {

void counter_add(benchmark::State& state) {
  Catalog catalog;
  const auto shard = catalog.make_shard();
  const Slot slot = catalog.slot(names::kRequests, {{"code", "200"}});
  bench::Counted counted(state);
  for (auto _ : state) shard->add(slot);
}
BENCHMARK(counter_add);

void histogram_observe(benchmark::State& state) {
  Catalog catalog;
  const auto shard = catalog.make_shard();
  const Slot slot = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  shard->observe(slot, 1);
  uint64_t value = 1;
  bench::Counted counted(state);
  for (auto _ : state) shard->observe(slot, value = (value * 5 + 7) & 0xFFFF);
}
BENCHMARK(histogram_observe);

// Off the workers' loops, and the time per series should not grow with their number.
void scrape(benchmark::State& state) {
  Catalog catalog(200'000);
  Collector collector(catalog);
  const auto shard = catalog.make_shard();
  for (int64_t i = 0; int64_t(catalog.series().size()) < state.range(0); ++i) {
    const std::string route = "route-" + std::to_string(i);
    shard->observe(catalog.slot(names::kRequestDuration, {{"route", route}}), uint64_t(i));
    for (const char* code : {"200", "404", "503"}) shard->add(catalog.slot(names::kRequests, {{"route", route}, {"code", code}}));
  }
  size_t bytes = 0;
  for (auto _ : state) {
    collector.prepare();
    bytes = prometheus::TextSerializer().Serialize(collector.Collect()).size();
  }
  state.counters["bytes"] = double(bytes);
  state.SetItemsProcessed(int64_t(state.iterations() * state.range(0)));
}
BENCHMARK(scrape)->Arg(100)->Arg(5000)->Arg(50000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace outrider::stats
