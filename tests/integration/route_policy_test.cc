// What a rule has of its own in place of its cluster's: tries, limits, its part in the access log.

#include <gtest/gtest.h>

#include <array>

#include "tests/support/mesh.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"; }

std::string put(const std::string& path, size_t size) {
  return "PUT " + path + " HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
         std::string(size, 'b');
}

std::unique_ptr<Origin> busy() {
  return Origin::answering([](const Message&) { return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"; });
}

class RoutePolicy : public testing::Test {
 protected:
  void start(const std::string& rules, const std::string& clusters, const std::string& more = {}) {
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [" +
            rules + "]}\nclusters: {" + clusters + "}\n" + more,
        std::vector<std::string>{"overload.threads=1"});
  }
  // How often an endpoint is asked for one request.
  int tries(const Origin& of, const std::string& bytes) {
    const int before = of.requests();
    status_ = request(proxy_->address(), bytes).status();
    return of.requests() - before;
  }
  std::unique_ptr<Proxy> proxy_;
  int status_ = 0;
};

constexpr char kSoon[] = "backoff: {max: 1ms}, budget_min: 100";

TEST_F(RoutePolicy, RetriesAreTheRulesKeyByKeyOverItsClusters) {
  const auto origin = busy();
  start(
      "{match: {prefix: /more}, cluster: web, retry: {attempts: 4}}, {match: {prefix: /other}, cluster: web, retry: {when: 502}}, "
      "{match: {prefix: /off}, cluster: web, retry: off}, {match: {prefix: /write}, cluster: web, retry: {methods: [POST]}}, "
      "{match: {prefix: /small}, cluster: web, retry: {buffer: 1KiB}}, {match: {prefix: /poor}, cluster: web, retry: {budget: 0%, "
      "budget_min: 0}}, {cluster: web}",
      "web: {endpoints: [\"" + origin->text() + "\"], retry: {when: 503, attempts: 2, " + kSoon + "}}");
  EXPECT_EQ(tries(*origin, get("/")), 3);
  EXPECT_EQ(tries(*origin, get("/more")), 5);
  EXPECT_EQ(tries(*origin, get("/other")), 1);
  EXPECT_EQ(tries(*origin, get("/off")), 1);
  EXPECT_EQ(tries(*origin, get("/write")), 1) << "of a GET";
  EXPECT_EQ(tries(*origin, "POST /write HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"), 3);
  EXPECT_EQ(tries(*origin, put("/small", 4000)), 1);
  EXPECT_EQ(tries(*origin, put("/", 4000)), 3);
  EXPECT_EQ(tries(*origin, get("/poor")), 1);
  EXPECT_EQ(status_, 503);
  proxy_->expect_metric(1, "outrider_cluster_retries_total", "result=\"budget\"");
  expect_quiet(*proxy_);
}

// Of the cluster that the draw leads to, not of the first.
TEST_F(RoutePolicy, RetriesOfASplitAreOverTheChosenClusters) {
  const auto nobody = busy(), one = busy(), other = busy();
  const auto cluster = [](const std::string& name, const Origin& origin, int attempts) {
    return name + ": {endpoints: [\"" + origin.text() + "\"], retry: {when: 503, attempts: " + std::to_string(attempts) + "}}";
  };
  start(std::string("{split: {nobody: 0, one: 1, other: 1}, retry: {") + kSoon + "}}",
        cluster("nobody", *nobody, 9) + ", " + cluster("one", *one, 1) + ", " + cluster("other", *other, 3));
  for (int i = 0; i < 40; ++i) EXPECT_EQ(request(proxy_->address(), get("/")).status(), 503);
  proxy_->expect_metric(40, "outrider_requests_total");
  const double of_one = proxy_->metric("outrider_requests_total", "cluster=\"one\"");
  EXPECT_GT(of_one, 0);
  EXPECT_LT(of_one, 40) << "once in 2^39";
  EXPECT_EQ(one->requests(), 2 * of_one);
  EXPECT_EQ(other->requests(), 4 * (40 - of_one));
  EXPECT_EQ(nobody->requests(), 0);
}

TEST_F(RoutePolicy, TheTimeOfATryIsTheRules) {
  Origin silent([](Stream& connection) {
    while (!connection.read_some(1000).empty()) {}
  });
  const auto good = Origin::answering("fine");
  start(std::string("{match: {prefix: /soon}, cluster: web, retry: {when: [safe, timeout], per_try_timeout: 50ms, ") + kSoon +
            "}}, {match: {prefix: /short}, cluster: web, timeout: 50ms}",
        "web: {lb: round_robin, timeout: 0, outlier_detection: off, endpoints: [\"" + silent.text() + "\", \"" + good->text() +
            "\"]}");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(request(proxy_->address(), get("/soon")).status(), 200);
  EXPECT_GE(proxy_->metric("outrider_cluster_retries_total", "reason=\"timeout\",result=\"success\""), 1);
  std::array<int, 2> seen{};  // round robin: half of them
  for (int i = 0; i < 4; ++i) {
    const auto answer = request(proxy_->address(), get("/short"));
    ++seen[answer.status() == 200];
    if (answer.status() != 200) EXPECT_EQ(answer.field("x-outrider-reason"), "request_timeout");
  }
  EXPECT_EQ(seen[0], 2);
  expect_quiet(*proxy_);
}

TEST_F(RoutePolicy, ARuleThatIsNotLoggedIsCountedAllTheSame) {
  const auto origin = Origin::answering("fine");
  const identity::TemporaryFolder folder;
  const std::string log = folder.path("access.log");
  start(
      "{match: {prefix: /healthz}, cluster: web, access_log: off}, {match: {prefix: /gone}, respond: {status: 500}, access_log: "
      "off}, {match: {prefix: /}, cluster: web}",
      "web: {endpoints: [\"" + origin->text() + "\"]}", "telemetry: {access_log: {format: json, to: \"" + log + "\"}}\n");
  for (const char* path : {"/healthz", "/a", "/gone", "/healthz/deep", "/b"}) request(proxy_->address(), get(path));
  proxy_->expect_metric(5, "outrider_requests_total");
  EXPECT_EQ(proxy_->end(), 0);
  std::string paths;
  const std::string lines = identity::contents(log);
  for (size_t at = 0; (at = lines.find("\"path\":\"", at)) != lines.npos;) {
    at += 8;
    paths += lines.substr(at, lines.find('"', at) - at) + " ";
  }
  EXPECT_EQ(paths, "/a /b ") << lines;
}

TEST_F(RoutePolicy, DefaultsOfRulesHoldWhereARuleSaysNothing) {
  const auto origin = busy();
  start("{match: {prefix: /own}, cluster: web, retry: {attempts: 0}}, {cluster: web}",
        "web: {endpoints: [\"" + origin->text() + "\"]}",
        std::string("defaults: {route: {retry: {when: 503, attempts: 3, ") + kSoon + "}}}\n");
  EXPECT_EQ(tries(*origin, get("/")), 4);
  EXPECT_EQ(tries(*origin, get("/own")), 1);
}

// The cluster is one that nobody has written: whatever the Host header names.
class RoutePolicyInAMesh : public Mesh {};

TEST_F(RoutePolicyInAMesh, RetriesAreOverThoseOfEveryCluster) {
  const auto web = caller("web", "web",
                          {"defaults.cluster.retry.when=503", "defaults.cluster.retry.attempts=1",
                           "defaults.route.retry={attempts: 3, budget_min: 100, backoff: {max: 1ms}}"});
  seed = registry_of(*web);
  const auto app = busy();
  const auto shop = sidecar("one", *app);
  until("an answer of the app", [&] { return request(web->address("outbound"), kAsk).field("x-outrider-reason").empty(); });
  const int before = app->requests();
  EXPECT_EQ(request(web->address("outbound"), kAsk).status(), 503);
  EXPECT_EQ(app->requests() - before, 4);
}

}  // namespace
}  // namespace outrider::test
