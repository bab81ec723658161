// A rule found among many, by what a rule names: what grows is the number of rules.

#include <string>

#include "counted.h"
#include "exchange/router.h"

namespace outrider::exchange {
namespace {

Rule rule() {
  Rule made;
  made.route.chain = std::make_shared<const filter::Chain>(std::vector<std::shared_ptr<const filter::Filter>>{});
  return made;
}

void match(benchmark::State& state, std::vector<Rule> rules, std::vector<std::pair<std::string, std::string>> requests) {
  const Router router(std::move(rules));
  size_t at = 0;
  bool found = true;
  Arena arena;
  http::RequestHead head(arena);
  {
    bench::Counted counted(state);
    for (auto _ : state) {
      const auto& [host, path] = requests[at++ % requests.size()];
      head.path = path;
      found &= router.match(host, {head, {}, 0}) != nullptr;
    }
  }
  if (!found) state.SkipWithError("no rule matched");
}

// Ten of the rules are asked for, spread over all: caches stay as warm as with ten rules.
std::vector<size_t> asked(size_t n) {
  std::vector<size_t> which;
  for (size_t i = 0; i < 10; ++i) which.push_back(i * n / 10);
  return which;
}

void match_host(benchmark::State& state) {
  std::vector<Rule> rules(size_t(state.range(0)), rule());
  for (size_t i = 0; i < rules.size(); ++i) rules[i].hosts = {"service-" + std::to_string(i) + ".example.com"};
  std::vector<std::pair<std::string, std::string>> requests;
  for (const size_t i : asked(rules.size())) requests.emplace_back(rules[i].hosts[0], "/a/b?c=d");
  match(state, std::move(rules), std::move(requests));
}
BENCHMARK(match_host)->Arg(10)->Arg(1000)->Arg(10000);

void match_suffix(benchmark::State& state) {
  std::vector<Rule> rules(size_t(state.range(0)), rule());
  for (size_t i = 0; i < rules.size(); ++i) rules[i].hosts = {"*.zone-" + std::to_string(i) + ".example.com"};
  std::vector<std::pair<std::string, std::string>> requests;
  for (const size_t i : asked(rules.size())) requests.emplace_back("web" + rules[i].hosts[0].substr(1), "/a/b?c=d");
  match(state, std::move(rules), std::move(requests));
}
BENCHMARK(match_suffix)->Arg(10)->Arg(1000)->Arg(10000);

void match_prefix(benchmark::State& state) {
  std::vector<Rule> rules(size_t(state.range(0)), rule());
  for (size_t i = 0; i < rules.size(); ++i) rules[i].prefixes = {"/api/part-" + std::to_string(i)};
  std::vector<std::pair<std::string, std::string>> requests;
  for (const size_t i : asked(rules.size())) requests.emplace_back("web", rules[i].prefixes[0] + "/b?c=d");
  match(state, std::move(rules), std::move(requests));
}
BENCHMARK(match_prefix)->Arg(10)->Arg(1000)->Arg(10000);

// Of all kinds, as a gateway has them: hosts with a prefix, domains, prefixes, and hosts with conditions; what stands beside
// those that are asked for is there as well.
void match_mixed(benchmark::State& state) {
  std::vector<Rule> rules(size_t(state.range(0)), rule());
  std::vector<std::pair<std::string, std::string>> takes;
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string n = std::to_string(i);
    auto conditions = std::make_shared<Conditions>();
    switch (i % 4) {
      case 0:
        rules[i].hosts = {"service-" + n + ".example.com"};
        rules[i].prefixes = {"/api"};
        takes.emplace_back(rules[i].hosts[0], "/api/b?c=d");
        break;
      case 1:
        rules[i].hosts = {"*.zone-" + n + ".example.com"};
        takes.emplace_back("web.zone-" + n + ".example.com", "/api/b?c=d");
        break;
      case 2:
        rules[i].prefixes = {"/api/part-" + n};
        takes.emplace_back("web", "/api/part-" + n + "/b?c=d");
        break;
      default:
        rules[i].hosts = {"picky-" + n + ".example.com"};
        conditions->queries.push_back({"c", TextMatch(TextMatch::Kind::Exact, "d")});
        rules[i].conditions = conditions;
        takes.emplace_back(rules[i].hosts[0], "/api/b?c=d");
    }
  }
  std::vector<std::pair<std::string, std::string>> requests;
  for (const size_t i : asked(rules.size())) requests.push_back(takes[i]);
  match(state, std::move(rules), std::move(requests));
}
BENCHMARK(match_mixed)->Arg(10)->Arg(10000);

// Rules that differ in nothing but what they ask besides host and path are asked one after the other: this one does grow.
void match_conditions(benchmark::State& state) {
  std::vector<Rule> rules(size_t(state.range(0)), rule());
  for (size_t i = 0; i < rules.size(); ++i) {
    auto conditions = std::make_shared<Conditions>();
    conditions->queries.push_back({"c", TextMatch(TextMatch::Kind::Exact, std::to_string(i))});
    rules[i].conditions = conditions;
  }
  match(state, std::move(rules), {{"web", "/a/b?c=" + std::to_string(state.range(0) - 1)}});
}
BENCHMARK(match_conditions)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace outrider::exchange
