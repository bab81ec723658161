// Somebody else decides, and the request waits for it.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>

#include "tests/support/proxy.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

constexpr const char* kRefusal =
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: text/html\r\n"
    "X-Inner: 1\r\nContent-Length: 10\r\n\r\n<p>no!</p>";

class ExtAuthz : public testing::Test {
 protected:
  // `decide` answers what it is asked.
  void start(std::function<std::string(const Message&)> decide, const std::string& options = {}) {
    authz_ = Origin::answering([this, decide = std::move(decide)](const Message& question) {
      {
        const std::lock_guard lock(mutex_);
        asked_ = question;
      }
      return decide(question);
    });
    start_with(authz_->text(), options);
  }
  void start_with(const std::string& authz, const std::string& options = {}, const std::string& cluster = {}) {
    proxy_.reset();
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "routes: {edge: [{match: {prefix: /twice}, cluster: web, filters: [{ext_authz: {cluster: authz, forward: [x-also]}}]}, "
        "{match: {prefix: /open}, cluster: web, filters: [{ext_authz: off}]}, {cluster: web}]}\n"
        "clusters: {web: {endpoints: [\"" +
            origin_->text() + "\"]}, authz: {endpoints: [\"" + authz + "\"]" + cluster +
            "}}\nfilters: {edge: [{ext_authz: {cluster: authz, headers: [authorization], forward: [x-user]" + options +
            (options.find("timeout") == options.npos ? ", timeout: 30s" : "") +
            "}}, {headers: {request: {set: {x-behind: \"1\"}}}}]}\n",
        set_);
  }
  Message ask(const std::string& fields = {}, const std::string& body = {}, const std::string& path = "/cart?id=1") {
    return request(proxy_->address(), "POST " + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: " +
                                          std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body);
  }
  Message asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void expect_counted(double times, const std::string& reason) {
    proxy_->expect_metric(times, "outrider_filter_denied_total", "filter=\"ext_authz\",reason=\"" + reason + "\"");
  }

  std::vector<std::string> set_{"overload.threads=1"};
  std::mutex mutex_;
  Message asked_;
  std::unique_ptr<Origin> authz_;
  // Answers with the body, and the fields it got.
  std::unique_ptr<Origin> origin_ = Origin::answering([](const Message& message) {
    std::string said = message.body + "\n";
    for (const auto& [name, value] : message.fields) said += name + ": " + value + "\n";
    return ok(said);
  });
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(ExtAuthz, WhoIsLetInGoesOnWithWhatWasSaidOfThem) {
  start([](const Message&) { return ok("", "X-User: anna\r\nX-Other: secret\r\n"); });
  for (int i = 0; i < 3; ++i) {
    const Message answer = ask("Authorization: Bearer t\r\nCookie: c=1\r\nX-User: root\r\n", "hello");
    EXPECT_EQ(answer.status(), 200);
    EXPECT_TRUE(answer.body.starts_with("hello\n")) << answer.body;
    EXPECT_NE(answer.body.find("x-user: anna\n"), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("x-behind: 1\n"), std::string::npos) << answer.body;
    EXPECT_EQ(answer.body.find("root"), std::string::npos) << answer.body;
    EXPECT_EQ(answer.body.find("secret"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(asked().start, "POST /cart?id=1 HTTP/1.1");
  EXPECT_EQ(asked().field("host"), "shop");
  EXPECT_EQ(asked().field("authorization"), "Bearer t");
  EXPECT_EQ(asked().field("cookie"), "");
  EXPECT_EQ(asked().field("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(asked().field("content-length"), "0");
  EXPECT_EQ(asked().body, "");
  EXPECT_EQ(authz_->connections(), 1) << "one after another, on one connection";
}

TEST_F(ExtAuthz, WhoIsNotGetsTheAnswerThatWasGiven) {
  start([](const Message&) { return kRefusal; });
  const Message answer = ask({}, "a body that goes nowhere");
  EXPECT_EQ(answer.status(), 401);
  EXPECT_EQ(answer.body, "<p>no!</p>");
  EXPECT_EQ(answer.field("www-authenticate"), "Bearer");
  EXPECT_EQ(answer.field("content-type"), "text/html");
  EXPECT_EQ(answer.count("set-cookie"), 2u);
  EXPECT_EQ(answer.field("x-inner"), "");
  EXPECT_EQ(answer.field("x-outrider-reason"), "authz_denied");
  EXPECT_EQ(origin_->requests(), 0);
  expect_counted(1, "authz_denied");
}

TEST_F(ExtAuthz, ARedirectIsTheClientsToFollow) {
  start([](const Message&) {
    return std::string("HTTP/1.1 302 Found\r\nLocation: https://id.example.com/login\r\nContent-Length: 0\r\n\r\n");
  });
  const Message answer = ask();
  EXPECT_EQ(answer.status(), 302);
  EXPECT_EQ(answer.field("location"), "https://id.example.com/login");
}

TEST_F(ExtAuthz, WhereNobodyAnswersItIsAsConfigured) {
  start_with(refusing_address().text());
  const Message answer = ask();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.field("x-outrider-reason"), "authz_unavailable");
  EXPECT_EQ(origin_->requests(), 0);
  expect_counted(1, "authz_unavailable");
  start_with(refusing_address().text(), ", on_error: allow");
  EXPECT_EQ(ask("X-User: root\r\n").body.find("root"), std::string::npos);
  EXPECT_EQ(origin_->requests(), 1);
  expect_counted(1, "authz_unavailable_allowed");
}

TEST_F(ExtAuthz, WhoIsBrokenHasNotSaidNo) {
  start([](const Message&) { return std::string("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"); });
  EXPECT_EQ(ask().status(), 503);
  expect_counted(1, "authz_failed");
  start([](const Message&) { return std::string("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"); }, ", on_error: allow");
  EXPECT_EQ(ask().status(), 200);
  expect_counted(1, "authz_failed_allowed");
}

TEST_F(ExtAuthz, WhoTakesTooLongIsNotWaitedFor) {
  Origin silent([](Stream& connection) { connection.read_all(); });
  start_with(silent.text(), ", timeout: 20ms");
  EXPECT_EQ(ask().field("x-outrider-reason"), "authz_timeout");
  EXPECT_EQ(origin_->requests(), 0);
  expect_counted(1, "authz_timeout");
  start_with(silent.text(), ", timeout: 20ms, on_error: allow");
  EXPECT_EQ(ask().status(), 200);
  expect_counted(1, "authz_timeout_allowed");
  proxy_.reset();
}

TEST_F(ExtAuthz, ARefusalStandsWhateverBecomesOfItsBody) {
  Origin cut([](Stream& connection) {
    if (connection.read_message()) connection.send("HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nno!");
  });
  start_with(cut.text(), ", on_error: allow");
  Message answer = ask();
  EXPECT_EQ(answer.status(), 403);
  EXPECT_EQ(answer.body, "no!");
  Origin stalls([](Stream& connection) {
    if (connection.read_message()) connection.send("HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nno!");
    connection.read_all();
  });
  start_with(stalls.text(), ", on_error: allow, timeout: 200ms");
  EXPECT_EQ(ask().field("x-outrider-reason"), "authz_denied");
  start([](const Message&) { return "HTTP/1.1 403 No\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x'); },
        ", on_error: allow, max_body: 1KiB");
  for (int i = 0; i < 2; ++i) {
    answer = ask();
    EXPECT_EQ(answer.status(), 403);
    EXPECT_EQ(answer.body, std::string(1024, 'x')) << "as much of it as is allowed";
  }
}

TEST_F(ExtAuthz, WhoClosesAfterEachAnswerIsAskedOnAnotherConnection) {
  Origin closing([](Stream& connection) {
    if (connection.read_message()) connection.send(ok(""));
  });
  start_with(closing.text());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask().status(), 200);
}

TEST_F(ExtAuthz, TheBodyWaitsWithItsRequestAndIsNotHeldWithoutLimit) {
  std::promise<void> decide;
  auto decided = decide.get_future().share();
  std::atomic<int> questions{0};
  start([&](const Message&) {
    ++questions;
    decided.wait();
    return ok("");
  });
  Stream client = proxy_->connect();
  const std::string body(8 << 20, 'b');
  client.send("POST /cart HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  size_t sent = 0;  // until nothing more is taken for a while
  for (pollfd ready{client.fd(), POLLOUT, 0}; sent < body.size() && ::poll(&ready, 1, 300) > 0;) {
    const ssize_t n = ::send(client.fd(), body.data() + sent, std::min<size_t>(body.size() - sent, 65536), MSG_DONTWAIT);
    if (n > 0) sent += size_t(n);
  }
  double held = 0;  // as of when they say so: once a second
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (held == 0 && std::chrono::steady_clock::now() < limit) held = proxy_->metric("outrider_memory_bytes", "buffers");
  EXPECT_GT(held, 0);
  EXPECT_LT(held, 4 << 20);
  EXPECT_EQ(origin_->requests(), 0);
  EXPECT_EQ(origin_->connections(), 0) << "let in before anybody has said so";
  decide.set_value();
  ASSERT_TRUE(client.send(std::string_view(body).substr(sent)));
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_TRUE(answer->body.starts_with(body + "\n"));
  EXPECT_EQ(questions, 1);
}

TEST_F(ExtAuthz, AClientThatLeavesMeanwhileIsForgotten) {
  std::promise<void> came;
  Origin silent([&](Stream& connection) {
    if (connection.read_message()) came.set_value();
    connection.read_all();
  });
  start_with(silent.text());
  Stream client = proxy_->connect();
  client.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
  ASSERT_EQ(came.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  client.abort();
  proxy_->expect_metric(0, "outrider_connections_active");
  proxy_->expect_metric(0, "outrider_cluster_connections_active", "cluster=\"authz\"");
  EXPECT_EQ(origin_->requests(), 0);
  proxy_.reset();
}

TEST_F(ExtAuthz, WhoeverAsksTwiceNeedsBoth) {
  start([](const Message& question) {
    return question.start.find("deny") == std::string::npos ? ok("", "X-User: anna\r\nX-Also: here\r\n") : std::string(kRefusal);
  });
  const Message answer = ask({}, "hello", "/twice");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_NE(answer.body.find("x-user: anna\n"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("x-also: here\n"), std::string::npos) << answer.body;
  EXPECT_EQ(authz_->requests(), 2);
  EXPECT_EQ(ask({}, {}, "/twice?deny").status(), 401);
  EXPECT_EQ(authz_->requests(), 3);
}

TEST_F(ExtAuthz, WhereItIsOffNobodyIsAsked) {
  start([](const Message&) { return kRefusal; });
  EXPECT_EQ(ask({}, {}, "/open").status(), 200);
  EXPECT_EQ(authz_->requests(), 0);
}

TEST_F(ExtAuthz, ItMayBeAskedByHttp2AndTls) {
  authz_ = Origin::answering([](const Message& question) {
    return ok("", "X-User: " + question.field("authorization") + question.start.substr(0, 5) + question.field("host") + "\r\n");
  });
  Certificates certificates;
  Proxy front(Proxy::edge({authz_->text()}, {}, certificates.listener()));
  start_with(front.address().text(), {}, ", protocol: http2, " + certificates.cluster());
  for (int i = 0; i < 3; ++i) {
    const Message answer = ask("Authorization: t\r\n", "hello");
    EXPECT_EQ(answer.status(), 200);
    EXPECT_NE(answer.body.find("-user: tPOST shop\n"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(front.metric("outrider_connections_total"), 1);
  proxy_.reset();
}

TEST_F(ExtAuthz, ManyAreAskedForAtOnce) {
  set_ = {"overload.threads=2"};
  start(
      [](const Message& question) { return question.start.find("deny") == std::string::npos ? ok("") : std::string(kRefusal); });
  std::vector<std::thread> clients;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&, c] {
      Stream client = proxy_->connect();
      for (int i = 0; i < 50; ++i) {
        const bool deny = (i + c) % 3 == 0;
        client.send(std::string("GET /") + (deny ? "deny" : "allow") + " HTTP/1.1\r\nHost: shop\r\n\r\n");
        const auto answer = client.read_message();
        if (!answer || answer->status() != (deny ? 401 : 200)) ++wrong;
      }
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace outrider::test
