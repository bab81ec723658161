// Filters run over the two heads of an exchange.

#include <string>

#include "config/load.h"
#include "counted.h"
#include "filter/chain.h"
#include "filters/all.h"

namespace outrider::filter {
namespace {

class LoneCall final : public Call {
 public:
  void respond(uint16_t, const char*, std::string_view) override {}
  void fetch(const Filter&, Subrequest&) override {}
  void resume(http::Way) override {}
  const http::HeaderMap* take_trailers() override { return nullptr; }
  void begin() {
    request_.clear();
    answer_.clear();
    arena_.reset();
    for (const char* name : {"Host", "User-Agent", "Accept", "Accept-Encoding", "Cookie", "X-Request-Id"})
      request_.headers.add_view(http::header_id(name), name, "value");
    for (const char* name : {"Server", "Date", "Content-Type", "ETag"})
      answer_.headers.add_view(http::header_id(name), name, "value");
  }
};

void chain(benchmark::State& state, std::vector<std::shared_ptr<const Filter>> filters) {
  const Chain chain(std::move(filters));
  BlockPool pool;
  http::Pipe request(pool), response(pool);
  LoneCall call;
  const auto once = [&] {
    call.begin();
    request.clear();
    response.clear();
    benchmark::DoNotOptimize(chain.run_head(call, http::Way::Request, request));
    benchmark::DoNotOptimize(chain.run_head(call, http::Way::Response, response));
    chain.run_complete(call);
  };
  once();
  bench::Counted counted(state);
  for (auto _ : state) once();
}

void chain_empty(benchmark::State& state) { chain(state, {}); }
BENCHMARK(chain_empty);

void chain_headers(benchmark::State& state) {
  const std::string options =
      "{request: {set: {x-a: new}, add: {x-b: more}, remove: cookie}, response: {set: {x-c: new}, remove: server}}";
  std::vector<std::shared_ptr<const Filter>> filters;
  for (int64_t i = 0; i < state.range(0); ++i) {
    Complaint complaint;
    filters.push_back(
        filters::find("headers")->make(config::parse(options, std::make_shared<const config::Origin>()).root, complaint));
    if (!filters.back()) return state.SkipWithError(complaint.message.c_str());
  }
  chain(state, std::move(filters));
}
BENCHMARK(chain_headers)->Arg(1)->Arg(4);

}  // namespace
}  // namespace outrider::filter
