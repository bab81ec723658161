// The kubelet's probes, asked in its place (row 136): what it would have heard from the application it hears from the health
// port.

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/support/blackhole.h"
#include "tests/support/grpc.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

std::string port_of(const Origin& origin) { return std::to_string(origin.address().port()); }

// A proxy with these probes of the container web: {"liveness", "{http: ...}"}, ...
class Asked {
 public:
  explicit Asked(const std::vector<std::pair<std::string, std::string>>& probes, std::vector<std::string> set = {})
      : origin(Origin::answering("other")) {
    set.insert(set.begin(), "admin.health=127.0.0.1:0");
    for (const auto& [kind, probe] : probes) set.push_back("admin.probes.web." + kind + "=" + probe);
    proxy = std::make_unique<Proxy>(Proxy::edge({origin->text()}), std::move(set));
  }
  Message get(const std::string& kind = "liveness") { return proxy->get("/probe/web/" + kind, "health"); }
  void expect_counted(double times, const std::string& result, const std::string& kind = "liveness") {
    proxy->expect_metric(times, "outrider_probes_total", "kind=\"" + kind + "\",result=\"" + result + "\"");
  }
  std::unique_ptr<Origin> origin;
  std::unique_ptr<Proxy> proxy;
};

std::string http_probe(const Origin& app, const std::string& more = {}, const std::string& timeout = "20s") {
  return "{http: {port: " + port_of(app) + (more.empty() ? "" : ", " + more) + "}, timeout: " + timeout + "}";
}

TEST(AppProbe, IsAskedAsTheKubeletAsks) {
  std::promise<Message> heard;
  const auto app = Origin::answering([&](const Message& message) {
    heard.set_value(message);
    return ok("fine");
  });
  Asked asked({{"liveness", http_probe(*app, "path: \"/healthz?full=1\", headers: {X-Probe: \"1\", Connection: keep-alive}")}},
              {"node.address=10.1.2.3"});
  const auto answer = asked.get();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "web/liveness: well: GET http://" + app->text() + "/healthz?full=1\n");
  const Message message = heard.get_future().get();
  EXPECT_EQ(message.start, "GET /healthz?full=1 HTTP/1.1");
  EXPECT_EQ(message.field("host"), "10.1.2.3:" + port_of(*app));
  EXPECT_EQ(message.field("user-agent").substr(0, 11), "kube-probe/");
  EXPECT_EQ(message.field("accept"), "*/*");
  EXPECT_EQ(message.field("x-probe"), "1");
  EXPECT_EQ(message.field("connection"), "") << "that is between the two of them";
  asked.expect_counted(1, "success");
}

TEST(AppProbe, HasItsOwnNameForTheApplication) {
  std::promise<Message> first, second;
  std::atomic<int> nth{0};
  const auto app = Origin::answering([&](const Message& message) {
    (nth++ ? second : first).set_value(message);
    return ok("fine");
  });
  Asked asked({{"liveness", http_probe(*app, "host: elsewhere.test, headers: {User-Agent: mine, Accept: text/plain}")},
               {"readiness", http_probe(*app, "host: elsewhere.test, headers: {Host: shop.test}")}});
  EXPECT_EQ(asked.get().status(), 200) << "whatever the name, it is the application beside us";
  EXPECT_EQ(asked.get("readiness").status(), 200);
  const auto a = first.get_future().get(), b = second.get_future().get();
  EXPECT_EQ(a.field("host"), "elsewhere.test:" + port_of(*app));
  EXPECT_EQ(a.field("user-agent"), "mine");
  EXPECT_EQ(a.field("accept"), "text/plain");
  EXPECT_EQ(a.count("accept"), 1u);
  EXPECT_EQ(b.field("host"), "shop.test");
  EXPECT_EQ(b.count("host"), 1u);
}

TEST(AppProbe, PassesTheStatusOn) {
  std::atomic<int> status{200};
  const auto app = Origin::answering([&](const Message&) {
    return "HTTP/1.1 " + std::to_string(status) + " Word\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n";
  });
  Asked asked({{"liveness", http_probe(*app)}});
  for (const int each : {200, 202, 204, 302, 304, 400, 404, 429, 500, 503, 599}) {
    status = each;
    const auto answer = asked.get();
    EXPECT_EQ(answer.status(), each);
    EXPECT_EQ(answer.field("location"), "") << "it leads the kubelet nowhere";
    if (each >= 400) {
      EXPECT_EQ(answer.body.substr(0, 26), "web/liveness: status " + std::to_string(each) + ": ");
    }
  }
  asked.expect_counted(5, "success");
  asked.expect_counted(6, "status");
}

TEST(AppProbe, FollowsARedirectToItselfAlone) {
  std::atomic<int> others{0};
  const auto other = Origin::answering([&](const Message&) {
    ++others;
    return ok("other");
  });
  const auto app = Origin::answering([&](const Message& message) -> std::string {
    const auto to = [](const std::string& where) {
      return "HTTP/1.1 302 Found\r\nLocation: " + where + "\r\nContent-Length: 0\r\n\r\n";
    };
    const std::string path = message.start.substr(4, message.start.find(' ', 4) - 4);
    if (path == "/there") return "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n";
    if (path == "/") return to("here?x");
    if (path == "/here?x") return to("http://" + message.field("host") + "/there");
    if (path == "/circle") return to("/circle");
    return to("http://" + other->text() + "/");
  });
  Asked asked({{"liveness", http_probe(*app)},
               {"readiness", http_probe(*app, "path: /circle")},
               {"startup", http_probe(*app, "path: /elsewhere")}});
  EXPECT_EQ(asked.get().status(), 503);
  EXPECT_EQ(app->requests(), 3);
  const auto circle = asked.get("readiness");
  EXPECT_EQ(circle.status(), 503);
  EXPECT_NE(circle.body.find("redirected more than 10 times"), std::string::npos) << circle.body;
  EXPECT_EQ(app->requests(), 3 + 11);
  EXPECT_EQ(asked.get("startup").status(), 302) << "as the kubelet has it: what leads to somebody else is no failure";
  EXPECT_EQ(others, 0);
}

TEST(AppProbe, AsksOverTlsWhateverTheCertificate) {
  const Certificates certificates(Certificates::Wish{.names = {"nobody.test"}, .addresses = {"10.9.9.9"}});
  TlsServer server(certificates);
  const Origin app(server.behind([](Stream& connection) {
    if (connection.read_message()) connection.send(ok("fine"));
  }));
  const Origin plain([](Stream& connection) { connection.read_some(4096); });
  Asked asked({{"liveness", http_probe(app, "scheme: https")}, {"readiness", http_probe(plain, "scheme: https")}});
  EXPECT_EQ(asked.get().status(), 200);
  const auto answer = asked.get("readiness");
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.body.substr(0, 19), "web/readiness: tls_") << answer.body;
  asked.expect_counted(1, "tls", "readiness");
}

TEST(AppProbe, ByTcpConnectsAlone) {
  const Origin app([](Stream& connection) { connection.read_all(); });
  const auto absent = refusing_address();
  Asked asked({{"liveness", "{tcp: {port: " + port_of(app) + "}}"},
               {"readiness", "{tcp: {port: " + std::to_string(absent.port()) + "}}"}});
  EXPECT_EQ(asked.get().status(), 200);
  const auto refused = asked.get("readiness");
  EXPECT_EQ(refused.status(), 503);
  EXPECT_EQ(refused.body, "web/readiness: connection_refused: a connection to " + absent.text() + "\n");
  asked.expect_counted(1, "refused", "readiness");
}

TEST(AppProbe, ByGrpcCallsItsHealthService) {
  const auto endpoint = [](char status, const char* grpc_status, const std::string& service) {
    return std::make_unique<GrpcEndpoint>([=](H2Peer& peer) {
      const auto lines = peer.read_until("DATA 1 end");
      EXPECT_TRUE(has(lines, "[:path: /grpc.health.v1.Health/Check]")) << lines;
      EXPECT_TRUE(service.empty() || has(lines, "\x0a\x09" + service)) << lines;
      peer.send(grpc_head(1) + http::data(1, std::string{0, 0, 0, 0, 2, 8, status}) +
                http::headers(1, {{"grpc-status", grpc_status}}));
      peer.read_until("nothing more");
    });
  };
  const auto serving = endpoint(1, "0", "shop.Cart"), not_serving = endpoint(2, "0", ""), unknown = endpoint(1, "12", "");
  const auto web = Origin::answering("a web server");
  const auto probe = [](const Origin& origin, const std::string& service = "\"\"") {
    return "{grpc: {port: " + port_of(origin) + ", service: " + service + "}, timeout: 20s}";
  };
  Asked asked({{"liveness", probe(serving->origin, "shop.Cart")},
               {"readiness", probe(not_serving->origin)},
               {"startup", probe(unknown->origin)},
               {"pre_stop", probe(*web)}});
  EXPECT_EQ(asked.get().status(), 200);
  const auto answer = asked.get("readiness");
  EXPECT_EQ(answer.status(), 503);
  EXPECT_NE(answer.body.find("not serving"), std::string::npos) << answer.body;
  EXPECT_NE(asked.get("startup").body.find("grpc-status 12"), std::string::npos);
  EXPECT_EQ(asked.get("pre_stop").status(), 503);
  asked.expect_counted(1, "not_serving", "readiness");
}

TEST(AppProbe, HasATimeOfItsOwn) {
  const Origin silent([](Stream& connection) { connection.read_all(); });
  const Blackhole blackhole;
  const auto hole = net::Address::parse(blackhole.text());
  Asked asked({{"liveness", http_probe(silent, "", "30ms")},
               {"readiness", "{tcp: {port: " + std::to_string(hole->port()) + "}, timeout: 30ms}"}});
  EXPECT_EQ(asked.get().status(), 503);
  EXPECT_EQ(asked.get("readiness").body, "web/readiness: connect_timeout: a connection to " + hole->text() + "\n");
  asked.expect_counted(1, "timeout");
  asked.expect_counted(1, "timeout", "readiness");
}

TEST(AppProbe, NothingElseCanBeAsked) {
  const auto app = Origin::answering("fine");
  Asked asked({{"liveness", http_probe(*app)}});
  for (const std::string path : {"/probe/web/readiness", "/probe/other/liveness", "/probe/web", "/probe/web/liveness/..",
                                 "/probe/", "/probe/web/liveness%2f", "/probe/http:%2f%2f127.0.0.1:1/liveness"})
    EXPECT_EQ(asked.proxy->get(path, "health").status(), 404) << path;
  EXPECT_EQ(asked.proxy->get("/probe/web/liveness?host=127.0.0.1:1", "health").status(), 200) << "what is behind ? says nothing";
  EXPECT_EQ(request(asked.proxy->address("health"), "POST /probe/web/liveness HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                .status(),
            405);
  EXPECT_EQ(asked.proxy->get("/probe/web/liveness").status(), 404) << "at the health port alone";
}

// A flood of questions is no flood for the application.
TEST(AppProbe, IsAskedOneAtATime) {
  std::atomic<int> now{0}, most{0};
  const auto app = Origin::answering([&](const Message&) {
    const int here = ++now;
    for (int before = most; before < here && !most.compare_exchange_weak(before, here);) {}
    --now;
    return ok("fine");
  });
  Asked asked({{"liveness", http_probe(*app)}});
  std::vector<Stream> clients;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(asked.proxy->connect("health"));
    clients.back().send("GET /probe/web/liveness HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  for (auto& client : clients) {
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
  }
  EXPECT_EQ(most, 1);
  EXPECT_LE(app->requests(), 60);
  asked.expect_counted(app->requests(), "success");
}

TEST(AppProbe, IsNotAskedAnyMoreForSomebodyWhoHasLeft) {
  std::promise<void> asked_it, over;
  const Origin app([&](Stream& connection) {
    if (!connection.read_until("\r\n\r\n")) return;
    asked_it.set_value();
    EXPECT_TRUE(connection.at_end());
    over.set_value();
  });
  Asked asked({{"liveness", http_probe(app, "", "1h")}});
  Stream client = asked.proxy->connect("health");
  client.send("GET /probe/web/liveness HTTP/1.1\r\nHost: a\r\n\r\n");
  asked_it.get_future().wait();
  client.close();
  over.get_future().wait();
}

TEST(AppProbe, IsAnsweredWhileTheProxyDrains) {
  std::promise<void> go_on, came;
  const auto may_go_on = go_on.get_future().share();
  const Origin slow([&](Stream& connection) {
    if (!connection.read_message()) return;
    came.set_value();
    may_go_on.wait();
    connection.send(ok("late"));
  });
  const auto app = Origin::answering("fine");
  Proxy proxy(Proxy::edge({slow.text()}),
              {"admin.health=127.0.0.1:0", "lifecycle.drain.time=60s", "admin.probes.web.liveness=" + http_probe(*app)});
  Stream busy = proxy.connect();
  busy.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  came.get_future().wait();
  proxy.begin_end();
  while (proxy.get("/ready", "health").status() != 503) {}
  for (int i = 0; i < 3; ++i) EXPECT_EQ(proxy.get("/probe/web/liveness", "health").status(), 200);
  go_on.set_value();
  EXPECT_TRUE(busy.read_message());
  EXPECT_EQ(proxy.end(), 0);
}

}  // namespace
}  // namespace outrider::test
