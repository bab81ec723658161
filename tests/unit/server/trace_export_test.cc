// What is sent to a collector, in what pieces, and what becomes of it when that is slow, away, or answers as it should not.

#include "server/trace_export.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "exchange/span.h"
#include "stats/names.h"
#include "tests/support/collector.h"
#include "tests/support/loop.h"
#include "tests/support/tls.h"

namespace outrider::server {
namespace {

using test::Collector;
using test::run_until;

std::string span(uint64_t id, size_t padding = 0) {
  exchange::Span made({1, 2, id, http::TraceContext::Sampled::Yes}, 0, false, exchange::Span::Kind::Server, "GET",
                      net::Loop::wall(), net::Loop::wall());
  made.text("padding", std::string(padding, 'x'));
  return made.take();
}

std::string answer(int status, const std::string& fields = {}, const std::string& body = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " So\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields +
         "\r\n" + body;
}

class TraceExportTest : public testing::Test {
 protected:
  ~TraceExportTest() override {
    if (exporter) exporter->stop();
    test::run_turns(loop);
    exporter.reset();
  }
  void start(const std::string& url, void (*change)(config::Tracing&) = nullptr) {
    document.tracing.on = true;
    document.tracing.otlp = url;
    document.tracing.batch_delay = document.tracing.retry = milliseconds(1);
    if (change) change(document.tracing);
    exporter = std::make_unique<TraceExport>(loop, catalog, *shard);
    ASSERT_EQ(exporter->configure(document, files), "");
  }
  // As a worker would: what finds no room is not handed over.
  bool post(std::vector<std::string> spans) {
    uint32_t weight = 0;
    for (const auto& each : spans) weight += exchange::weight_of(each);
    if (!exporter->enter(weight)) return false;
    exporter->on_spans(std::move(spans));
    return true;
  }
  bool post(uint64_t first, uint64_t last, size_t padding = 0) {
    std::vector<std::string> spans;
    for (uint64_t id = first; id <= last; ++id) spans.push_back(span(id, padding));
    return post(std::move(spans));
  }
  uint64_t count(const stats::Name& name, const std::string& value) {
    uint64_t sum = 0;
    for (const auto* series : catalog.series())
      if (series->name.name == std::string(name.name) && series->labels.at(0).value == value) sum += catalog.total(*series);
    return sum;
  }
  uint64_t exported(const std::string& result) { return count(stats::names::kTracesExported, result); }
  uint64_t dropped(const std::string& reason) { return count(stats::names::kTracesDropped, reason); }
  void await_exported(const std::string& result, uint64_t n) {
    EXPECT_TRUE(run_until(loop, [&] { return exported(result) >= n; })) << result << " " << exported(result);
  }
  void await_dropped(const std::string& reason, uint64_t n) {
    EXPECT_TRUE(run_until(loop, [&] { return dropped(reason) >= n; })) << reason << " " << dropped(reason);
  }
  bool finish() {
    bool done = false;
    exporter->finish([&] { done = true; });
    return run_until(loop, [&] { return done; });
  }

  net::Loop loop;
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  TlsFiles files;
  config::Document document;
  std::unique_ptr<TraceExport> exporter;
};

TEST_F(TraceExportTest, AllSpansArriveOnceUnderTheirResource) {
  Collector collector;
  document.service.name = "shop";
  document.service.name_space = "store";
  document.node.id = "shop-7";
  start(collector.url());
  ASSERT_TRUE(post(1, 3));
  ASSERT_TRUE(post(4, 4));
  await_exported("success", 4);
  const auto spans = collector.spans();
  ASSERT_EQ(spans.size(), 4u);
  EXPECT_EQ(spans[3].id, "0000000000000004");
  EXPECT_EQ(spans[0].resource.at("service.name"), "shop");
  EXPECT_EQ(spans[0].resource.at("service.namespace"), "store");
  EXPECT_EQ(spans[0].resource.at("service.instance.id"), "shop-7");
}

TEST_F(TraceExportTest, NoMessageHasMoreThanTheLimits) {
  Collector collector;
  start(collector.url(), [](config::Tracing& t) { t.batch_spans = 10, t.batch_size = 4096; });
  ASSERT_TRUE(post(1, 57));
  await_exported("success", 57);
  ASSERT_TRUE(post(58, 60, 5000));  // larger than any message, but for one alone: clipped to a kilobyte each
  await_exported("success", 60);
  ASSERT_TRUE(post(61, 70, 900));
  await_exported("success", 70);
  size_t all = 0;
  for (const auto& message : collector.messages()) {
    const size_t n = test::otlp::read(message.body).size();
    EXPECT_LE(n, 10u);
    EXPECT_LE(message.body.size(), 4096 + 1024u) << "the resource comes to it";
    all += n;
  }
  EXPECT_EQ(all, 70u);
  std::set<std::string> ids;
  for (const auto& each : collector.spans()) ids.insert(each.id);
  EXPECT_EQ(ids.size(), 70u);
}

TEST_F(TraceExportTest, AMessageWaitsToBeFullAndNoLonger) {
  Collector collector;
  start(collector.url(), [](config::Tracing& t) { t.batch_spans = 5, t.batch_delay = std::chrono::hours(1); });
  ASSERT_TRUE(post(1, 4));
  test::run_turns(loop, 20);
  EXPECT_EQ(collector.messages().size(), 0u);
  ASSERT_TRUE(post(5, 7));
  await_exported("success", 5);
  test::run_turns(loop, 20);
  EXPECT_EQ(collector.spans().size(), 5u) << "two wait for others";
  EXPECT_TRUE(finish());
  EXPECT_EQ(collector.spans().size(), 7u);
}

TEST_F(TraceExportTest, WhatFindsNoRoomIsNotTaken) {
  Collector silent([](size_t, const test::Message&) { return std::string(); });
  start(silent.url(), [](config::Tracing& t) { t.queue = 64 * 1024, t.timeout = std::chrono::hours(1); });
  uint64_t taken = 0;
  while (post(taken + 1, taken + 1, 500)) ASSERT_LT(++taken, 1000u);
  EXPECT_GT(taken, 50u);
  EXPECT_FALSE(post(1, 1, 500));
  test::run_turns(loop, 10);
  EXPECT_FALSE(post(1, 1, 500)) << "what is under way counts";
}

TEST_F(TraceExportTest, RoomComesBackWithTheAnswers) {
  Collector collector;
  start(collector.url(), [](config::Tracing& t) { t.queue = 64 * 1024; });
  for (uint64_t round = 1; round <= 20; ++round) {
    ASSERT_TRUE(post(1, 40, 500)) << round;
    await_exported("success", 40 * round);
  }
}

TEST_F(TraceExportTest, WhileTheCollectorIsBusyItIsAskedAgain) {
  Collector collector([](size_t n, const test::Message&) {
    static constexpr int kBusy[] = {503, 429, 502, 504};
    return n < 4 ? answer(kBusy[n], n == 0 ? "Retry-After: 3600\r\n" : "") : answer(200);
  });
  start(collector.url());  // whose longest pause is a millisecond, whatever is wished for
  ASSERT_TRUE(post(1, 3));
  await_exported("success", 3);
  EXPECT_EQ(exported("busy"), 12u);
  EXPECT_EQ(dropped("gave_up"), 0u);
  EXPECT_EQ(collector.spans().size(), 3u);
}

TEST_F(TraceExportTest, RetryAfterIsKept) {
  Collector collector([](size_t n, const test::Message&) { return n == 0 ? answer(503, "Retry-After: 1\r\n") : answer(200); });
  start(collector.url(), [](config::Tracing& t) { t.retry = std::chrono::hours(1); });
  ASSERT_TRUE(post(1, 1));
  await_exported("busy", 1);
  const TimePoint asked = net::Loop::clock();
  ASSERT_TRUE(post(2, 700));  // more than a message, and still not before
  await_exported("success", 1);
  EXPECT_GE(net::Loop::clock() - asked, milliseconds(900));
}

TEST_F(TraceExportTest, AMessageIsGivenUpAfterSoManyTriesAndTheNextHasItsOwn) {
  std::atomic<bool> well{false};
  Collector collector([&](size_t, const test::Message&) { return well ? answer(200) : answer(503); });
  start(collector.url(), [](config::Tracing& t) { t.attempts = 3, t.batch_spans = 2; });
  ASSERT_TRUE(post(1, 4));
  await_dropped("gave_up", 4);
  EXPECT_EQ(exported("busy"), 12u);
  well = true;
  ASSERT_TRUE(post(5, 6));
  await_exported("success", 2);
}

TEST_F(TraceExportTest, WhatIsRefusedIsNotSentAgain) {
  Collector collector([](size_t n, const test::Message&) {
    static constexpr int kNo[] = {400, 401, 404, 500, 301};
    return n < 5 ? answer(kNo[n]) : answer(200);
  });
  start(collector.url(), [](config::Tracing& t) { t.batch_spans = 1; });
  ASSERT_TRUE(post(1, 6));
  await_exported("success", 1);
  EXPECT_EQ(exported("refused"), 5u);
  EXPECT_EQ(dropped("refused"), 5u);
  EXPECT_EQ(collector.messages().size(), 6u);
}

TEST_F(TraceExportTest, SomeMayBeRejected) {
  const std::string partial = protobuf::write_bytes(1, std::string("\x08\x02", 2) + protobuf::write_bytes(2, "too old"));
  Collector collector([&](size_t, const test::Message&) { return answer(200, "", partial); });
  start(collector.url());
  ASSERT_TRUE(post(1, 5));
  await_exported("success", 3);
  EXPECT_EQ(exported("rejected"), 2u);
  EXPECT_EQ(dropped("rejected"), 2u);
}

TEST_F(TraceExportTest, WhateverElseA200SaysTheyAreTaken) {
  Collector collector([](size_t n, const test::Message&) {
    return answer(200, "", n == 0 ? "{\"partialSuccess\":{}}" : std::string("\xff\xff\xff\xff\x0f\x01", 6));
  });
  start(collector.url(), [](config::Tracing& t) { t.batch_spans = 1; });
  ASSERT_TRUE(post(1, 2));
  await_exported("success", 2);
}

TEST_F(TraceExportTest, WhatIsNoHttpIsAFailedConnection) {
  Collector collector([](size_t, const test::Message&) { return std::string("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"); });
  start(collector.url(), [](config::Tracing& t) { t.attempts = 2; });
  ASSERT_TRUE(post(1, 2));
  await_dropped("gave_up", 2);
  EXPECT_EQ(exported("connection"), 4u);
}

TEST_F(TraceExportTest, NobodyThereIsAFailedConnection) {
  start("http://" + test::refusing_address().text(), [](config::Tracing& t) { t.attempts = 2; });
  ASSERT_TRUE(post(1, 2));
  await_dropped("gave_up", 2);
  EXPECT_EQ(exported("connection"), 4u);
}

TEST_F(TraceExportTest, ANameNobodyKnowsIsALookup) {
  start("http://collector.invalid:4318", [](config::Tracing& t) { t.attempts = 1; });
  ASSERT_TRUE(post(1, 2));
  await_dropped("gave_up", 2);
  EXPECT_EQ(exported("lookup"), 2u);
}

TEST_F(TraceExportTest, WhoIsSilentIsNotWaitedForLong) {
  Collector silent([](size_t, const test::Message&) { return std::string(); });
  start(silent.url(), [](config::Tracing& t) { t.timeout = milliseconds(20), t.attempts = 2; });
  ASSERT_TRUE(post(1, 2));
  await_dropped("gave_up", 2);
  EXPECT_EQ(exported("timeout"), 4u);
}

TEST_F(TraceExportTest, OnTheWayOutItIsTriedOnceMoreAndNotForLong) {
  Collector silent([](size_t, const test::Message&) { return std::string(); });
  start(silent.url(),
        [](config::Tracing& t) { t.timeout = std::chrono::hours(1), t.flush = milliseconds(20), t.batch_spans = 1; });
  ASSERT_TRUE(post(1, 3));
  EXPECT_TRUE(finish());
  EXPECT_EQ(dropped("shutdown"), 3u);
}

TEST_F(TraceExportTest, OnTheWayOutNobodyWaitsForWhoIsAway) {
  start("http://" + test::refusing_address().text(),
        [](config::Tracing& t) { t.retry = t.flush = std::chrono::hours(1), t.batch_spans = 1; });
  ASSERT_TRUE(post(1, 3));
  await_exported("connection", 1);
  EXPECT_TRUE(finish());
  EXPECT_EQ(dropped("shutdown"), 3u);
}

TEST_F(TraceExportTest, WithoutACollectorThereIsNoRoomAndNothingToWaitFor) {
  start("");
  EXPECT_FALSE(post(1, 1));
  EXPECT_TRUE(finish());
}

TEST_F(TraceExportTest, ByTlsTheCollectorMustBeWhoItsCertificateSays) {
  test::Certificates certificates, others;
  test::TlsServer server(certificates);
  std::atomic<int> messages{0};
  test::Origin collector(server.behind([&](test::Stream& connection) {
    while (connection.read_message()) {
      ++messages;
      if (!connection.send(answer(200))) return;
    }
  }));
  document.tracing.ca = certificates.ca();
  start("https://localhost:" + std::to_string(collector.address().port()));
  ASSERT_TRUE(post(1, 2));
  await_exported("success", 2);
  EXPECT_EQ(messages, 1);
  exporter->stop();
  test::run_turns(loop);
  exporter.reset();
  document.tracing.ca = others.ca();
  start("https://localhost:" + std::to_string(collector.address().port()), [](config::Tracing& t) { t.attempts = 1; });
  ASSERT_TRUE(post(1, 2));
  await_dropped("gave_up", 2);
  EXPECT_EQ(exported("connection"), 2u);
}

TEST_F(TraceExportTest, AFileThatIsMissingIsSaid) {
  document.tracing.on = true;
  document.tracing.otlp = "https://otel:4318";
  document.tracing.ca = "/nowhere/ca.crt";
  TraceExport made(loop, catalog, *shard);
  EXPECT_NE(made.configure(document, files).find("/nowhere/ca.crt"), std::string::npos);
}

TEST(TracesUrl, HasThePathOfOtlpUnlessItHasOne) {
  EXPECT_EQ(traces_url("http://otel:4318"), "http://otel:4318/v1/traces");
  EXPECT_EQ(traces_url("http://otel:4318/"), "http://otel:4318/v1/traces");
  EXPECT_EQ(traces_url("https://a.example/otlp/v1/traces"), "https://a.example/otlp/v1/traces");
}

}  // namespace
}  // namespace outrider::server
