// HTTPRoutes and GRPCRoutes, from their file to what a client sees.

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support/grpc.h"
#include "tests/support/origin.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

std::string http_route(const std::string& name, const std::string& spec) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " + name +
         "}\nspec: {parentRefs: [{name: edge}], " + spec + "}\n---\n";
}

std::string to(const std::string& backends) { return "backendRefs: [" + backends + "]"; }

// Says what it was asked: "web GET /path x-a=1".
std::unique_ptr<Origin> echo(const std::string& name) {
  return Origin::answering([name](const Message& asked) {
    std::string line = asked.start.substr(0, asked.start.rfind(' '));
    for (const char* header : {"host", "x-a", "x-outrider-mirror"})
      if (const auto value = asked.field(header); !value.empty()) line += std::string(" ") + header + "=" + value;
    return ok(name + " " + line);
  });
}

class GatewayApi : public testing::Test {
 protected:
  GatewayApi() {
    char name[] = "/tmp/outrider-gateway-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~GatewayApi() {
    proxy_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start(const std::string& routes, const std::string& clusters = "") {
    std::ofstream(folder_ + "/routes.yaml") << routes;
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nclusters:\n  web: {endpoints: [\"" +
            web_->text() + "\"]}\n  default/next: {endpoints: [\"" + next_->text() + "\"]}\n  shop/cart: {endpoints: [\"" +
            cart_->text() + "\"]}\n" + clusters + "routes_from: [{gateway_api: " + folder_ + "/routes.yaml}]\n",
        std::vector<std::string>{"config.guard=off"});
  }
  Message ask(const std::string& path, const std::string& host = "a.test", const std::string& more = "",
              const std::string& method = "GET") {
    return request(proxy_->address(),
                   method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "Connection: close\r\n\r\n");
  }
  std::string who(const std::string& path, const std::string& host = "a.test", const std::string& more = "") {
    const Message answer = ask(path, host, more);
    return answer.status() == 200 ? answer.body.substr(0, answer.body.find(' ')) : std::to_string(answer.status());
  }
  std::string folder_;
  std::unique_ptr<Origin> web_ = echo("web"), next_ = echo("next"), cart_ = echo("cart");
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(GatewayApi, RequestsAreLedByHostPathHeaderAndQuery) {
  start(http_route("simple",
                   "hostnames: [a.test, \"*.b.test\"], rules: [{matches: [{path: {value: /}}], " + to("{name: web, port: 80}") +
                       "}, {matches: [{path: {value: /next}}, {headers: [{name: version, value: two}]}], " +
                       to("{name: next, port: 80}") + "}, {matches: [{queryParams: [{name: v, value: \"2\"}], method: GET}], " +
                       to("{name: next, port: 80}") + "}]"));
  EXPECT_EQ(who("/"), "web");
  EXPECT_EQ(who("/next/a"), "next");
  EXPECT_EQ(who("/nextdoor"), "web");
  EXPECT_EQ(who("/", "x.y.b.test", "Version: two\r\n"), "next");
  EXPECT_EQ(who("/?v=2"), "next");
  EXPECT_EQ(who("/?v=3"), "web");
  EXPECT_EQ(who("/", "b.test"), "404");
  EXPECT_EQ(proxy_->metric("outrider_requests_total", "route=\"default/simple/1/0\""), 1);
}

TEST_F(GatewayApi, BackendsHaveTheirSharesAndWhatIsNotThereFailsItsOwn) {
  start(
      http_route("all", "rules: [{matches: [{path: {value: /split}}], " +
                            to("{name: web, port: 80, weight: 1}, {name: next, port: 80, weight: 1}") +
                            "}, {matches: [{path: {value: /gone}}], " + to("{name: gone, port: 80}") +
                            "}, {matches: [{path: {value: /half}}], " + to("{name: gone, port: 80}, {name: web, port: 80}") +
                            "}, {matches: [{path: {value: /cross}}], " + to("{name: cart, namespace: shop, port: 80}") +
                            "}, {matches: [{path: {value: /none}}], " + to("{name: web, port: 80, weight: 0}") + "}]") +
      "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: shop}\nspec: {from: [{group: "
      "gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: \"\", kind: Service}]}\n");
  std::map<std::string, int> split, half;
  for (int i = 0; i < 200; ++i) ++split[who("/split")], ++half[who("/half")];
  EXPECT_EQ(split.size(), 2u);
  EXPECT_GT(split["web"], 40);  // 100 are expected, and fewer are drawn once in 10^18
  EXPECT_GT(split["next"], 40);
  EXPECT_GT(half["web"], 40);
  EXPECT_GT(half["500"], 40);
  EXPECT_EQ(half["500"] + half["web"], 200);
  EXPECT_EQ(who("/gone"), "500");
  EXPECT_EQ(who("/none"), "500");
  EXPECT_EQ(who("/cross"), "cart");
}

TEST_F(GatewayApi, FiltersDoWhatTheySay) {
  const auto rule = [](const std::string& path, const std::string& filters, const std::string& more = "") {
    return "{matches: [{path: {value: " + path + "}}], filters: [" + filters + "]" + more + "}";
  };
  const std::string web = ", " + to("{name: web, port: 80}");
  start(http_route(
      "f",
      "rules: [" + rule("/redirect", "{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 308}}") + ", " +
          rule("/port", "{type: RequestRedirect, requestRedirect: {scheme: https, port: 8443}}") + ", " +
          rule(
              "/old",
              "{type: RequestRedirect, requestRedirect: {hostname: new.test, port: 80, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}") +
          ", " +
          rule("/v1",
               "{type: URLRewrite, urlRewrite: {hostname: inner.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}",
               web) +
          ", " +
          rule(
              "/set",
              "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: set}]}}, {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-b, value: added}]}}",
              web) +
          ", " + rule("/mirror", "{type: RequestMirror, requestMirror: {backendRef: {name: next, port: 80}}}", web) + ", " +
          rule("/cors", "{type: CORS, cors: {allowOrigins: [\"https://*.shop.test\"], allowMethods: [PUT]}}", web) +
          ", {matches: [{path: {value: /each}}], " +
          to("{name: web, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: own}]}}]}") +
          "}]"));
  EXPECT_EQ(ask("/redirect/x?q=1").status(), 308);
  EXPECT_EQ(ask("/redirect/x?q=1", "a.test:8080").field("location"), "https://a.test/redirect/x?q=1");
  EXPECT_EQ(ask("/port").field("location"), "https://a.test:8443/port");
  EXPECT_EQ(ask("/port").status(), 302);
  EXPECT_EQ(ask("/old/x", "a.test:8080").field("location"), "http://new.test/new/x");
  EXPECT_EQ(ask("/v1/x").body, "web GET /x host=inner.test");
  EXPECT_EQ(ask("/v1").body, "web GET / host=inner.test");
  const Message set = ask("/set");
  EXPECT_EQ(set.body, "web GET /set host=a.test x-a=set");
  EXPECT_EQ(set.field("x-b"), "added");
  EXPECT_EQ(ask("/each").body, "web GET /each host=a.test x-a=own");
  EXPECT_EQ(ask("/mirror").body, "web GET /mirror host=a.test");
  proxy_->expect_metric(1, "outrider_mirrored_total", "cluster=\"default/next\"");
  const Message preflight =
      ask("/cors", "a.test", "Origin: https://a.shop.test\r\nAccess-Control-Request-Method: PUT\r\n", "OPTIONS");
  EXPECT_EQ(preflight.status(), 204);
  EXPECT_EQ(preflight.field("access-control-allow-methods"), "PUT");
}

TEST_F(GatewayApi, CallsOfGrpcAreLedByServiceAndMethod) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  start(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: calls}\nspec: {parentRefs: [{name: edge}], rules: [{matches: [{method: {service: shop.Other}}, {headers: [{name: no, value: such}]}], " +
          to("{name: gone, port: 1}") + "}, {matches: [{method: {service: shop.Cart, method: Add}}], " +
          to("{name: calls, port: 80}") + "}]}\n---\n" + http_route("web", "rules: [{" + to("{name: web, port: 80}") + "}]"),
      "  calls: {endpoints: [\"" + endpoint.origin.text() + "\"]}\n");
  EXPECT_EQ(who("/shop.Cart/Add"), "web") << "no gRPC";
  H2Peer client(proxy_->address());
  client.send(grpc_call(1));
  const auto lines = client.read_until("[grpc-status: 0]");
  EXPECT_TRUE(has(lines, "[grpc-status: 0]")) << lines;
  proxy_->expect_metric(1, "outrider_grpc_responses_total", "route=\"grpc/default/calls/1\"");
}

// A process with files of its own.
class GatewayFiles : public testing::Test {
 protected:
  GatewayFiles() {
    char name[] = "/tmp/outrider-gateway-XXXXXX";
    folder_ = mkdtemp(name);
    std::filesystem::create_directory(folder_ + "/routes");
    put("outrider.yaml", config("/routes"));
  }
  ~GatewayFiles() {
    program_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string config(const std::string& routes, const std::string& more = "") const {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nconfig: {history: {dir: " + folder_ +
           "/history}, guard: off}\nlisteners: {edge: {address: \"unix:" + folder_ +
           "/edge.sock\"}}\nadmin: {address: \"unix:" + folder_ +
           "/admin.sock\", health: off}\ntelemetry: {metrics: off}\nroutes_from: [{gateway_api: " + folder_ + routes + "}]\n" +
           more;
  }
  void put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/next") << text;
    std::filesystem::rename(folder_ + "/next", folder_ + "/" + name);
  }
  // A route whose redirect says which version it is.
  static std::string says(const std::string& name, const std::string& path, const std::string& word) {
    return http_route(
        name, "rules: [{matches: [{path: {value: " + path +
                  "}}], filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /" +
                  word + "}}}]}]");
  }
  void start() {
    program_ = std::make_unique<Program>(std::vector<std::string>{"run", "-c", folder_ + "/outrider.yaml"}, folder_ + "/log");
  }
  std::string log() const {
    std::ifstream in(folder_ + "/log");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::optional<Message> ask(const std::string& socket, const std::string& path, const std::string& method = "GET") {
    const auto at = net::Address::parse("unix:" + folder_ + socket);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, at->raw(), at->length()) != 0) return ::close(fd), std::nullopt;
    Stream connection(fd);
    connection.send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return connection.read_message();
  }
  std::string word(const std::string& path) {
    const auto answer = ask("/edge.sock", path);
    if (!answer) return "nothing";
    const auto location = answer->field("location");
    return location.empty() ? std::to_string(answer->status()) : location.substr(location.rfind('/') + 1);
  }
  std::string page(const std::string& path) {
    const auto answer = ask("/admin.sock", path);
    return answer ? answer->body : std::string();
  }
  template <class Is>
  void expect_soon(const Is& is, const std::string& what) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(90);  // only a hang takes so long
    while (std::chrono::steady_clock::now() < end)
      if (is()) return;
      else std::this_thread::yield();
    FAIL() << "never " << what << "\n" << page("/ready") << log();
  }
  void expect_word(const std::string& path, const std::string& expected) {
    expect_soon([&] { return word(path) == expected; }, path + " is " + expected);
  }
  std::string folder_;
  std::unique_ptr<Program> program_;
};

TEST_F(GatewayFiles, AreServedWhenTheyChangeAllOrNothingAndComeBackWithTheirVersion) {
  put("routes/a.yaml", says("a", "/a", "one"));
  start();
  expect_word("/a", "one");
  put("routes/a.yaml", says("a", "/a", "two"));
  expect_word("/a", "two");
  put("routes/b.json", says("b", "/b", "new"));
  expect_word("/b", "new");
  // What is wrong in one file keeps back what is good in the other.
  put("routes/b.json", says("b", "/b", "broken").replace(0, 3, "abc"));
  const std::string wrong = folder_ + "/routes/b.json:1:1: error: HTTPRoute";
  expect_soon([&] { return page("/ready").find(wrong) != std::string::npos; }, wrong);
  EXPECT_EQ(word("/b"), "new");
  put("routes/b.json", says("b", "/b", "mended"));
  expect_word("/b", "mended");
  std::filesystem::remove(folder_ + "/routes/b.json");
  expect_word("/b", "404");
  EXPECT_EQ(word("/a"), "two");
  // Version 1 is what both files were then.
  const auto back = ask("/admin.sock", "/config/rollback?to=1", "POST");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->status(), 200) << back->body;
  expect_word("/a", "one");
  EXPECT_NE(page("/config/history?number=1").find("replaceFullPath: /one"), std::string::npos)
      << page("/config/history?number=1");
  EXPECT_NE(page("/config").find("# " + folder_ + "/routes/a.yaml:4"), std::string::npos) << page("/config");
  put("routes/a.yaml", says("a", "/a", "three"));
  expect_word("/a", "three");
  program_->signal(SIGINT);
  EXPECT_EQ(program_->wait(), 0) << log();
  // Started with files that are wrong: as the history has it.
  put("routes/a.yaml", "kind: [\n");
  start();
  expect_word("/a", "three");
  EXPECT_NE(page("/ready").find("is served, since"), std::string::npos) << page("/ready");
  put("routes/a.yaml", says("a", "/a", "four"));
  expect_word("/a", "four");
}

TEST_F(GatewayFiles, ThatTheConfigurationBeginsToNameAreLookedAtFromThenOn) {
  put("other.yaml", says("a", "/a", "other"));
  put("routes/a.yaml", says("a", "/a", "one"));
  start();
  expect_word("/a", "one");
  put("outrider.yaml", config("/other.yaml"));
  expect_word("/a", "other");
  put("other.yaml", says("a", "/a", "changed"));
  expect_word("/a", "changed");
  put("outrider.yaml", config("/missing.yaml"));
  expect_soon([&] { return page("/ready").find("missing.yaml cannot be read") != std::string::npos; }, "refused");
  put("missing.yaml", says("a", "/a", "found"));
  expect_word("/a", "found");
}

}  // namespace
}  // namespace outrider::test
