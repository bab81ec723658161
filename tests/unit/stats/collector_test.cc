#include "stats/collector.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <map>
#include <sstream>
#include <thread>

#include "base/text.h"
#include "stats/names.h"

namespace outrider::stats {
namespace {

std::string text_of(const Collector& collector) { return prometheus::TextSerializer().Serialize(collector.Collect()); }

// Lines of the exposition format 0.0.4: `name{labels} value`; comments say what a name is.
struct Lines {
  explicit Lines(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
        ++comments[line.substr(2, line.find(' ', 7) - 2)];
        continue;
      }
      size_t space = line.rfind(' ');
      EXPECT_TRUE(values.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second) << "twice: " << line;
    }
  }
  std::map<std::string, double> values;
  std::map<std::string, int> comments;
};

TEST(Collector, ShowsCountersGaugesAndHistogramsInTheirUnits) {
  Catalog catalog;
  Collector collector(catalog);
  auto shard = catalog.make_shard();
  shard->add(catalog.slot(names::kRequests, {{"direction", "inbound"}, {"code", "200"}}), 3);
  shard->sub(catalog.slot(names::kClusterPending, {{"cluster", "a"}}), 2);
  shard->set(catalog.slot(names::kRegistryStaleness, {{"cluster", "a"}}), 1500);
  Slot duration = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  for (uint64_t us : {400, 2000, 40'000'000}) shard->observe(duration, us);
  Lines scrape(text_of(collector));
  EXPECT_EQ(scrape.values.at("outrider_requests_total{direction=\"inbound\",code=\"200\"}"), 3);
  EXPECT_EQ(scrape.values.at("outrider_cluster_pending_requests{cluster=\"a\"}"), -2);
  EXPECT_EQ(scrape.values.at("outrider_registry_staleness_seconds{cluster=\"a\"}"), 1.5);
  auto bucket = [&](const char* le) {
    return scrape.values.at("outrider_request_duration_seconds_bucket{route=\"a\",le=\"" + std::string(le) + "\"}");
  };
  EXPECT_EQ(bucket("0.0005"), 1);
  EXPECT_EQ(bucket("0.001"), 1);
  EXPECT_EQ(bucket("0.0025"), 2);
  EXPECT_EQ(bucket("30"), 2);
  EXPECT_EQ(bucket("+Inf"), 3);
  EXPECT_EQ(scrape.values.at("outrider_request_duration_seconds_count{route=\"a\"}"), 3);
  EXPECT_NEAR(scrape.values.at("outrider_request_duration_seconds_sum{route=\"a\"}"), 40.0024, 1e-9);
}

TEST(Collector, EveryNameHasOneHelpAndOneType) {
  Catalog catalog;
  Collector collector(catalog);
  for (const Name* name : names::kAll) {
    if (std::string(name->name).starts_with("process_") || name->name == std::string(names::kMetricsSeries.name) ||
        name->name == std::string(names::kMetricsDroppedSeries.name))
      continue;  // the collector's own
    for (const char* cluster : {"a", "b"}) catalog.slot(*name, {{"cluster", cluster}});
  }
  Lines scrape(text_of(collector));
  for (const Name* name : names::kAll) {
    EXPECT_EQ(scrape.comments["HELP " + std::string(name->name)], 1) << name->name;
    EXPECT_EQ(scrape.comments["TYPE " + std::string(name->name)], 1) << name->name;
  }
  EXPECT_EQ(scrape.comments.size(), 2 * names::kAll.size());
}

TEST(Collector, BoundsCanBeConfigured) {
  Catalog catalog;
  Collector collector(catalog, Bounds{.usual = {0.1, 2}});
  catalog.make_shard()->observe(catalog.slot(names::kFirstByte), 50'000);
  Lines scrape(text_of(collector));
  EXPECT_EQ(scrape.values.at("outrider_response_first_byte_seconds_bucket{le=\"0.1\"}"), 1);
  EXPECT_EQ(scrape.values.at("outrider_response_first_byte_seconds_bucket{le=\"2\"}"), 1);
  EXPECT_EQ(scrape.values.count("outrider_response_first_byte_seconds_bucket{le=\"1\"}"), 0u);
}

TEST(Collector, LabelValuesAreEscaped) {
  Catalog catalog;
  Collector collector(catalog);
  catalog.slot(names::kClusterPanic, {{"cluster", "a\"b\\c\nd"}});
  EXPECT_NE(text_of(collector).find("{cluster=\"a\\\"b\\\\c\\nd\"} 0"), std::string::npos);
}

TEST(Collector, SourcesRunInPrepareAndTheirSamplesJoinTheFamily) {
  Catalog catalog;
  Collector collector(catalog);
  int peers = 3, runs = 0;
  collector.add_source([&](Samples& samples) {
    ++runs;
    samples.add(names::kRegistryPeers, peers);
    samples.add(names::kClusterEndpoints, 2, {{"cluster", "a"}, {"state", "ready"}});
  });
  catalog.slot(names::kClusterEndpoints, {{"cluster", "b"}, {"state", "ready"}});
  EXPECT_EQ(Lines(text_of(collector)).values.count("outrider_registry_peers"), 0u);
  collector.prepare();
  peers = 9;
  Lines scrape(text_of(collector));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(scrape.values.at("outrider_registry_peers"), 3);
  EXPECT_EQ(scrape.values.at("outrider_cluster_endpoints{cluster=\"a\",state=\"ready\"}"), 2);
  EXPECT_EQ(scrape.values.at("outrider_cluster_endpoints{cluster=\"b\",state=\"ready\"}"), 0);
  EXPECT_EQ(scrape.values.at("outrider_metrics_series"), double(scrape.values.size()));
}

TEST(Collector, SourcesAreHeldToTheirPartAndToWhatNobodyElseWants) {
  Catalog catalog(50);
  Collector collector(catalog);
  catalog.slot(names::kRequests, {{"route", "a"}});
  collector.add_source([](Samples& samples) {
    for (int i = 0; i < 60; ++i) samples.add(names::kEndpointInFlight, i, {{"endpoint", std::to_string(i)}});
    samples.add(names::kBuildInfo, 1, {{"version", "1"}});
  });
  collector.prepare();
  const auto endpoints = [](const Lines& lines) {
    return std::count_if(lines.values.begin(), lines.values.end(),
                         [](const auto& line) { return line.first.starts_with("outrider_endpoint"); });
  };
  Lines first(text_of(collector));
  EXPECT_EQ(endpoints(first), 10);
  EXPECT_EQ(first.values.at("outrider_metrics_dropped_series_total"), 50);
  collector.prepare();
  Lines second(text_of(collector));
  EXPECT_GT(endpoints(second), 30);
  EXPECT_LE(second.values.size(), 50u);
  EXPECT_EQ(second.values.count("outrider_build_info{version=\"1\"}"), 1u) << "no part of that";
  for (int i = 0; i < 100; ++i) catalog.slot(names::kRequests, {{"route", std::to_string(i)}});
  for (int i = 0; i < 3; ++i) {
    Lines(text_of(collector));
    collector.prepare();
  }
  EXPECT_EQ(endpoints(Lines(text_of(collector))), 10) << "others want it now";
}

// A configuration that is too large by far: what the proxy says of itself is there, and no line too many.
TEST(Collector, NeverShowsMoreThanMaxSeries) {
  for (const uint32_t most : {500u, 1000u, 5000u}) {
    Catalog catalog(most);
    Collector collector(catalog);
    auto shard = catalog.make_shard();
    uint64_t requests = 0;
    for (int i = 0; i < 3000; ++i) {
      const std::vector<Label> labels = {
          {"direction", "edge"}, {"route", std::to_string(i)}, {"cluster", std::to_string(i % 300)}};
      auto with_code = labels;
      with_code.push_back({"code", i % 7 ? "200" : "503"});
      shard->add(catalog.slot(names::kRequests, with_code));
      ++requests;
      shard->add(catalog.slot(names::kRequestBytes, labels), 100);
      shard->observe(catalog.slot(names::kRequestDuration, labels), uint64_t(i));
      shard->observe(catalog.slot(names::kFirstByte, labels), uint64_t(i));
      shard->observe(catalog.slot(names::kClusterConnectDuration, {{"cluster", std::to_string(i % 300)}}), uint64_t(i));
    }
    collector.add_source([](Samples& samples) {
      samples.add(names::kBuildInfo, 1, {{"version", "1"}});
      for (int i = 0; i < 2000; ++i)
        samples.add(names::kClusterEndpoints, i, {{"cluster", std::to_string(i)}, {"state", "ready"}});
    });
    for (int i = 0; i < 3; ++i) {
      collector.prepare(TimePoint{} + seconds(60 * i));
      Lines scrape(text_of(collector));
      EXPECT_LE(scrape.values.size(), most);
      EXPECT_GT(scrape.values.size(), most * 3 / 4) << "and not much less";
      EXPECT_EQ(scrape.values.at("outrider_metrics_series"), double(scrape.values.size()));
      EXPECT_EQ(scrape.values.count("outrider_build_info{version=\"1\"}"), 1u);
      EXPECT_EQ(scrape.values.count("process_cpu_seconds_total"), 1u);
      EXPECT_GT(scrape.values.at("outrider_metrics_dropped_series_total"), 0);
      double shown = 0, answers = 0;
      for (const auto& [key, value] : scrape.values) {
        if (key.starts_with("outrider_requests_total")) shown += value;
        if (key.starts_with("outrider_request_duration_seconds_count")) answers += value;
      }
      EXPECT_EQ(shown, double(requests));
      EXPECT_EQ(answers, double(requests));
    }
  }
}

TEST(Collector, TellsOfTheProcess) {
  Catalog catalog;
  Lines scrape(text_of(Collector(catalog)));
  EXPECT_GT(scrape.values.at("process_resident_memory_bytes"), 1e5);
  EXPECT_GT(scrape.values.at("process_virtual_memory_bytes"), scrape.values.at("process_resident_memory_bytes"));
  EXPECT_GE(scrape.values.at("process_open_fds"), 3);
  EXPECT_GE(scrape.values.at("process_max_fds"), scrape.values.at("process_open_fds"));
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(scrape.values.at("process_start_time_seconds"), now + 1);
  EXPECT_GT(scrape.values.at("process_start_time_seconds"), now - 86400);
  EXPECT_GE(scrape.values.at("process_cpu_seconds_total"), 0);
}

TEST(Collector, ScrapesWhileAWorkerWritesAreConsistentInThemselves) {
  Catalog catalog;
  Collector collector(catalog);
  Slot slot = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    auto shard = catalog.make_shard();
    for (uint64_t i = 0; !stop.load(); ++i) shard->observe(slot, (i * 7919) % 50'000'000);
  });
  double before = 0;
  for (int i = 0; i < 50; ++i) {
    for (const auto& family : collector.Collect()) {
      if (family.name != names::kRequestDuration.name) continue;
      const auto& histogram = family.metric.at(0).histogram;
      uint64_t last = 0;
      for (const auto& bucket : histogram.bucket) {
        EXPECT_GE(bucket.cumulative_count, last);
        last = bucket.cumulative_count;
      }
      EXPECT_EQ(last, histogram.sample_count);
      EXPECT_GE(double(last), before);
      before = double(last);
    }
  }
  stop = true;
  writer.join();
}

// What `promtool check metrics` says of a scrape with every name in it. Skipped where promtool is not installed.
TEST(Collector, PromtoolHasNothingToSay) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "no promtool";
  Catalog catalog(100000);
  Collector collector(catalog);
  auto shard = catalog.make_shard();
  for (const Name* name : names::kAll) {
    if (std::string(name->name).starts_with("process_")) continue;
    if (name->name == std::string(names::kMetricsSeries.name)) continue;
    if (name->name == std::string(names::kMetricsDroppedSeries.name)) continue;
    Slot slot = catalog.slot(*name, {{"cluster", "a \"quoted\" one"}});
    name->kind == Kind::Histogram ? shard->observe(slot, 12345) : shard->add(slot, 5);
  }
  FILE* promtool = popen("promtool check metrics 2>&1 >/dev/null", "w");
  ASSERT_NE(promtool, nullptr);
  std::string text = text_of(collector);
  fwrite(text.data(), 1, text.size(), promtool);
  EXPECT_EQ(pclose(promtool), 0);
}

}  // namespace
}  // namespace outrider::stats
