// What the admin page for browsers is made of, from a running proxy.

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

rapidjson::Document parsed(const std::string& text) {
  rapidjson::Document document;
  EXPECT_FALSE(document.Parse(text.c_str()).HasParseError()) << text;
  return document;
}

Message ask(Proxy& proxy, const std::string& path, const std::string& fields) {
  return request(proxy.address("admin"), "GET " + path + " HTTP/1.1\r\nConnection: close\r\n" + fields + "\r\n");
}

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

TEST(AdminPage, ABrowserGetsAPageACurlTextAndAStrangersNameNothing) {
  Proxy proxy(Proxy::edge({refusing_address().text()}));
  EXPECT_TRUE(ask(proxy, "/", "Host: 127.0.0.1\r\nAccept: text/html,*/*;q=0.8\r\n").body.starts_with("<!doctype html>"));
  EXPECT_TRUE(ask(proxy, "/", "Host: localhost\r\nAccept: */*\r\n").body.starts_with("outrider "));
  for (const char* path : {"/", "/config", "/overview", "/page/page.js", "/nothing"})
    EXPECT_EQ(ask(proxy, path, "Host: rebound.example:15000\r\nAccept: text/html\r\n").status(), 421) << path;
  const auto scrape =
      request(proxy.address("metrics"), "GET /metrics HTTP/1.1\r\nHost: outrider.example\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(scrape.status(), 200) << "others may call the metrics what they like";
}

TEST(AdminPage, TheOverviewCountsWhatHasPassedAndTheEndpointsSayHowTheyAnswered) {
  const auto origin = Origin::answering([](const Message& message) {
    return message.start.starts_with("GET /bad") ? "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n" : ok("hello");
  });
  Proxy proxy(Proxy::edge({origin->text()}, "retry: off, outlier_detection: off"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
  EXPECT_EQ(request(proxy.address(), "GET /bad HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").status(), 503);
  proxy.expect_metric(4, "outrider_requests_total");
  const auto overview = parsed(proxy.get("/overview").body);
  EXPECT_STREQ(overview["mode"].GetString(), "edge");
  EXPECT_EQ(overview["overload"]["level"].GetInt(), 0);
  ASSERT_EQ(overview["traffic"].Size(), 1u);
  const auto& traffic = overview["traffic"][0];
  EXPECT_EQ(traffic["requests"].GetInt(), 4);
  EXPECT_EQ(traffic["failures"].GetInt(), 1);
  EXPECT_EQ(traffic["in_flight"].GetInt(), 0);
  int seen = 0;
  for (const auto& bucket : traffic["duration_ms"].GetArray()) seen += bucket[1].GetInt();
  EXPECT_EQ(seen, 4);

  const auto clusters = parsed(proxy.get("/clusters?times").body);
  const auto& endpoint = clusters["clusters"][0]["endpoints"][0];
  EXPECT_EQ(endpoint["requests"].GetInt(), 4);
  EXPECT_EQ(endpoint["errors"].GetInt(), 1);
  EXPECT_EQ(endpoint["unanswered"].GetInt(), 0);
  seen = 0;
  for (const auto& bucket : endpoint["first_byte_ms"].GetArray()) seen += bucket[1].GetInt();
  EXPECT_EQ(seen, 4);
}

TEST(AdminPage, WhoDoesNotAnswerIsCounted) {
  Proxy proxy(Proxy::edge({refusing_address().text()}, "retry: off, outlier_detection: off"));
  EXPECT_EQ(request(proxy.address(), kGet).status(), 502);
  proxy.expect_metric(1, "outrider_requests_total");
  const auto clusters = parsed(proxy.get("/clusters").body);
  EXPECT_EQ(clusters["clusters"][0]["endpoints"][0]["unanswered"].GetInt(), 1);
}

TEST(AdminPage, CertificatesSayHowLongTheyLast) {
  Certificates certificates;
  Proxy proxy(Proxy::edge({refusing_address().text()}, "", certificates.listener()));
  const auto overview = parsed(proxy.get("/overview").body);
  ASSERT_EQ(overview["certificates"].Size(), 1u);
  EXPECT_STREQ(overview["certificates"][0]["owner"].GetString(), "listeners.edge.tls");
  EXPECT_GT(overview["certificates"][0]["left_s"].GetDouble(), 0);
}

}  // namespace
}  // namespace outrider::test
