// A warm exchange over loopback, from a client's socket to an endpoint's and back, with the kernel's part and the far
// ends' sockets in it: eight system calls, of which the proxy makes four.

#include <string>

#include "counted.h"
#include "tests/support/world.h"

namespace outrider::exchange {
namespace {

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nfine!";

void run(benchmark::State& state, const std::string& yaml, const std::string& request) {
  test::World world(yaml);
  bool good = true;
  for (int i = 0; i < 50; ++i) good &= world.exchange(request, kAnswer, "fine!");
  {
    bench::Counted counted(state, false);
    for (auto _ : state) good &= world.exchange(request, kAnswer, "fine!");
  }
  if (!good) state.SkipWithError("no answer");
}

void exchange_get(benchmark::State& state) { run(state, test::World::kYaml, "GET /a HTTP/1.1\r\nHost: web\r\n\r\n"); }
BENCHMARK(exchange_get);

void exchange_post(benchmark::State& state) {
  run(state, test::World::kYaml, "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'b'));
}
BENCHMARK(exchange_post);

std::string many(int64_t routes, int64_t clusters) {
  std::string yaml =
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes:\n  edge:\n";
  for (int64_t i = 0; i < routes; ++i)
    yaml += "  - {match: {host: web, prefix: /part-" + std::to_string(i) + "}, cluster: c" + std::to_string(i % clusters) + "}\n";
  yaml += "clusters:\n";
  for (int64_t i = 0; i < clusters; ++i) yaml += "  c" + std::to_string(i) + ": {endpoints: [\"127.0.0.1:1\"]}\n";
  return yaml;
}

void exchange_routes(benchmark::State& state) {
  run(state, many(state.range(0), 1), "GET /part-" + std::to_string(state.range(0) - 1) + "/b HTTP/1.1\r\nHost: web\r\n\r\n");
}
BENCHMARK(exchange_routes)->Arg(10)->Arg(1000)->Arg(10000);

void exchange_clusters(benchmark::State& state) {
  run(state, many(1000, state.range(0)), "GET /part-999/b HTTP/1.1\r\nHost: web\r\n\r\n");
}
BENCHMARK(exchange_clusters)->Arg(1)->Arg(1000);

}  // namespace
}  // namespace outrider::exchange
