#include "admin/exposition.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <set>
#include <sstream>

#include "stats/names.h"

namespace outrider::admin {
namespace {

namespace names = stats::names;

TEST(Exposition, OpenMetricsIsForWhoAsksForItByName) {
  EXPECT_EQ(format_for(""), Format::Text);
  EXPECT_EQ(format_for("*/*"), Format::Text);
  EXPECT_EQ(format_for("text/plain"), Format::Text);
  EXPECT_EQ(format_for("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics);
  EXPECT_EQ(format_for("Application/OpenMetrics-Text;charset=utf-8;Version=\"1.0.0\""), Format::OpenMetrics);
  EXPECT_EQ(format_for("application/openmetrics-text"), Format::OpenMetrics);
  EXPECT_EQ(format_for("application/openmetrics-text;version=0.0.1"), Format::Text) << "that we do not speak";
  EXPECT_EQ(format_for("application/openmetrics-text;version=1.0.0;q=0"), Format::Text);
  EXPECT_EQ(format_for("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.5"), Format::Text);
  EXPECT_EQ(format_for("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                       "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Format::OpenMetrics)
      << "what Prometheus says";
}

TEST(Exposition, GzipIsForWhoTakesIt) {
  EXPECT_TRUE(takes_gzip("gzip"));
  EXPECT_TRUE(takes_gzip("deflate, GZIP;q=0.5"));
  EXPECT_FALSE(takes_gzip(""));
  EXPECT_FALSE(takes_gzip("deflate, br"));
  EXPECT_FALSE(takes_gzip("gzip;q=0"));
}

TEST(Exposition, WhatIsPackedUnpacksToTheSame) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "outrider_requests_total{route=\"r" + std::to_string(i) + "\"} 1\n";
  const std::string packed = gzip(text);
  EXPECT_LT(packed.size(), text.size() / 5);
  std::string again(text.size() + 1, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = uInt(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(again.data());
  stream.avail_out = uInt(again.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  again.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_EQ(again, text);
}

// One of every name, with a trace on a bucket.
struct Everything {
  Everything() {
    for (const stats::Name* name : names::kAll) {
      const std::string text = name->name;
      if (text.starts_with("process_") || text == names::kMetricsSeries.name || text == names::kMetricsDroppedSeries.name)
        continue;
      const stats::Slot slot = catalog.slot(*name, {{"cluster", "a \"quoted\" \\ \n one"}});
      if (name->kind != stats::Kind::Histogram) {
        text.ends_with("_info") ? shard->set(slot, 1) : shard->add(slot, 5);
        continue;
      }
      shard->observe(slot, 12'345);
      shard->leave_exemplar(slot, 12'345, {0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xcd}, 1'700'000'000'123'456);
    }
  }
  stats::Catalog catalog{100'000};
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  stats::Collector collector{catalog};
};

TEST(Exposition, OpenMetricsHasUnitsExemplarsAndAnEnd) {
  Everything everything;
  const std::string text = text_of(everything.collector.scrape(true), Format::OpenMetrics);
  const auto has = [&](std::string_view line) { return text.find(line) != std::string::npos; };
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
  EXPECT_TRUE(has("# TYPE outrider_requests counter\n"));
  EXPECT_TRUE(has("\noutrider_requests_total{cluster=\"a \\\"quoted\\\" \\\\ \\n one\"} 5\n"));
  EXPECT_TRUE(has("# TYPE outrider_request_bytes counter\n# UNIT outrider_request_bytes bytes\n"));
  EXPECT_TRUE(has("# TYPE outrider_build info\n"));
  EXPECT_TRUE(has("# TYPE outrider_request_duration_seconds histogram\n# UNIT outrider_request_duration_seconds seconds\n"));
  EXPECT_TRUE(has("one\",le=\"0.025\"} 1 # {trace_id=\"ab0102030405060708090a0b0c0d0ecd\"} 0.012345 1700000000.123456\n"));
  EXPECT_TRUE(has("one\",le=\"0.01\"} 0\n"));
  EXPECT_TRUE(has("one\",le=\"+Inf\"} 1\n"));
  EXPECT_EQ(text.find("_created"), std::string::npos);
  EXPECT_EQ(text_of(everything.collector.scrape(true), Format::Text).find("trace_id"), std::string::npos);
}

// What is scraped in one format and then in the other is the same series.
TEST(Exposition, BothFormatsNameSeriesAlike) {
  Everything everything;
  const auto scrape = everything.collector.scrape(false);
  const auto series = [&](Format format) {
    std::set<std::string> all;
    std::istringstream lines(text_of(scrape, format));
    for (std::string line; std::getline(lines, line);)
      if (!line.empty() && line[0] != '#') all.insert(line.substr(0, line.rfind(' ')));
    return all;
  };
  const auto text = series(Format::Text);
  EXPECT_GT(text.size(), 200u);
  EXPECT_EQ(text, series(Format::OpenMetrics));
}

// By the reference parser, where it is installed (python3-prometheus-client).
TEST(Exposition, AParserOfOpenMetricsTakesIt) {
  std::string python;
  for (const std::string each : {"python3", "/usr/bin/python3"})  // Debian's packages are the latter's
    if (python.empty() && std::system((each + " -c 'import prometheus_client' 2>/dev/null").c_str()) == 0) python = each;
  if (python.empty()) GTEST_SKIP() << "no prometheus_client";
  Everything everything;
  const std::string text = text_of(everything.collector.scrape(true), Format::OpenMetrics);
  const std::string command = python +
                              " -c '\n"
                              "import sys\n"
                              "from prometheus_client.openmetrics.parser import text_string_to_metric_families\n"
                              "families = {f.name: f for f in text_string_to_metric_families(sys.stdin.read())}\n"
                              "marked = [s for s in families[\"outrider_request_duration_seconds\"].samples if s.exemplar]\n"
                              "assert [s.labels[\"le\"] for s in marked] == [\"0.025\"], marked\n"
                              "assert marked[0].exemplar.labels[\"trace_id\"].startswith(\"ab01\")\n"
                              "assert families[\"outrider_requests\"].type == \"counter\"\n"
                              "assert families[\"process_cpu_seconds\"].unit == \"seconds\"\n"
                              "assert len(families) > 60'";
  FILE* parser = popen(command.c_str(), "w");
  ASSERT_NE(parser, nullptr);
  fwrite(text.data(), 1, text.size(), parser);
  EXPECT_EQ(pclose(parser), 0);
}

}  // namespace
}  // namespace outrider::admin
