// Where a redirect may lead a probe: nowhere but to whom it asks.

#include "server/app_probes.h"

#include <gtest/gtest.h>

namespace outrider::server {
namespace {

constexpr std::string_view kHost = "10.0.0.1:8080";

TEST(RedirectedProbe, StaysWithWhomItAsks) {
  const auto to = [](std::string_view location) { return redirected_path(location, false, kHost, "/a/b?c"); };
  EXPECT_EQ(to("/d?e#f"), "/d?e");
  EXPECT_EQ(to("http://10.0.0.1:8080/d"), "/d");
  EXPECT_EQ(to("HTTP://10.0.0.1:8080"), "/");
  EXPECT_EQ(to("http://10.0.0.1:8080?x"), "/?x");
  EXPECT_EQ(to("//10.0.0.1:8080/d"), "/d");
  EXPECT_EQ(to("d"), "/a/d");
  EXPECT_EQ(to("?x"), "/a/b?x");
}

TEST(RedirectedProbe, GoesNowhereElse) {
  const auto to = [](std::string_view location) { return redirected_path(location, false, kHost, "/a"); };
  for (const char* elsewhere :
       {"", "#x", "http://10.0.0.1:8081/", "http://10.0.0.1/", "https://10.0.0.1:8080/", "http://10.0.0.2:8080/", "//evil/",
        "http://10.0.0.1:8080.evil/", "http://10.0.0.1:8080@evil/", "gopher://10.0.0.1:8080/", "javascript:alert(1)"})
    EXPECT_EQ(to(elsewhere), "") << elsewhere;
}

TEST(RedirectedProbe, KnowsTheUsualPorts) {
  EXPECT_EQ(redirected_path("http://shop.test/a", false, "shop.test:80", "/"), "/a");
  EXPECT_EQ(redirected_path("https://shop.test/a", true, "shop.test:443", "/"), "/a");
  EXPECT_EQ(redirected_path("https://shop.test/a", true, "shop.test:80", "/"), "");
}

}  // namespace
}  // namespace outrider::server
