// Traces: rows 110 and 111. Real proxies on loopback, apps that hand on what they were sent, and a collector.

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "base/random.h"
#include "tests/support/collector.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

const std::vector<std::string> kTraceFields{"traceparent", "tracestate",   "b3",          "x-b3-traceid",
                                            "x-b3-spanid", "x-b3-sampled", "x-request-id"};

std::string get(const std::string& fields = {}) {
  return "GET /cart?secret=1 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + fields + "\r\n";
}

// "00-trace-span-flags"
std::string trace_of(const std::string& traceparent) { return traceparent.size() == 55 ? traceparent.substr(3, 32) : ""; }
std::string span_of(const std::string& traceparent) { return traceparent.size() == 55 ? traceparent.substr(36, 16) : ""; }

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c", kSpan = "b7ad6b7169203331";
std::string parent(const std::string& flags = "01") { return "Traceparent: 00-" + kTrace + "-" + kSpan + "-" + flags + "\r\n"; }

// An app that shows what it was sent.
class App {
 public:
  std::string text() const { return origin_->text(); }
  std::string port() const { return std::to_string(origin_->address().port()); }
  std::vector<Message> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  // What comes to it goes on to there, with the fields of a trace; and what is answered there comes back.
  explicit App(std::function<std::string(const Message&)> answer = [](const Message&) { return ok("here"); })
      : answer_(std::move(answer)) {}
  static std::function<std::string(const Message&)> calling(const net::Address& next) {
    return [next](const Message& asked) {
      std::string fields;
      for (const auto& [name, value] : asked.fields)
        for (const auto& known : kTraceFields)
          if (equals_ignore_case(name, known)) fields += name + ": " + value + "\r\n";
      return ok("then " + request(next, get(fields)).body);
    };
  }

 private:
  std::string serve(const Message& message) {
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(message);
    }
    return answer_(message);
  }
  const std::function<std::string(const Message&)> answer_;
  std::mutex mutex_;
  std::vector<Message> seen_;
  std::unique_ptr<Origin> origin_ = Origin::answering([this](const Message& message) { return serve(message); });
};

class Tracing : public testing::Test {
 protected:
  std::string tracing(const std::string& more = "sample: 100%") const {
    return "telemetry.tracing={otlp: \"" + collector_.url() + "\", batch: {delay: 5ms}, " + more + "}";
  }
  std::unique_ptr<Proxy> edge(const std::vector<std::string>& endpoints, const std::string& more = "sample: 100%",
                              const std::string& cluster = {}, const std::string& listener = "http: {forwarded: append}") {
    return std::make_unique<Proxy>(Proxy::edge(endpoints, cluster, listener),
                                   std::vector<std::string>{tracing(more), "overload.threads=1"});
  }
  // Beside an app; calls of its app go to `next`.
  std::unique_ptr<Proxy> sidecar(const std::string& name, const std::string& port, const std::string& next) {
    return std::make_unique<Proxy>(
        "version: 1\nmode: sidecar\nregistry: {kind: none}\nroutes: {outbound: [{cluster: next}]}\nclusters: {next: {endpoints: [\"" +
            next + "\"]}}\n",
        std::vector<std::string>{"service.name=" + name, "service.namespace=shop", "service.version=v2", "service.port=" + port,
                                 "node.id=" + name + "-0", "listeners.inbound.address=127.0.0.1:0",
                                 "listeners.outbound.address=127.0.0.1:0", "service.health=off", tracing()});
  }
  // Each span's parent is the span that is one of these, but for the roots.
  static std::map<std::string, const SeenSpan*> by_id(const std::vector<SeenSpan>& spans) {
    std::map<std::string, const SeenSpan*> all;
    for (const auto& span : spans) EXPECT_TRUE(all.emplace(span.id, &span).second) << "two spans of one id";
    return all;
  }
  static std::vector<const SeenSpan*> of_kind(const std::vector<SeenSpan>& spans, bool server) {
    std::vector<const SeenSpan*> found;
    for (const auto& span : spans)
      if (span.is_server() == server) found.push_back(&span);
    return found;
  }
  Collector collector_;
};

// Edge -> sidecar a -> app a -> sidecar a -> sidecar b -> app b -> sidecar b -> app c: two spans a hop, one chain.
TEST_F(Tracing, ThreeTiersAreOneTraceFromParentToChild) {
  App c;
  auto b_proxy = std::unique_ptr<Proxy>();
  // Apps know their sidecars' addresses, and those their apps': the outbound side is asked for when a request comes.
  std::atomic<Proxy*> of_a{nullptr}, of_b{nullptr};
  App b([&](const Message& asked) { return App::calling(of_b.load()->address("outbound"))(asked); });
  App a([&](const Message& asked) { return App::calling(of_a.load()->address("outbound"))(asked); });
  b_proxy = sidecar("b", b.port(), c.text());
  of_b = b_proxy.get();
  auto a_proxy = sidecar("a", a.port(), b_proxy->address("inbound").text());
  of_a = a_proxy.get();
  auto front = edge({a_proxy->address("inbound").text()});
  EXPECT_EQ(request(front->address(), get()).body, "then then here");
  const auto spans = collector_.await(10);
  ASSERT_EQ(spans.size(), 10u);
  const auto all = by_id(spans);
  std::vector<std::string> way;  // from the deepest up
  for (const auto& span : spans) {
    EXPECT_EQ(span.trace, spans[0].trace);
    EXPECT_EQ(span["http.request.method"], "GET");
    EXPECT_EQ(span["http.response.status_code"], "200");
    EXPECT_EQ(span.code, 0u);
    if (span["outrider.endpoint"] != c.text()) continue;
    for (const SeenSpan* at = &span; at; at = at->parent.empty() ? nullptr : all.at(at->parent))
      way.push_back(at->service + (at->is_server() ? " in " + (*at)["outrider.listener"] : " out"));
  }
  EXPECT_EQ(way, (std::vector<std::string>{"b out", "b in outbound", "b out", "b in inbound", "a out", "a in outbound", "a out",
                                           "a in inbound", "edge out", "edge in edge"}));
  ASSERT_EQ(c.seen().size(), 1u);
  const std::string last = c.seen()[0].field("traceparent");
  EXPECT_EQ(trace_of(last), spans[0].trace);
  EXPECT_EQ(all.at(span_of(last))->attributes.at("outrider.endpoint"), c.text());
  EXPECT_EQ(last.substr(53), "01");
  EXPECT_EQ(c.seen()[0].field("b3"), trace_of(last) + "-" + span_of(last) + "-1");
  for (const auto& [id, span] : all) {
    const SeenSpan* up = span->parent.empty() ? nullptr : all.at(span->parent);
    if (!up) continue;
    EXPECT_LE(up->start, span->start + 50'000'000) << "one clock, read twice";
  }
  const SeenSpan& some = *of_kind(spans, true)[0];
  if (some.service != "edge") EXPECT_EQ(some.resource.at("service.namespace"), "shop");
  for (const auto& span : spans) {
    EXPECT_EQ(span.resource.contains("service.instance.id"), true);
    EXPECT_EQ(span.resource.contains("host.name"), true);
    if (span.service == "a") EXPECT_EQ(span.resource.at("service.version"), "v2");
  }
}

TEST_F(Tracing, ByB3ItIsTheSameChain) {
  App c;
  std::atomic<Proxy*> of_b{nullptr};
  App b([&](const Message& asked) { return App::calling(of_b.load()->address("outbound"))(asked); });
  for (const std::string format : {"b3", "b3multi"}) {
    Collector collector;
    const std::string set =
        "telemetry.tracing={otlp: \"" + collector.url() + "\", batch: {delay: 5ms}, propagate: [" + format + "], sample: 0%}";
    Proxy b_proxy(
        "version: 1\nmode: sidecar\nregistry: {kind: none}\nroutes: {outbound: [{cluster: next}]}\nclusters: {next: {endpoints: [\"" +
            c.text() + "\"]}}\n",
        {"service.name=b", "service.port=" + b.port(), "listeners.inbound.address=127.0.0.1:0",
         "listeners.outbound.address=127.0.0.1:0", "service.health=off", set});
    of_b = &b_proxy;
    const std::string fields = format == "b3" ? "b3: " + kTrace + "-" + kSpan + "-1-05e3ac9a4f6e3b90\r\n"
                                              : "X-B3-TraceId: " + kTrace + "\r\nX-B3-SpanId: " + kSpan +
                                                    "\r\nX-B3-Sampled: 1\r\nX-B3-ParentSpanId: 05e3ac9a4f6e3b90\r\n";
    EXPECT_EQ(request(b_proxy.address("inbound"), get(fields + "Traceparent: as-it-was\r\n")).body, "then here");
    const auto spans = collector.await(4);
    ASSERT_EQ(spans.size(), 4u);
    const auto all = by_id(spans);
    size_t roots = 0;
    for (const auto& span : spans) {
      EXPECT_EQ(span.trace, kTrace);
      if (all.contains(span.parent)) continue;
      ++roots;
      EXPECT_EQ(span.parent, kSpan);
    }
    EXPECT_EQ(roots, 1u);
    const Message last = c.seen().back();
    EXPECT_EQ(last.field("traceparent"), "as-it-was") << "it is not of the list";
    EXPECT_EQ(last.field("x-b3-parentspanid"), "");
    const std::string id = format == "b3" ? last.field("b3").substr(33, 16) : last.field("x-b3-spanid");
    ASSERT_TRUE(all.contains(id)) << id;
    EXPECT_EQ(all.at(id)->attributes.at("outrider.endpoint"), c.text());
    EXPECT_EQ(format == "b3" ? last.field("b3").substr(0, 32) : last.field("x-b3-traceid"), kTrace);
    EXPECT_EQ(format == "b3" ? last.field("b3").substr(49) : "-" + last.field("x-b3-sampled"), "-1");
    EXPECT_EQ(last.count("b3"), format == "b3" ? 1u : 0u);
  }
}

TEST_F(Tracing, WithoutItNothingIsTouched) {
  App app;
  Proxy proxy(Proxy::edge({app.text()}));
  const std::string odd =
      "Traceparent: odd\r\ntracestate: a=1\r\nTRACESTATE: B\r\nb3: what\r\nX-B3-Sampled: maybe\r\nx-trace: 1\r\n";
  EXPECT_EQ(request(proxy.address(), get(odd)).status(), 200);
  const Message seen = app.seen()[0];
  EXPECT_EQ(seen.field("traceparent"), "odd");
  EXPECT_EQ(seen.count("tracestate"), 2u);
  EXPECT_EQ(seen.field("b3"), "what");
  EXPECT_EQ(seen.field("x-b3-sampled"), "maybe");
  EXPECT_EQ(seen.field("x-trace"), "1");
  request(proxy.address(), get());
  EXPECT_EQ(app.seen()[1].count("traceparent") + app.seen()[1].count("b3"), 0u);
  EXPECT_EQ(proxy.metric("outrider_traces_exported_total"), 0);
}

TEST_F(Tracing, ACallerThatIsTrustedDecides) {
  App app;
  auto proxy = edge({app.text()}, "sample: 0%");
  EXPECT_EQ(request(proxy->address(), get(parent("01") + "Tracestate: a=1, b=2\r\nTracestate: c=3\r\n")).status(), 200);
  auto spans = collector_.await(2);
  ASSERT_EQ(spans.size(), 2u);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  const SeenSpan& out = *of_kind(spans, false).at(0);
  EXPECT_EQ(in.trace, kTrace);
  EXPECT_EQ(in.parent, kSpan);
  EXPECT_EQ(in.state, "a=1, b=2,c=3");
  EXPECT_EQ(out.parent, in.id);
  EXPECT_EQ(app.seen()[0].field("traceparent"), "00-" + kTrace + "-" + out.id + "-01");
  EXPECT_EQ(app.seen()[0].count("traceparent"), 1u);
  EXPECT_EQ(app.seen()[0].field("tracestate"), "a=1, b=2,c=3");
  EXPECT_EQ(app.seen()[0].count("tracestate"), 1u);
  // And one that says no.
  proxy = edge({app.text()}, "sample: 100%");
  EXPECT_EQ(request(proxy->address(), get(parent("00"))).status(), 200);
  EXPECT_EQ(app.seen()[1].field("traceparent").substr(53), "00");
  EXPECT_EQ(trace_of(app.seen()[1].field("traceparent")), kTrace);
  proxy->end();
  EXPECT_EQ(collector_.spans().size(), 2u) << "the way out sends what there is";
}

TEST_F(Tracing, WhatIsMalformedBeginsANewTraceWithoutItsState) {
  App app;
  auto proxy = edge({app.text()}, "sample: 0%");
  for (const std::string& bad :
       {"Traceparent: 00-" + kTrace + "-" + kSpan + "-01-more\r\n", parent() + parent(), std::string()}) {
    EXPECT_EQ(request(proxy->address(), get(bad + "Tracestate: a=1\r\n")).status(), 200);
    const Message seen = app.seen().back();
    EXPECT_NE(trace_of(seen.field("traceparent")), kTrace) << bad;
    EXPECT_EQ(seen.field("traceparent").substr(53), "00");
    EXPECT_EQ(seen.count("traceparent"), 1u);
    EXPECT_EQ(seen.count("tracestate"), 0u) << bad;
  }
}

TEST_F(Tracing, TheFirstOfTheListThatIsThereCounts) {
  App app;
  const std::string other = "1af7651916cd43dd8448eb211c80319c", b3 = "b3: " + other + "-" + kSpan + "-0\r\n";
  for (const auto& [list, first] : {std::pair{"[w3c, b3]", kTrace}, {"[b3, w3c]", other}}) {
    auto proxy = edge({app.text()}, "sample: 0%, propagate: " + std::string(list));
    request(proxy->address(), get(parent("00") + b3));
    EXPECT_EQ(trace_of(app.seen().back().field("traceparent")), first) << list;
    EXPECT_EQ(app.seen().back().field("b3").substr(0, 32), first) << list;
    request(proxy->address(), get("Traceparent: broken\r\n" + b3));
    EXPECT_EQ(trace_of(app.seen().back().field("traceparent")), other) << list;
  }
}

TEST_F(Tracing, StrangersAtTheEdgeBeginANewTraceThatLinksToTheirs) {
  App app;
  auto proxy = edge({app.text()}, "sample: 100%", "", "http: {forwarded: replace}");
  EXPECT_EQ(request(proxy->address(), get(parent("00") + "Tracestate: a=1\r\nX-Trace: 1\r\n")).status(), 200);
  const auto spans = collector_.await(2);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  EXPECT_NE(in.trace, kTrace);
  EXPECT_EQ(in.parent, "");
  EXPECT_EQ(in.links, (std::vector<std::pair<std::string, std::string>>{{kTrace, kSpan}}));
  EXPECT_EQ(trace_of(app.seen()[0].field("traceparent")), in.trace);
  EXPECT_EQ(app.seen()[0].count("tracestate"), 0u);
  EXPECT_EQ(app.seen()[0].count("x-trace"), 0u) << "or somebody behind would heed it";
  proxy = edge({app.text()}, "sample: 0%", "", "http: {forwarded: replace}");
  request(proxy->address(), get(parent("01") + "X-Trace: 1\r\n"));
  EXPECT_EQ(app.seen()[1].field("traceparent").substr(53), "00");
  proxy = edge({app.text()}, "sample: 0%, trust: on", "", "http: {forwarded: replace}");
  request(proxy->address(), get(parent("01")));
  EXPECT_EQ(trace_of(app.seen()[2].field("traceparent")), kTrace);
  proxy = edge({app.text()}, "sample: 0%, trust: off");
  request(proxy->address(), get(parent("01")));
  EXPECT_NE(trace_of(app.seen()[3].field("traceparent")), kTrace);
}

TEST_F(Tracing, WhoAsksForItByTheFieldIsAlwaysSampled) {
  App app;
  auto proxy = edge({app.text()}, "sample: 0%");
  request(proxy->address(), get("X-Trace: 0\r\n"));
  request(proxy->address(), get("X-Trace: 1\r\n"));
  request(proxy->address(), get("X-Trace: yes\r\n" + parent("00")));
  EXPECT_EQ(app.seen()[0].field("traceparent").substr(53), "00");
  EXPECT_EQ(app.seen()[1].field("traceparent").substr(53), "01");
  EXPECT_EQ(app.seen()[1].field("x-trace"), "1");
  EXPECT_EQ(app.seen()[2].field("traceparent").substr(53), "01");
  EXPECT_EQ(collector_.await(4).size(), 4u);
  proxy = edge({app.text()}, "sample: 0%, always: header.x-debug", "", "http: {forwarded: replace}");
  request(proxy->address(), get("X-Debug: 1\r\nX-Trace: 1\r\n"));
  EXPECT_EQ(app.seen()[3].field("traceparent").substr(53), "01") << "written down, it is for everybody";
}

// --- tries -----------------------------------------------------------------------------------------------------------

TEST_F(Tracing, ARetryIsASpanOfItsOwnBesideTheFirst) {
  std::atomic<int> asked{0};
  App app([&](const Message&) { return asked++ == 0 ? "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n" : ok("fine"); });
  auto proxy = edge({app.text()}, "sample: 0%", "retry: {when: [5xx]}, outlier_detection: off");
  EXPECT_EQ(request(proxy->address(), get()).body, "fine");
  const auto spans = collector_.await(3);  // though the ratio said no
  ASSERT_EQ(spans.size(), 3u);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  const auto tries = of_kind(spans, false);
  EXPECT_EQ(in.code, 0u);
  EXPECT_EQ(in["outrider.flag"], "none");
  ASSERT_EQ(tries.size(), 2u);
  const SeenSpan& first = *tries[0];
  const SeenSpan& second = *tries[1];
  EXPECT_EQ(first.parent, in.id);
  EXPECT_EQ(second.parent, in.id);
  EXPECT_NE(first.id, second.id);
  EXPECT_EQ(first["http.response.status_code"], "503");
  EXPECT_EQ(first["error.type"], "503");
  EXPECT_EQ(first.code, 2u);
  EXPECT_EQ(first["outrider.attempt"], "1");
  EXPECT_EQ(first["outrider.attempt_reason"], "first");
  EXPECT_EQ(second["outrider.attempt_reason"], "status");
  EXPECT_EQ(second["http.request.resend_count"], "1");
  EXPECT_EQ(second.code, 0u);
  EXPECT_LE(first.end, second.start);
  ASSERT_EQ(app.seen().size(), 2u);
  EXPECT_EQ(span_of(app.seen()[0].field("traceparent")), first.id);
  EXPECT_EQ(span_of(app.seen()[1].field("traceparent")), second.id);
  EXPECT_EQ(app.seen()[1].field("traceparent").substr(53), "00") << "as it was decided at the head";
}

TEST_F(Tracing, AHedgeIsASpanOfItsOwnAndSaysWhoLost) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::string> spans_of;  // by x-outrider-attempt: "1/1", "2/0"
  const auto serve = [&](Stream& connection) {
    while (const auto message = connection.read_message()) {
      const std::string attempt = message->field("x-outrider-attempt");
      {
        const std::lock_guard lock(mutex);
        spans_of[attempt] = span_of(message->field("traceparent"));
        changed.notify_all();
      }
      if (attempt.starts_with("1/")) connection.at_end();
      else connection.send(ok("second"));
      if (attempt.starts_with("1/")) return;
    }
  };
  Origin one(serve), two(serve);
  auto proxy = edge({one.text(), two.text()}, "sample: 100%", "hedge: {after: 20ms}, retry: off");
  EXPECT_EQ(request(proxy->address(), get()).body, "second");
  const auto spans = collector_.await(3);
  ASSERT_EQ(spans.size(), 3u);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  const auto tries = of_kind(spans, false);
  ASSERT_EQ(tries.size(), 2u);
  EXPECT_EQ((*tries[0])["outrider.outcome"], "cancelled");
  EXPECT_EQ((*tries[0])["outrider.attempt_reason"], "first");
  EXPECT_EQ((*tries[1])["outrider.outcome"], "answered");
  EXPECT_EQ((*tries[1])["outrider.attempt_reason"], "hedge");
  EXPECT_EQ((*tries[1])["http.response.status_code"], "200");
  for (const SeenSpan* each : tries) {
    EXPECT_EQ(each->parent, in.id);
    EXPECT_EQ(each->code, 0u);
    EXPECT_LE(each->end, in.end);
  }
  EXPECT_NE((*tries[0])["outrider.endpoint"], (*tries[1])["outrider.endpoint"]);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(spans_of["1/1"], tries[0]->id);
  EXPECT_EQ(spans_of["2/0"], tries[1]->id);
}

TEST_F(Tracing, WhatFailedIsExportedThoughTheRatioSaidNo) {
  App app([](const Message& asked) {
    return asked.start.find("/bad") != std::string::npos       ? "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
           : asked.start.find("/missing") != std::string::npos ? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
                                                               : ok("fine");
  });
  auto proxy = edge({app.text()}, "sample: 0%");
  const auto ask = [&](const std::string& path) {
    return request(proxy->address(), "GET " + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
  };
  ask("/good");
  ask("/missing");
  ask("/bad?token=abc");
  auto spans = collector_.await(2);
  ASSERT_EQ(spans.size(), 2u);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  EXPECT_EQ(in["url.path"], "/bad");
  EXPECT_EQ(in["error.type"], "500");
  EXPECT_EQ(in.code, 2u);
  EXPECT_EQ((*of_kind(spans, false).at(0))["url.full"], "http://shop/bad");
  EXPECT_EQ(app.seen()[2].field("traceparent").substr(53), "00");
  // Nobody there: a flag and a reason, and a try that did not connect.
  auto nobody = edge({refusing_address().text()}, "sample: 0%");
  EXPECT_EQ(request(nobody->address(), get()).status(), 502);
  spans = collector_.await(4);
  const SeenSpan& failed = *of_kind(spans, true).at(1);
  EXPECT_EQ(failed["outrider.flag"], "connect_failure");
  EXPECT_EQ(failed["error.type"], "connect_failure");
  EXPECT_EQ(failed["http.response.status_code"], "502");
  EXPECT_EQ((*of_kind(spans, false).at(1))["outrider.outcome"], "failed");
  const size_t there = collector_.spans().size();
  proxy = edge({app.text()}, "sample: 0%, sample_errors: 0%");
  ask("/bad");
  proxy->end();
  EXPECT_EQ(collector_.spans().size(), there);
}

TEST_F(Tracing, ACopyIsAChildOfItsRequest) {
  App app, copies;
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\", http: {forwarded: append}}}\n"
      "routes: {edge: [{cluster: web}]}\nfilters: {edge: [{mirror: {cluster: copies}}]}\nclusters: {web: {endpoints: [\"" +
          app.text() + "\"]}, copies: {endpoints: [\"" + copies.text() + "\"]}}\n",
      {tracing()});
  EXPECT_EQ(request(proxy.address(), get(parent())).status(), 200);
  proxy.expect_metric(1, "outrider_mirrored_total", "result=\"2xx\"");
  const auto spans = collector_.await(2);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  EXPECT_EQ(copies.seen().at(0).field("traceparent"), "00-" + kTrace + "-" + in.id + "-01");
  EXPECT_EQ(copies.seen().at(0).field("b3"), kTrace + "-" + in.id + "-1");
  EXPECT_EQ(span_of(app.seen().at(0).field("traceparent")), of_kind(spans, false).at(0)->id);
}

TEST_F(Tracing, GrpcIsToldInItsOwnWords) {
  App app([](const Message&) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-status: 14\r\nContent-Length: 0\r\n\r\n";
  });
  auto proxy = edge({app.text()}, "sample: 0%", "protocol: http1, retry: off");
  request(
      proxy->address(),
      "POST /shop.Cart/Add HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
  const auto spans = collector_.await(2);
  ASSERT_EQ(spans.size(), 2u);
  for (const auto& span : spans) {
    EXPECT_EQ(span.name, "shop.Cart/Add");
    EXPECT_EQ(span["rpc.system"], "grpc");
    EXPECT_EQ(span["rpc.service"], "shop.Cart");
    EXPECT_EQ(span["rpc.method"], "Add");
    EXPECT_EQ(span["rpc.grpc.status_code"], "14");
    EXPECT_EQ(span["error.type"], "unavailable");
    EXPECT_EQ(span.code, 2u);
  }
}

TEST_F(Tracing, ASpanSaysWhoAskedWhomForWhat) {
  App app;
  auto proxy = edge({app.text()});
  Stream client = proxy->connect();
  client.send(
      "POST /a/b?password=x HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: tester\r\nX-Request-Id: r-1\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(client.read_message());
  const auto spans = collector_.await(2);
  const SeenSpan& in = *of_kind(spans, true).at(0);
  const SeenSpan& out = *of_kind(spans, false).at(0);
  EXPECT_EQ(in.name, "POST edge-0");
  EXPECT_EQ(out.name, "POST");
  EXPECT_EQ(in["url.path"], "/a/b");
  EXPECT_EQ(in["url.scheme"], "http");
  EXPECT_EQ(in["server.address"], "shop.example");
  EXPECT_EQ(in["server.port"], "8080");
  EXPECT_EQ(in["network.peer.address"], "127.0.0.1");
  EXPECT_EQ(in["network.protocol.version"], "1.1");
  EXPECT_EQ(in["user_agent.original"], "tester");
  EXPECT_EQ(in["http.request.body.size"], "2");
  EXPECT_EQ(in["outrider.listener"], "edge");
  EXPECT_EQ(in["outrider.route"], "edge-0");
  EXPECT_EQ(in["outrider.cluster"], "web");
  EXPECT_EQ(in["outrider.request_id"], "r-1");
  EXPECT_EQ(out["url.full"], "http://shop.example:8080/a/b");
  EXPECT_EQ(out["network.peer.address"], "127.0.0.1");
  EXPECT_EQ(out["network.peer.port"], app.port());
  EXPECT_EQ(out["outrider.endpoint"], app.text());
  for (const auto& span : spans)
    for (const auto& [key, value] : span.attributes) EXPECT_EQ(value.find("password"), std::string::npos) << key;
  const auto message = collector_.messages().at(0);
  EXPECT_EQ(message.start, "POST /v1/traces HTTP/1.1");
  EXPECT_EQ(message.field("content-type"), "application/x-protobuf");
}

TEST_F(Tracing, TheAccessLogSaysWhichTraceItWas) {
  const std::string file = testing::TempDir() + "trace-log-" + std::to_string(::getpid());
  App app;
  {
    Proxy proxy(Proxy::edge({app.text()}, "", "http: {forwarded: append}"),
                {"telemetry.access_log={format: json, to: " + file + "}", "telemetry.tracing={sample: 0%}"});
    request(proxy.address(), get(parent("00")));
  }
  FILE* const log = std::fopen(file.c_str(), "r");
  ASSERT_TRUE(log);
  char line[4096] = {};
  ASSERT_TRUE(std::fgets(line, sizeof line, log));
  std::fclose(log);
  ::unlink(file.c_str());
  EXPECT_NE(std::string(line).find("\"trace_id\":\"" + kTrace + "\""), std::string::npos) << line;
}

// By the id: whoever is asked again decides the same, and about so many are taken.
TEST_F(Tracing, TheRatioIsByTheTracesId) {
  App app;
  auto proxy = edge({app.text()}, "sample: 25%", "", "http: {forwarded: replace}");
  Stream client = proxy->connect();
  int sampled = 0;
  constexpr int kRequests = 400;
  for (int i = 0; i < kRequests; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
    ASSERT_TRUE(client.read_message());
  }
  for (const Message& each : app.seen()) {
    const std::string traceparent = each.field("traceparent");
    const bool is = traceparent.substr(53) == "01";
    EXPECT_EQ(is, std::stoull(traceparent.substr(19, 16), nullptr, 16) < (1ull << 62)) << traceparent;
    sampled += is;
  }
  EXPECT_GT(sampled, 0);
  EXPECT_LT(sampled, kRequests);
  EXPECT_EQ(collector_.await(size_t(2 * sampled)).size(), size_t(2 * sampled));
}

}  // namespace
}  // namespace outrider::test
