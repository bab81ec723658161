// Which endpoint a request is led to by its key, over all workers.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

class LedByKey : public testing::TestWithParam<const char*> {
 protected:
  std::string of(const char* hash) const { return std::string("lb: ") + GetParam() + ", lb_options: {hash: " + hash + "}"; }
  // Who answers; each request on a connection of its own, so that every worker has some.
  static std::string asked(Proxy& proxy, const std::string& fields) {
    return request(proxy.address(), "GET / HTTP/1.1\r\nHost: web\r\n" + fields + "Connection: close\r\n\r\n").body;
  }
  std::vector<std::string> places() const {
    std::vector<std::string> out;
    for (const auto& origin : origins) out.push_back(origin->text());
    return out;
  }
  std::vector<std::unique_ptr<Origin>> origins = [] {
    std::vector<std::unique_ptr<Origin>> out;
    for (const char* name : {"a", "b", "c", "d"}) out.push_back(Origin::answering(name));
    return out;
  }();
};
INSTANTIATE_TEST_SUITE_P(Balancers, LedByKey, testing::Values("ring_hash", "maglev"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LedByKey, ACookieLeadsToOneEndpointAndCookiesToAll) {
  Proxy proxy(Proxy::edge(places(), of("cookie.sid")), {"overload.threads=2"});
  std::set<std::string> seen;
  for (int user = 0; user < 40; ++user) {
    const std::string fields = "Cookie: other=1; sid=user" + std::to_string(user) + "\r\n";
    const std::string first = asked(proxy, fields);
    seen.insert(first);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(asked(proxy, fields), first);
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST_P(LedByKey, AnEndpointThatIsGoneLeavesTheOthersTheirKeys) {
  Proxy proxy(Proxy::edge(places(), of("header.X-User") + ", panic: 0%"), {"overload.threads=2"});
  std::map<std::string, std::string> before;
  for (int user = 0; user < 40; ++user) {
    const std::string fields = "X-User: user" + std::to_string(user) + "\r\n";
    before[fields] = asked(proxy, fields);
  }
  origins.pop_back();
  int moved = 0, of_others = 0;
  for (const auto& [fields, by] : before) {
    const std::string now = asked(proxy, fields);
    EXPECT_TRUE(now == "a" || now == "b" || now == "c") << now;
    if (by == "d") continue;
    ++of_others;
    moved += now != by;
  }
  EXPECT_LE(moved, of_others / 4);
}

TEST_P(LedByKey, WithoutAKeyAnyoneIsAsked) {
  Proxy proxy(Proxy::edge(places(), of("header.x-user")), {"overload.threads=1"});
  std::set<std::string> seen;
  for (int i = 0; i < 200 && seen.size() < 4; ++i) seen.insert(asked(proxy, ""));
  EXPECT_EQ(seen.size(), 4u);
}

// Row 69 of the table of features.
TEST(AdaptiveBalancing, WhatEndpointsSayOfTheirLoadIsHeard) {
  const auto saying = [](const std::string& name, const std::string& load) {
    return Origin::answering([=](const Message&) {
      return "HTTP/1.1 200 OK\r\nEndpoint-Load-Metrics: " + load + "\r\nContent-Length: 4\r\n\r\n" + name;
    });
  };
  const auto busy = saying("busy", "TEXT application_utilization=1.9,named_metrics.slots=4");
  const auto idle = saying("idle", R"(JSON {"application_utilization": 0.1, "named_metrics": {"slots": 4}})");
  Proxy proxy(Proxy::edge({busy->text(), idle->text()}, "lb: adaptive"), {"overload.threads=1"});
  Stream client = Stream::connect(proxy.address());
  std::set<std::string> seen;
  for (int i = 0; i < 1000 && seen.size() < 2; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    seen.insert(answer->body);
  }
  const std::string page = proxy.get("/clusters").body;
  EXPECT_NE(page.find("\"load\": 1.9"), page.npos) << page;
  EXPECT_NE(page.find("\"load\": 0.1"), page.npos) << page;
}

}  // namespace
}  // namespace outrider::test
