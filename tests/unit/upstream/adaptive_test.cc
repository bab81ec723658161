// `adaptive` against the others, in a simulation of endpoints that are asked by several proxies (row 71 of the table of
// features), and what it makes of reports (row 69).

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <queue>

#include "seats.h"
#include "upstream/load_report.h"

namespace outrider::upstream {
namespace {

// Ten endpoints with slots of their own and one queue each: one of them is three times slower, two are half as large. Eight
// proxies, each with a balancer that knows what it has seen itself, ask them at a Poisson process of arrivals. Times in
// microseconds.
class Simulation {
 public:
  struct Result {  // microseconds
    double p50 = 0, p99 = 0, slow_share = 0;
    double p99_high = 0, p99_low = 0, longest = 0, rate = 0;  // where priorities are told; of those with any; answers a second
  };
  Simulation(const char* balancer, double load, uint64_t seed, double deviation, bool reports = true, bool priorities = false)
      : random_(seed), deviation_(deviation), reports_(reports), priorities_(priorities) {
    for (int i = 0; i < 10; ++i) {
      Server server;
      server.slots = i == 1 || i == 2 ? 4 : 8;
      server.mean = i == 0 ? 30000 : 10000;
      servers_.push_back(server);
    }
    double capacity = 0;  // requests a microsecond
    for (const Server& server : servers_) capacity += server.slots / server.mean;
    gap_ = 1 / (capacity * load);
    ClusterPlan plan;
    plan.balancer = balancer;
    for (auto& proxy : proxies_) {
      for (size_t i = 0; i < servers_.size(); ++i) {
        const auto facts = instance("10.0.0." + std::to_string(i) + ":80", uint32_t(servers_[i].slots / 8 * 100));
        proxy.seats.push_back(std::make_unique<Seat>(Member{std::make_shared<Endpoint>(facts->address, ""), facts}));
        proxy.seats.back()->weight = facts->weight * 100;
      }
      proxy.balancer = make_balancer(plan, random_);
      std::vector<Seat*> usable;
      for (auto& seat : proxy.seats) usable.push_back(seat.get());
      proxy.balancer->rebuild(usable);
    }
  }
  Result run(int requests) {
    at(exponential(gap_), [&] { arrive(requests); });
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.at;
      event.what();
    }
    std::vector<double> all, high, low;
    int slow = 0;
    for (size_t i = done_.size() / 5; i < done_.size(); ++i) {  // the first fifth is for learning
      all.push_back(done_[i].took);
      (done_[i].low ? low : high).push_back(done_[i].took);
      slow += done_[i].by == 0;
    }
    Result result{percentile(all, 50), percentile(all, 99), slow / double(all.size())};
    result.p99_high = percentile(high, 99);
    result.p99_low = percentile(low, 99);
    result.longest = percentile(all, 100);
    result.rate = double(done_.size()) / now_ * 1e6;
    return result;
  }

 private:
  struct Request {
    size_t proxy;
    double from;
    bool low;
  };
  struct Done {
    double took;
    size_t by;
    bool low;
  };
  static double percentile(std::vector<double>& of, size_t share) {
    std::sort(of.begin(), of.end());
    return of.empty() ? 0 : of[(of.size() - 1) * share / 100];
  }
  struct Server {
    double slots, mean;
    int busy = 0;
    std::deque<Request> queue;
  };
  struct Proxy {
    std::vector<std::unique_ptr<Seat>> seats;
    std::unique_ptr<Balancer> balancer;
  };
  struct Event {
    double at;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };
  void at(double delay, std::function<void()> what) { events_.push({now_ + delay, order_++, std::move(what)}); }
  double uniform() { return (double(random_.next() >> 11) + 0.5) * 0x1.0p-53; }
  double exponential(double mean) { return -mean * std::log(uniform()); }
  // Lognormal.
  double service(double mean) {
    const double variance = std::log(1 + deviation_ * deviation_);
    const double normal = std::sqrt(-2 * std::log(uniform())) * std::cos(2 * M_PI * uniform());
    return mean * std::exp(std::sqrt(variance) * normal - variance / 2);
  }
  TimePoint time() const { return TimePoint(std::chrono::microseconds(int64_t(now_) + 1'000'000)); }
  void arrive(int left) {
    const size_t who = random_.below(uint32_t(proxies_.size()));
    Proxy& proxy = proxies_[who];
    const bool low = random_.below(2);
    const auto priority = low && priorities_ ? Priority::Low : Priority::Normal;
    Seat* const seat = proxy.balancer->pick({.now = time(), .priority = priority});
    const size_t to =
        size_t(std::ranges::find_if(proxy.seats, [&](auto& one) { return one.get() == seat; }) - proxy.seats.begin());
    ++seat->in_flight;
    ++seat->member.endpoint->in_flight;
    servers_[to].queue.push_back({who, now_, low});
    work(to);
    if (left > 1) at(exponential(gap_), [this, left] { arrive(left - 1); });
  }
  void work(size_t which) {
    Server& server = servers_[which];
    while (!server.queue.empty() && server.busy < server.slots) {
      const Request request = server.queue.front();
      server.queue.pop_front();
      ++server.busy;
      at(service(server.mean), [this, which, request] { finish(which, request); });
    }
  }
  void finish(size_t which, const Request& request) {
    Server& server = servers_[which];
    --server.busy;
    Proxy& proxy = proxies_[request.proxy];
    Seat& seat = *proxy.seats[which];
    --seat.in_flight;
    --seat.member.endpoint->in_flight;
    LoadReport report;
    report.in_flight = float(server.busy) + float(server.queue.size());
    report.slots = float(server.slots);
    report.utilization = report.in_flight / report.slots;
    Outcome outcome{.kind = Outcome::Kind::Ok, .first_byte_us = uint64_t(now_ - request.from), .status = 200};
    if (reports_) outcome.load = &report;
    proxy.balancer->on_done(seat, outcome, time());
    done_.push_back({now_ - request.from, which, request.low});
    work(which);
  }
  Random random_;
  const double deviation_;  // of times of service, as a share of their mean
  const bool reports_, priorities_;
  double now_ = 0, gap_ = 0;
  uint64_t order_ = 0;
  std::vector<Server> servers_;
  std::array<Proxy, 8> proxies_;
  std::priority_queue<Event> events_;
  std::vector<Done> done_;
};

constexpr int kRequests = 120'000;

// p99 of adaptive by that of the best other, in the middle of runs whose chance is always the same.
double ratio(double load, double deviation, std::vector<uint64_t> seeds, std::vector<const char*> others) {
  std::vector<double> ratios;
  for (const uint64_t seed : seeds) {
    const auto run = [&](const char* balancer) {
      const auto result = Simulation(balancer, load, seed, deviation).run(kRequests);
      if (seed == seeds.front())
        std::printf("load %.2f deviation %.2f  %-14s p50 %6.1f ms  p99 %8.1f ms  to the slow one %4.1f %%\n", load, deviation,
                    balancer, result.p50 / 1000, result.p99 / 1000, result.slow_share * 100);
      return result.p99;
    };
    double best = 1e18;
    for (const char* other : others) best = std::min(best, run(other));
    ratios.push_back(run("adaptive") / best);
  }
  std::sort(ratios.begin(), ratios.end());
  const double middle = ratios[ratios.size() / 2];
  std::printf("load %.2f deviation %.2f  p99 of adaptive by the best other's: %.3f (%.3f to %.3f)\n", load, deviation, middle,
              ratios.front(), ratios.back());
  return middle;
}

TEST(Adaptive, ATailIsAThirdShorterThanTheBestOthers) {
  EXPECT_LT(ratio(0.6, 0.25, {1}, {"ewma", "least_request"}), 0.75);
  EXPECT_LT(ratio(0.8, 0.25, {1, 2, 3}, {"ewma", "least_request", "round_robin", "random"}), 0.7);
  EXPECT_LT(ratio(0.95, 0.25, {1}, {"ewma", "least_request"}), 0.95);
}

// Where the tail is that of the work itself there is less to be had.
TEST(Adaptive, IsNoWorseWhereAnswersDifferMuch) {
  EXPECT_LT(ratio(0.8, 0.5, {1}, {"ewma"}), 0.9);
  EXPECT_LT(ratio(0.8, 1, {1}, {"ewma"}), 1);
}

TEST(Adaptive, WithoutReportsItIsLedByItsOwnRequests) {
  const auto silent = Simulation("adaptive", 0.8, 1, 0.25, false).run(kRequests);
  const auto least = Simulation("least_request", 0.8, 1, 0.25).run(kRequests);
  std::printf("p99 without reports %.1f ms, of least_request %.1f ms\n", silent.p99 / 1000, least.p99 / 1000);
  EXPECT_LT(silent.p99, least.p99);
}

// Half of the requests are of low priority. There is one queue at each endpoint, in order of arrival: what the others gain is by
// where they are sent alone. Those of low priority wait longer, and none of them for ever.
TEST(Adaptive, WhereItIsTightRequestsOfLowPriorityMakeRoom) {
  for (const double load : {0.6, 0.95}) {
    const auto without = Simulation("adaptive", load, 1, 0.25).run(kRequests);
    const auto with = Simulation("adaptive", load, 1, 0.25, true, true).run(kRequests);
    std::printf(
        "load %.2f  p99 of the usual ones %.1f ms, without priorities %.1f ms; of the low ones %.1f, %.1f; the longest "
        "%.1f, %.1f; %.0f and %.0f answers a second\n",
        load, with.p99_high / 1000, without.p99_high / 1000, with.p99_low / 1000, without.p99_low / 1000, with.longest / 1000,
        without.longest / 1000, with.rate, without.rate);
    EXPECT_LT(with.p99_high, without.p99_high * (load > 0.9 ? 0.8 : 1.02));
    EXPECT_LT(with.p99_low, without.p99_low * (load > 0.9 ? 2 : 1.02));
    EXPECT_NEAR(with.rate, without.rate, without.rate * 0.01);
  }
}

TEST(Adaptive, WhoFailsIsNoPlaceForRequestsOfLowPriorityEither) {
  Seats seats("adaptive", {100, 100}, 5);
  const LoadReport full{.utilization = 1, .slots = 8};
  using Kind = Outcome::Kind;
  const auto answer = [&](size_t i) {
    seats.made->on_done(*seats.seats[i], {.kind = i ? Kind::Ok : Kind::Failed, .first_byte_us = 1000, .load = &full}, seats.now);
  };
  for (int n = 0; n < 8; ++n) answer(0), answer(1);
  for (int n = 0; n < 100; ++n) {
    EXPECT_EQ(seats.made->pick({.now = seats.now, .priority = Priority::Low}), seats.seats[1].get());
    answer(1);
  }
}

// It has answered nothing yet, or says nothing: its registration does.
TEST(Adaptive, AnEndpointsSizeIsWhatItsRegistrationSays) {
  Seats seats("adaptive", {100, 100}, 5);
  for (size_t i = 0; i < 2; ++i) {
    auto facts = std::make_shared<discovery::Instance>(*seats.seats[i]->member.facts);
    facts->slots = i ? 30 : 10;
    seats.seats[i]->member.facts = facts;
  }
  for (int i = 0; i < 40; ++i) ++seats.made->pick({.now = seats.now})->in_flight;
  EXPECT_NEAR(seats.seats[0]->in_flight, 10, 2);
  EXPECT_NEAR(seats.seats[1]->in_flight, 30, 2);
}

// As a sidecar does where nobody has told it how much its application can do.
TEST(Adaptive, WhoSaysOnlyHowManyItHasIsComparedByThat) {
  Seats seats("adaptive", {100, 100}, 5);
  const LoadReport many{.in_flight = 20}, few{.in_flight = 1};
  for (int n = 0; n < 8; ++n)
    for (size_t i = 0; i < 2; ++i)
      seats.made->on_done(*seats.seats[i], {.kind = Outcome::Kind::Ok, .first_byte_us = 1000, .load = i ? &few : &many},
                          seats.now);
  EXPECT_FLOAT_EQ(seats.endpoint(0).load, 2.5f);
  EXPECT_EQ(seats.made->pick({.now = seats.now}), seats.seats[1].get());
}

// Others keep one of two busy, of whom we hear by their answers alone.
TEST(Adaptive, WhoSaysThatItIsBusyIsSpared) {
  Seats seats("adaptive", {100, 100}, 5);
  LoadReport full{.utilization = 1, .slots = 4}, idle{.utilization = 0.1f, .slots = 4};
  const auto answer = [&](size_t i) {
    seats.made->on_done(*seats.seats[i], {.kind = Outcome::Kind::Ok, .first_byte_us = 1000, .load = i ? &idle : &full},
                        seats.now);
  };
  for (int i = 0; i < 8; ++i) answer(0), answer(1);
  int busy = 0;
  for (int i = 0; i < 1000; ++i) {
    const bool second = seats.made->pick({.now = seats.now}) == seats.seats[1].get();
    busy += !second;
    seats.now += std::chrono::milliseconds(1);
    answer(second);
  }
  EXPECT_LT(busy, 20);
}

// --- reports -------------------------------------------------------------------------------------------------------

TEST(LoadReport, IsReadInItsThreeForms) {
  const LoadReport text =
      parse_load_text("cpu_utilization=0.3, rps_fractional=12.5,named_metrics.slots=4,named_metrics.in_flight=3");
  EXPECT_FLOAT_EQ(text.utilization, 0.3f);
  EXPECT_FLOAT_EQ(text.rps, 12.5f);
  EXPECT_FLOAT_EQ(text.slots, 4);
  EXPECT_FLOAT_EQ(text.in_flight, 3);
  EXPECT_FLOAT_EQ(parse_load_text("application_utilization=1.5,cpu_utilization=0.3").utilization, 1.5f) << "the more telling one";
  EXPECT_FLOAT_EQ(parse_load_text("named_metrics.slots=4,named_metrics.in_flight=6").utilization, 1.5f);
  const LoadReport json =
      parse_load_json(R"({"application_utilization": 0.5, "named_metrics": {"slots": 8, "in_flight": 4}, "x": "y"})");
  EXPECT_FLOAT_EQ(json.utilization, 0.5f);
  EXPECT_FLOAT_EQ(json.slots, 8);
  EXPECT_FLOAT_EQ(json.in_flight, 4);
  // cpu_utilization 0.5, named_metrics {slots: 2}, application_utilization 0.75.
  const std::string message("\x09\0\0\0\0\0\0\xe0\x3f\x42\x10\x0a\x05slots\x11\0\0\0\0\0\0\0\x40\x49\0\0\0\0\0\0\xe8\x3f", 36);
  const LoadReport binary = parse_load_message(message);
  EXPECT_FLOAT_EQ(binary.utilization, 0.75f);
  EXPECT_FLOAT_EQ(binary.slots, 2);
}

TEST(LoadReport, WhatMakesNoSenseSaysNothing) {
  for (const char* text : {"", "=", "cpu_utilization", "cpu_utilization=", "cpu_utilization=x", "cpu_utilization=-1",
                           "cpu_utilization=inf", "cpu_utilization=nan", "cpu_utilization=0.5x", "mem_utilization=0.5"})
    EXPECT_FALSE(parse_load_text(text).any()) << text;
  for (const char* text : {"", "[]", "{", "{\"cpu_utilization\": \"1\"}", "{\"named_metrics\": 3}"})
    EXPECT_FALSE(parse_load_json(text).any()) << text;
  EXPECT_FALSE(parse_load_message(std::string("\x09\0\0", 3)).any());
  EXPECT_FALSE(parse_load_text("named_metrics.slots=4").any());
}

TEST(LoadReport, IsWrittenAsItIsRead) {
  Arena arena;
  EXPECT_EQ(write_load({.utilization = 0.75f, .in_flight = 6, .slots = 8}, arena),
            "application_utilization=0.750,named_metrics.in_flight=6.000,named_metrics.slots=8.000");
  EXPECT_EQ(write_load({.in_flight = 6}, arena), "named_metrics.in_flight=6.000");
  EXPECT_EQ(write_load({}, arena), "");
  const LoadReport most = parse_load_text(write_load({.utilization = 1e30f, .in_flight = 1e30f, .slots = 1e30f}, arena));
  EXPECT_FLOAT_EQ(most.utilization, 1e9f);
  EXPECT_FLOAT_EQ(most.slots, 1e9f);
}

TEST(LoadReport, IsFoundInEitherField) {
  Arena arena;
  http::HeaderMap fields(arena);
  EXPECT_FALSE(read_load(fields).any());
  fields.add("Endpoint-Load-Metrics", "TEXT cpu_utilization=0.25");
  EXPECT_FLOAT_EQ(read_load(fields).utilization, 0.25f);
  fields.set("endpoint-load-metrics", "JSON {\"cpu_utilization\": 0.5}");
  EXPECT_FLOAT_EQ(read_load(fields).utilization, 0.5f);
  fields.set("endpoint-load-metrics", "BIN CQAAAAAAAOA/");
  EXPECT_FLOAT_EQ(read_load(fields).utilization, 0.5f);
  fields.set("endpoint-load-metrics", "cpu_utilization=0.5");
  EXPECT_FALSE(read_load(fields).any());
  fields.add("endpoint-load-metrics-bin", "CQAAAAAAAOg/");
  EXPECT_FLOAT_EQ(read_load(fields).utilization, 0.75f);
  fields.set("endpoint-load-metrics-bin", std::string(5000, 'A'));
  EXPECT_FALSE(read_load(fields).any());
}

}  // namespace
}  // namespace outrider::upstream
