// What is changed in a running proxy without a restart and without its file.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/support/grpc.h"
#include "tests/support/mesh.h"

namespace outrider::test {
namespace {

Message post(const Proxy& proxy, const std::string& path, const std::string& body = {}) {
  return request(proxy.address("admin"), "POST " + path +
                                             " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                                             std::to_string(body.size()) + "\r\n\r\n" + body);
}

TEST(Runtime, HowMuchIsLogged) {
  Proxy proxy(Proxy::edge({"127.0.0.1:1"}));
  EXPECT_FALSE(log::enabled(log::Level::Debug));
  EXPECT_EQ(post(proxy, "/log?level=debug").status(), 200);
  EXPECT_TRUE(log::enabled(log::Level::Debug));
  EXPECT_EQ(post(proxy, "/log?level=everything").status(), 400);
  EXPECT_EQ(post(proxy, "/log?level=error").status(), 200);
  EXPECT_FALSE(log::enabled(log::Level::Info));
  EXPECT_EQ(proxy.get("/log?level=debug").status(), 405) << "a page that somebody opens changes nothing";
}

TEST(Runtime, AWeightOfNothing) {
  Proxy proxy(Proxy::edge({"127.0.0.1:1"}));
  const Message refused = post(proxy, "/weight?value=10");
  EXPECT_EQ(refused.status(), 409);
  EXPECT_EQ(refused.body, "nothing is registered here\n");
  EXPECT_EQ(post(proxy, "/weight?value=-1").status(), 400);
}

TEST_F(Mesh, AWeightIsWhatOthersGoByFromNowOn) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a), two = sidecar("two", *b);
  until_served_by(*web, {"a", "b"});
  ASSERT_EQ(post(*one, "/weight?value=7").status(), 200);
  until("the new weight", [&] { return has(web->get("/clusters").body, "\"weight\": 7,"); });
  ASSERT_EQ(post(*one, "/config", "version: 1\nmode: sidecar\nservice: {weight: 9}\n").status(), 200);
  until("the configuration's", [&] { return has(web->get("/clusters").body, "\"weight\": 9,"); });
  EXPECT_FALSE(has(web->get("/clusters").body, "\"weight\": 7,"));
  ASSERT_EQ(post(*two, "/weight?value=0").status(), 200);
  until("nobody to be sent there", [&] { return has(web->get("/clusters").body, "\"weight\": 0,"); });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(request(web->address("outbound"), kAsk).body, "a");
}

}  // namespace
}  // namespace outrider::test
