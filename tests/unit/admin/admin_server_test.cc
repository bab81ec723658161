#include "admin/admin_server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <atomic>
#include <future>

#include "admin/metrics_page.h"
#include "admin/pages.h"
#include "ground.h"
#include "some_facts.h"
#include "stats/names.h"

namespace outrider::admin {
namespace {

TEST_F(AdminServerTest, ServesRequestAfterRequestOnAConnection) {
  run([&] {
    Client client(at());
    for (const char* who : {"a", "b", "c"}) {
      const Answer answer = client.get(std::string("/hello?who=") + who);
      EXPECT_EQ(answer.status, 200);
      EXPECT_EQ(answer.body, std::string("hello ") + who + "\n");
    }
  });
}

TEST_F(AdminServerTest, ServesPipelinedRequestsInOrder) {
  run([&] {
    Client client(at());
    std::string all;
    for (int i = 0; i < 20; ++i) all += "GET /hello?who=" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send(all);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(client.read().body, "hello " + std::to_string(i) + "\n");
  });
}

TEST_F(AdminServerTest, HeadHasTheLengthAndNoBody) {
  run([&] {
    Client client(at());
    client.send("HEAD /hello?who=a HTTP/1.1\r\nHost: x\r\n\r\n");
    const Answer answer = client.read(true);
    EXPECT_EQ(answer.status, 200);
    EXPECT_NE(answer.head.find("content-length: 8\r\n"), std::string::npos);
    EXPECT_EQ(client.get("/hello?who=b").body, "hello b\n");
  });
}

TEST_F(AdminServerTest, WhatIsNotThereIs404WithAListAndTheWrongMethodIs405) {
  run([&] {
    Client client(at());
    Answer answer = client.get("/nothing");
    EXPECT_EQ(answer.status, 404);
    EXPECT_NE(answer.body.find("  GET  /hello\n"), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("  POST /echo\n"), std::string::npos) << answer.body;
    answer = client.post("/hello", "x");
    EXPECT_EQ(answer.status, 405);
    EXPECT_NE(answer.head.find("allow: get, head\r\n"), std::string::npos) << answer.head;
    answer = client.get("/echo");
    EXPECT_EQ(answer.status, 405);
    EXPECT_NE(answer.head.find("allow: post\r\n"), std::string::npos) << answer.head;
  });
}

TEST_F(AdminServerTest, ActionsAnswerThisMachineButNoWebPage) {
  run([&] {
    Client client(at());
    EXPECT_EQ(client.post("/echo", "abc").body, "abc");
    EXPECT_EQ(client.post("/echo", "abc", "Origin: http://evil.example\r\n").status, 403);
    EXPECT_EQ(client.post("/echo", "abc", "X-Forwarded-For: 192.0.2.1\r\n").status, 403);
    EXPECT_EQ(client.post("/echo", "abc", "Forwarded: for=192.0.2.1\r\n").status, 403);
  });
}

TEST_F(AdminServerTest, BodiesAreWholeAndBounded) {
  run([&] {
    const std::string large(64 * 1024, 'x');
    EXPECT_EQ(Client(at()).post("/echo", large).body, large);
    EXPECT_EQ(Client(at()).post("/echo", large + "x").status, 413);
    Client chunked(at());
    chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    EXPECT_EQ(chunked.read().body, "abcde");
  });
}

TEST_F(AdminServerTest, ARequestWithoutFormIsToldSo) {
  run([&] {
    Client client(at());
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(client.read().status, 400);
    EXPECT_TRUE(client.ended());
  });
}

TEST_F(AdminServerTest, ALargeReplyReachesAReaderWithASmallWindowWhole) {
  std::string large(8 << 20, ' ');
  for (size_t i = 0; i < large.size(); ++i) large[i] = char('a' + i % 23);
  server->page("/large", [&](const Ask&) { return Reply{.body = large}; });
  run([&] {
    Client client(at());
    const int small = 32 * 1024;
    setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    EXPECT_TRUE(client.get("/large").body == large);
    EXPECT_EQ(client.get("/hello?who=a").status, 200);
  });
}

TEST_F(AdminServerTest, AUnixSocketWorksAndIsThisMachine) {
  char directory[] = "/tmp/outrider-admin-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/admin";
  ASSERT_TRUE(server->listen(*net::Address::parse("unix:" + path)));
  run([&] {
    Client client(server->local(1));
    EXPECT_EQ(client.get("/hello?who=a").body, "hello a\n");
    EXPECT_EQ(client.post("/echo", "abc").body, "abc");
  });
  server.reset();
  ::unlink(path.c_str());
  ::rmdir(directory);
}

TEST_F(AdminServerTest, OnlyLocalNamesAreAnsweredWhereThatIsAskedAndAWebPageHasNone) {
  const auto status = [&](const std::string& fields) {
    Client client(at());
    client.send("GET /hello HTTP/1.1\r\n" + fields + "\r\n");
    return client.read();
  };
  server->only_local_names();
  run([&] {
    for (const char* ours : {"localhost", "localhost:15000", "LOCALHOST", "admin.localhost:1", "127.0.0.1", "127.0.0.1:15000",
                             "[::1]:15000", "192.0.2.7:80"})
      EXPECT_EQ(status(std::string("Host: ") + ours + "\r\n").status, 200) << ours;
    for (const char* other :
         {"evil.example", "evil.example:15000", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example", "x"}) {
      const Answer answer = status(std::string("Host: ") + other + "\r\n");
      EXPECT_EQ(answer.status, 421) << other;
      EXPECT_NE(answer.body.find("localhost"), std::string::npos) << answer.body;
    }
    Client target(at());  // an absolute target is what counts
    target.send("GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_NE(target.read().status, 200);
    Client old(at());
    old.send("GET /hello HTTP/1.0\r\n\r\n");
    EXPECT_EQ(old.read().status, 200);
  });
}

TEST_F(AdminServerTest, AUnixSocketHasNoNamesToGetWrong) {
  char directory[] = "/tmp/outrider-admin-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/admin";
  ASSERT_TRUE(server->listen(*net::Address::parse("unix:" + path)));
  server->only_local_names();
  run([&] { EXPECT_EQ(Client(server->local(1)).get("/hello?who=a").status, 200); });
  server.reset();
  ::unlink(path.c_str());
  ::rmdir(directory);
}

// Credentials are a thread's own: the client becomes somebody else, the server does not.
TEST_F(AdminServerTest, AUnixSocketCanBeForTheOwnUserAndRootAlone) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  char directory[] = "/tmp/outrider-admin-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/admin";
  ASSERT_TRUE(server->listen(*net::Address::parse("unix:" + path)));
  ASSERT_EQ(::chmod(directory, 0755) | ::chmod(path.c_str(), 0777), 0);
  server->only_owner();
  run([&] {
    EXPECT_EQ(Client(server->local(1)).get("/hello?who=a").status, 200);
    ASSERT_EQ(syscall(SYS_setresuid, 65534, 65534, 65534), 0);
    Client other(server->local(1));
    for (const char* page : {"/hello", "/nothing"}) {
      const Answer answer = other.get(page);
      EXPECT_EQ(answer.status, 403);
      EXPECT_NE(answer.body.find("the user that the proxy runs as"), std::string::npos) << answer.body;
    }
    EXPECT_EQ(other.post("/echo", "abc").status, 403);
    EXPECT_EQ(Client(at()).get("/hello?who=a").status, 200) << "a port has no users";
  });
  server.reset();
  ::unlink(path.c_str());
  ::rmdir(directory);
}

TEST_F(AdminServerTest, WhenFullTheLongestIdleConnectionMakesRoom) {
  std::vector<std::unique_ptr<Client>> clients;  // open until they have been counted
  run([&] {
    for (int i = 0; i < 129; ++i) {
      clients.push_back(std::make_unique<Client>(at()));
      EXPECT_EQ(clients.back()->get("/hello").status, 200) << i;
    }
  });
  EXPECT_EQ(server->connections(), 128u);
}

struct SlowPage final : Page {
  explicit SlowPage(std::atomic<int>& gone) : gone_(gone) {}
  void on_visit(Visit&) override { asked.set_value(); }
  void on_gone(Visit&) override { ++gone_; }
  std::promise<void> asked;
  std::atomic<int>& gone_;
};

TEST_F(AdminServerTest, APageHearsThatItsVisitorLeft) {
  std::atomic<int> gone{0};
  auto page = std::make_unique<SlowPage>(gone);
  auto asked = page->asked.get_future();
  server->page("/slow", http::Method::Get, std::move(page));
  {
    std::thread thread([&] {
      Client client(at());
      client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
      asked.wait();
      const linger now{1, 0};  // RST: after a FIN alone it might still wait for the answer
      setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    });
    while (gone == 0) loop.run_turn(true);
    thread.join();
  }
  EXPECT_EQ(gone, 1);
}

TEST_F(AdminServerTest, GoingAwayWithVisitorsWaitingTellsThePageFirst) {
  std::atomic<int> gone{0};
  auto page = std::make_unique<SlowPage>(gone);
  auto asked = page->asked.get_future();
  server->page("/slow", http::Method::Get, std::move(page));
  Client client(at());
  run([&] {
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    asked.wait();
  });
  server.reset();
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(client.read().status, 0);
}

// Says "one", and from then on as much as there is room for, until it has said so many bytes.
struct StreamingPage final : Page {
  StreamingPage(std::atomic<int>& gone, size_t bytes) : gone_(gone), left_(bytes) {}
  void on_visit(Visit& visit) override {
    if (!visit.begin({.type = "text/x-lines"})) return;
    visit.send("one\n");
    on_room(visit);
  }
  void on_room(Visit& visit) override {
    const std::string piece(10'000, 'x');
    while (left_ > 0) {
      left_ -= std::min(left_, piece.size());
      if (!visit.send(piece)) return;
    }
    if (endless_) return;
    visit.send("last");
    visit.end();
  }
  void on_gone(Visit&) override { ++gone_; }
  std::atomic<int>& gone_;
  size_t left_;
  bool endless_ = false;
};

TEST_F(AdminServerTest, AStreamReachesASlowReaderWholeAndItsConnectionServesOn) {
  std::atomic<int> gone{0};
  constexpr size_t kBytes = 8'000'000;
  server->page("/stream", http::Method::Get, std::make_unique<StreamingPage>(gone, kBytes));
  run([&] {
    Client old(at());
    const int small = 32 * 1024;
    setsockopt(old.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    old.send("GET /stream HTTP/1.0\r\n\r\n");
    const std::string all = old.rest();
    EXPECT_EQ(all.find("content-length"), std::string::npos);
    const std::string body = all.substr(all.find("\r\n\r\n") + 4);
    EXPECT_EQ(body.size(), 4 + kBytes + 4);
    EXPECT_TRUE(body.starts_with("one\nxxx") && body.ends_with("xlast"));
    Client client(at());
    client.send("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    const Answer head = client.read(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_NE(head.head.find("content-type: text/x-lines"), std::string::npos);
    EXPECT_EQ(client.get("/hello?who=a").body, "hello a\n");
  });
  EXPECT_EQ(gone, 0);
}

TEST_F(AdminServerTest, WhoEndsHisSideOrBreaksOffInAStreamHasLeft) {
  std::atomic<int> gone{0};
  for (const bool reset : {false, true}) {
    auto page = std::make_unique<StreamingPage>(gone, 0);
    page->endless_ = true;
    server->page("/stream", http::Method::Get, std::move(page));
    const int before = gone;
    std::thread thread([&] {
      Client client(at());
      client.send("GET /stream HTTP/1.0\r\n\r\n");
      client.until("one\n");
      const linger now{1, 0};
      if (reset) setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    });
    while (gone == before) loop.run_turn(true);
    thread.join();
  }
  EXPECT_EQ(gone, 2);
}

TEST_F(AdminServerTest, GoingAwayInTheMiddleOfAStreamTellsThePageFirst) {
  std::atomic<int> gone{0};
  auto page = std::make_unique<StreamingPage>(gone, 0);
  page->endless_ = true;
  server->page("/stream", http::Method::Get, std::move(page));
  Client client(at());
  run([&] {
    client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    client.until("one\n");
  });
  server.reset();
  EXPECT_EQ(gone, 1);
}

TEST_F(AdminServerTest, MetricsAreRenderedOnceForACrowd) {
  stats::Catalog catalog;
  auto collector = std::make_shared<stats::Collector>(catalog);
  catalog.make_shard()->add(catalog.slot(stats::names::kRequests, {{"route", "a"}}), 7);
  auto page = std::make_unique<MetricsPage>(loop, collector, seconds(60));
  const MetricsPage& metrics = *page;
  server->page("/metrics", http::Method::Get, std::move(page));
  run([&] {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(std::make_unique<Client>(at()));
    for (auto& client : clients) client->send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (auto& client : clients) {
      const Answer answer = client->read();
      EXPECT_EQ(answer.status, 200);
      EXPECT_NE(answer.head.find("content-type: text/plain; version=0.0.4"), std::string::npos);
      EXPECT_NE(answer.body.find("outrider_requests_total{route=\"a\"} 7\n"), std::string::npos);
    }
  });
  EXPECT_EQ(metrics.renderings(), 1u);
}

TEST_F(AdminServerTest, MetricsComeInTheFormatAndThePackingThatIsAskedFor) {
  stats::Catalog catalog;
  auto collector = std::make_shared<stats::Collector>(catalog);
  catalog.make_shard()->add(catalog.slot(stats::names::kRequests, {{"route", "a"}}), 7);
  auto page = std::make_unique<MetricsPage>(loop, collector, seconds(60));
  const MetricsPage& metrics = *page;
  server->page("/metrics", http::Method::Get, std::move(page));
  run([&] {
    Client text(at()), open(at());
    // All at once: one waits for the rendering of the other's format.
    text.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    open.send("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n");
    const Answer plain = text.read(), marked = open.read();
    EXPECT_NE(plain.head.find("content-type: text/plain; version=0.0.4"), std::string::npos);
    EXPECT_EQ(plain.body.find("# EOF"), std::string::npos);
    EXPECT_EQ(plain.head.find("content-encoding"), std::string::npos);
    EXPECT_NE(marked.head.find("content-type: application/openmetrics-text; version=1.0.0"), std::string::npos);
    EXPECT_TRUE(marked.body.ends_with("# EOF\n"));
    EXPECT_NE(marked.body.find("outrider_requests_total{route=\"a\"} 7\n"), std::string::npos);
  });
  EXPECT_EQ(metrics.renderings(), 2u);
}

TEST_F(AdminServerTest, MetricsArePackedForWhoTakesThat) {
  stats::Catalog catalog;
  server->page("/metrics", http::Method::Get,
               std::make_unique<MetricsPage>(loop, std::make_shared<stats::Collector>(catalog), seconds(60)));
  run([&] {
    Client packed(at()), plain(at());
    packed.send("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    const Answer answer = packed.read();
    EXPECT_NE(answer.head.find("content-encoding: gzip"), std::string::npos);
    EXPECT_TRUE(answer.body.starts_with("\x1f\x8b"));
    plain.send("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n");
    EXPECT_TRUE(plain.read().body.starts_with("# HELP "));
  });
}

TEST_F(AdminServerTest, AScrapeThatIsUnderWayMayLoseItsPageAndItsServer) {
  stats::Catalog catalog;
  auto collector = std::make_shared<stats::Collector>(catalog);
  bool started = false;
  collector->add_source([&](stats::Samples&) { started = true; });  // on this thread, just before the pool gets it
  server->page("/metrics", http::Method::Get, std::make_unique<MetricsPage>(loop, collector));
  Client client(at());
  client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  while (!started) loop.run_turn(true);
  server.reset();
  std::weak_ptr<stats::Collector> left = collector;
  collector.reset();
  while (!left.expired()) loop.run_turn(true);
}

TEST_F(AdminServerTest, AllPagesAreReached) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  stats::Catalog catalog;
  add_admin_pages(*server, facts, catalog);
  run([&] {
    Client client(at());
    for (const char* path : {"/", "/live", "/ready", "/ready?json", "/config", "/clusters", "/services", "/registry", "/stat",
                             "/overview", "/version"})
      EXPECT_EQ(client.get(path).status, 200) << path;
    EXPECT_EQ(client.post("/drain", "").status, 202);
    EXPECT_EQ(client.post("/quitquitquit", "").status, 202);
    EXPECT_EQ(client.get("/drain").status, 405);
  });
  EXPECT_EQ(facts.drains, 1);
  EXPECT_EQ(facts.quits, 1);
}

// admin.debug: off. A page that somebody adds later is closed before anybody thinks of it.
TEST_F(AdminServerTest, HealthIsLeftAloneWhereNothingElseIsToBeShown) {
  SomeFacts facts;
  stats::Catalog catalog;
  add_admin_pages(*server, facts, catalog);
  keep_health_alone(*server);
  server->page("/later", [](const Ask&) { return Reply{.body = "secret\n"}; });
  run([&] {
    Client client(at());
    for (const char* path : {"/", "/live", "/ready", "/ready?json", "/stat", "/version"})
      EXPECT_EQ(client.get(path).status, 200) << path;
    for (const char* path : {"/config", "/clusters", "/services", "/route", "/authz", "/registry", "/hello", "/later"}) {
      const Answer answer = client.get(path);
      EXPECT_EQ(answer.status, 403) << path;
      EXPECT_TRUE(answer.body.starts_with(std::string(path) + " is not shown here: admin.debug is off.")) << answer.body;
    }
    EXPECT_EQ(client.get("/nowhere").body.find("/config"), std::string::npos);
    EXPECT_EQ(client.post("/echo", "abc").body, "abc");
    EXPECT_EQ(client.post("/drain", "").status, 202);
  });
}

}  // namespace
}  // namespace outrider::admin
