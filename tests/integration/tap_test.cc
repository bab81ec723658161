// Exchanges seen as they end (FEATURES row 113): the page /tap, the verb, the filter.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "identity/files.h"
#include "tests/support/grpc.h"
#include "tests/support/json.h"
#include "tests/support/mesh.h"
#include "tests/support/program.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

constexpr const char* kWatchers = "outrider_tap_watchers";
constexpr const char* kShown = "outrider_tap_exchanges_total";

// A reader of /tap. What ends once this is there is shown to it.
class Watcher {
 public:
  explicit Watcher(Proxy& proxy, const std::string& query = {}) : stream_(proxy.connect("admin")) {
    stream_.send("GET /tap?" + query + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
    head = stream_.read_until("\r\n\r\n").value_or("");
  }
  std::string line() {
    auto line = stream_.read_until("\n").value_or("");
    EXPECT_TRUE(line.empty() || is_json(line)) << line;
    return line;
  }
  std::string rest() { return stream_.read_all(); }
  void leave() { stream_.close(); }
  void leave_by_reset() { stream_.abort(); }
  void end_own_side() { stream_.finish_sending(); }
  std::string head;

 private:
  Stream stream_;
};

std::string get(const std::string& path, const std::string& fields = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: shop\r\n" + fields + "\r\n";
}

// "key":"value" of a line, or the number behind it.
std::string value_in(const std::string& line, const std::string& key) {
  const size_t at = line.find("\"" + key + "\":");
  if (at == line.npos) return {};
  size_t from = at + key.size() + 3;
  if (line[from] != '"') return line.substr(from, line.find_first_of(",}", from) - from);
  return line.substr(from + 1, line.find('"', from + 1) - from - 1);
}

class Tap : public testing::Test {
 protected:
  // One worker: what several show comes in no order.
  void start(const std::string& more = {}, const std::string& set = "overload.threads=1") {
    proxy_ = std::make_unique<Proxy>(Proxy::edge({origin_->text()}) + more, std::vector<std::string>{set});
  }
  void ask(const std::string& bytes, int status = 200) {
    EXPECT_EQ(request(proxy_->address(), bytes, bytes.starts_with("HEAD")).status(), status);
  }
  void expect_nobody() { proxy_->expect_metric(0, kWatchers); }

  std::unique_ptr<Origin> origin_ = Origin::answering([](const Message& message) {
    if (message.start.find("/missing") != std::string::npos)
      return std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return ok("hello", "Set-Cookie: sid=s3cret\r\nX-Mine: 1\r\n");
  });
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Tap, ARequestIsShownWithNothingConfigured) {
  start();
  Watcher watcher(*proxy_);
  EXPECT_TRUE(watcher.head.starts_with("HTTP/1.1 200 OK\r\n")) << watcher.head;
  EXPECT_NE(watcher.head.find("application/x-ndjson"), std::string::npos);
  ask("POST /cart?x=1 HTTP/1.1\r\nHost: shop\r\nX-Tap: 1\r\nUser-Agent: test\r\nContent-Length: 3\r\n\r\nabc");
  const std::string line = watcher.line();
  const std::pair<const char*, std::string> told[] = {{"method", "POST"},
                                                      {"host", "shop"},
                                                      {"path", "/cart?x=1"},
                                                      {"status", "200"},
                                                      {"flag", "none"},
                                                      {"cluster", "web"},
                                                      {"endpoint", origin_->text()},
                                                      {"tries", "1"},
                                                      {"direction", "edge"},
                                                      {"listener", "edge"},
                                                      {"local", proxy_->address().text()},
                                                      {"protocol", "HTTP/1.1"},
                                                      {"scheme", "http"},
                                                      {"request_bytes", "3"},
                                                      {"response_bytes", "5"}};
  for (const auto& [key, value] : told) EXPECT_EQ(value_in(line, key), value) << key << " in " << line;
  EXPECT_NE(value_in(line, "duration_ms"), "");
  EXPECT_NE(line.find("[\"X-Tap\",\"1\"]"), line.npos) << line;
  EXPECT_NE(line.find("[\"X-Mine\",\"1\"]"), line.npos) << line;
  EXPECT_EQ(line.find("tapped"), line.npos);
  EXPECT_EQ(proxy_->metric(kWatchers), 1);
  proxy_->expect_metric(1, kShown, "result=\"shown\"");
}

TEST_F(Tap, EveryWorkersExchangesAreShown) {
  start("", "overload.threads=3");
  Watcher watcher(*proxy_);
  for (int i = 0; i < 30; ++i) ask(get("/" + std::to_string(i)));
  std::set<std::string> seen;
  for (int i = 0; i < 30; ++i) seen.insert(value_in(watcher.line(), "path"));
  EXPECT_EQ(seen.size(), 30u);
}

TEST_F(Tap, OnlyWhatMatchesIsShown) {
  start();
  Watcher status(*proxy_, "status=4xx"), path(*proxy_, "method=GET&prefix=/cart&header=x-tap%3A1"),
      slow(*proxy_, "slower=1h&for=1h"), other(*proxy_, "cluster=other&host=shop");
  ask(get("/"));
  ask(get("/cart"));
  ask(get("/cartoon", "X-Tap: 1\r\n"));
  ask("HEAD /cart HTTP/1.1\r\nHost: shop\r\nX-Tap: 1\r\n\r\n");
  ask(get("/missing"), 404);
  ask(get("/cart/1", "X-Tap: 1\r\n"));
  EXPECT_EQ(value_in(status.line(), "path"), "/missing");
  EXPECT_EQ(value_in(path.line(), "path"), "/cart/1");
  EXPECT_EQ(proxy_->metric(kShown, "result=\"shown\""), 2) << "nothing for those that match nothing";
}

TEST_F(Tap, EndsAtItsLimitAndWhenItsTimeIsOver) {
  start();
  Watcher two(*proxy_, "limit=2"), brief(*proxy_, "for=1ms");
  EXPECT_EQ(brief.rest(), "{\"end\":\"duration\",\"shown\":0}\n");
  for (const char* path : {"/1", "/2", "/3"}) ask(get(path));
  EXPECT_EQ(value_in(two.line(), "path"), "/1");
  EXPECT_EQ(value_in(two.line(), "path"), "/2");
  EXPECT_EQ(two.rest(), "{\"end\":\"limit\",\"shown\":2}\n");
  expect_nobody();
}

TEST_F(Tap, OverHttp11ItIsChunkedAndTheConnectionServesOn) {
  start();
  Stream stream = proxy_->connect("admin");
  stream.send("HEAD /tap HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(stream.read_message(true)->status(), 200);
  expect_nobody();
  stream.send("GET /tap?for=1ms HTTP/1.1\r\nHost: localhost\r\n\r\n");
  auto answer = stream.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->whole);
  EXPECT_EQ(answer->field("transfer-encoding"), "chunked");
  EXPECT_EQ(answer->body, "{\"end\":\"duration\",\"shown\":0}\n");
  stream.send("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n");
  answer = stream.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
}

TEST_F(Tap, WhatFailsIsShownWithItsReason) {
  proxy_ = std::make_unique<Proxy>(Proxy::edge({refusing_address().text()}, "retry: {attempts: 0}"));
  Watcher watcher(*proxy_, "status=5xx");
  EXPECT_GE(request(proxy_->address(), get("/")).status(), 500);
  const auto line = watcher.line();
  EXPECT_EQ(value_in(line, "flag"), "connect_failure") << line;
  Stream malformed = proxy_->connect();
  Watcher bad(*proxy_, "flag=malformed");
  malformed.send("GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto refused = bad.line();
  EXPECT_EQ(value_in(refused, "status"), "400") << refused;
  for (const char c : refused) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << int(c);
}

TEST_F(Tap, SecretsAreHidden) {
  start();
  Watcher watcher(*proxy_);
  ask(get("/a?x=1&access_token=s3cret",
          "Authorization: Basic s3cret\r\nCookie: sid=s3cret\r\nX-Api-Key: s3cret\r\nX-Auth-Token: s3cret\r\n"
          "Proxy-Authorization: s3cret\r\nReferer: http://me:s3cret@a/?token=s3cret\r\nX-Open: fine\r\n"));
  const auto line = watcher.line();
  EXPECT_EQ(line.find("s3cret"), line.npos) << line;
  EXPECT_EQ(value_in(line, "path"), "/a?x=1&access_token=[hidden]");
  for (const char* shown :
       {"[\"Authorization\",\"[hidden]\"]", "[\"Cookie\",\"[hidden]\"]", "[\"X-Api-Key\",\"[hidden]\"]",
        "[\"Referer\",\"http://[hidden]@a/?token=[hidden]\"]", "[\"Set-Cookie\",\"[hidden]\"]", "[\"X-Open\",\"fine\"]"})
    EXPECT_NE(line.find(shown), line.npos) << shown << " in " << line;
}

TEST_F(Tap, ACallOfGrpcIsShownWithItsStatus) {
  CountingEndpoint endpoint;
  Proxy proxy(Proxy::edge({endpoint.endpoint.origin.text()}));
  Watcher watcher(proxy, "grpc_status=0&path=/shop.Cart/Add");
  H2Peer client(proxy.address());
  client.send(grpc_call(1));
  EXPECT_TRUE(client.reads("[grpc-status: 0]"));
  const auto line = watcher.line();
  EXPECT_EQ(value_in(line, "grpc_status"), "0") << line;
  EXPECT_EQ(value_in(line, "status"), "200");
  EXPECT_EQ(value_in(line, "protocol"), "HTTP/2");
  EXPECT_NE(line.find("[\"content-type\",\"application/grpc\"]"), line.npos) << line;
}

TEST_F(Tap, ATcpConnectionIsShownWhenItHasEnded) {
  Origin origin([](Stream& connection) {
    const auto said = connection.read_exactly(4);
    if (said) connection.send(*said + *said);
  });
  Proxy proxy(Proxy::edge({origin.text()}, "protocol: tcp", "protocol: tcp"));
  Watcher watcher(proxy), http_only(proxy, "method=GET&limit=1&for=1h");
  Stream client = proxy.connect();
  client.send("ping");
  EXPECT_EQ(client.read_all(), "pingping");
  client.close();
  const auto line = watcher.line();
  EXPECT_EQ(value_in(line, "protocol"), "tcp") << line;
  EXPECT_EQ(value_in(line, "request_bytes"), "4");
  EXPECT_EQ(value_in(line, "response_bytes"), "8");
  EXPECT_EQ(value_in(line, "endpoint"), origin.text());
  EXPECT_EQ(line.find("request_headers"), line.npos);
  EXPECT_EQ(proxy.metric(kShown, "result=\"shown\""), 1);
}

TEST_F(Tap, MoreThanAFewAreRefusedUntilOneLeaves) {
  start();
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 4; ++i) watchers.push_back(std::make_unique<Watcher>(*proxy_));
  EXPECT_EQ(proxy_->metric(kWatchers), 4);
  const auto refused = proxy_->get("/tap");
  EXPECT_EQ(refused.status(), 429);
  EXPECT_EQ(refused.body, "4 are watching already, and no more may: end one of them first.\n");
  watchers[0]->leave();
  proxy_->expect_metric(3, kWatchers);
  watchers[1]->leave_by_reset();
  proxy_->expect_metric(2, kWatchers);
  watchers[2]->end_own_side();
  EXPECT_EQ(watchers[2]->rest(), "");
  proxy_->expect_metric(1, kWatchers);
  Watcher another(*proxy_);
  EXPECT_TRUE(another.head.starts_with("HTTP/1.1 200 OK\r\n"));
  ask(get("/"));
  EXPECT_NE(another.line(), "");
  EXPECT_NE(watchers[3]->line(), "");
}

TEST_F(Tap, AReaderThatLeavesInTheMiddleIsForgotten) {
  start();
  for (int i = 0; i < 20; ++i) {
    Watcher watcher(*proxy_);
    Stream client = proxy_->connect();
    client.send(get("/a"));
    client.send(get("/b"));
    i % 2 ? watcher.leave() : watcher.leave_by_reset();
    EXPECT_EQ(client.read_message()->status(), 200);
    EXPECT_EQ(client.read_message()->status(), 200);
  }
  expect_nobody();
  expect_quiet(*proxy_);
  Watcher late(*proxy_);
  EXPECT_EQ(proxy_->end(), 0) << "somebody watches to the end";
}

// Of what came, all is either shown or told to be dropped.
TEST_F(Tap, ASlowReaderMissesSomeIsToldAndHoldsNobodyUp) {
  start();
  Watcher slow(*proxy_), quick(*proxy_, "prefix=/quick");
  Stream client = proxy_->connect();
  const std::string bytes = get("/", "X-Long: " + std::string(15'000, 'x') + "\r\n");
  uint64_t sent = 0;
  while (proxy_->metric(kShown, "result=\"dropped\"") == 0 && sent < 5000)
    for (int i = 0; i < 50; ++i, ++sent) {
      client.send(bytes);
      ASSERT_EQ(client.read_message()->status(), 200);
    }
  ask(get("/quick"));
  ++sent;
  EXPECT_EQ(value_in(quick.line(), "path"), "/quick") << "others are not held up either";
  uint64_t shown = 0, dropped = 0;
  while (shown + dropped < sent) {
    const auto line = slow.line();
    ASSERT_NE(line, "") << "after " << shown << " and " << dropped << " of " << sent;
    if (const auto count = value_in(line, "dropped"); !count.empty()) dropped += std::stoul(count);
    else ++shown;
  }
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(shown + dropped, sent);
  EXPECT_EQ(proxy_->metric(kShown, "result=\"dropped\""), double(dropped));
  ask(get("/again"));
  EXPECT_EQ(value_in(slow.line(), "path"), "/again") << "there is room again";
}

TEST_F(Tap, WhatMakesNoSenseOrComesFromElsewhereIsRefused) {
  start();
  const std::pair<const char*, const char*> wrong[] = {
      {"status=high", "status: expected a status like 404, 5xx or 400-403, got \"high\"\n"},
      {"limit=0", "limit: expected a number, got \"0\"\n"},
      {"for=2d", "for: expected a duration of at most 24h, like 30s, got \"2d\"\n"},
  };
  for (const auto& [query, why] : wrong) {
    const auto answer = proxy_->get(std::string("/tap?") + query);
    EXPECT_EQ(answer.status(), 400);
    EXPECT_EQ(answer.body, why);
  }
  for (const char* field : {"X-Forwarded-For: 192.0.2.1", "Origin: http://evil.example", "Forwarded: for=192.0.2.1"})
    EXPECT_EQ(
        request(proxy_->address("admin"), std::string("GET /tap HTTP/1.1\r\nHost: localhost\r\n") + field + "\r\n\r\n").status(),
        403);
  EXPECT_EQ(request(proxy_->address("admin"), "POST /tap HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").status(),
            405);
  expect_nobody();
}

TEST_F(Tap, TheFilterPicksAndShowsTheRequestAsItWasThere) {
  start(
      "filters: {edge: [{tap: {match: {header: {x-tap: \"1\"}, status: [200, 5xx]}}}, {headers: {request: {remove: [x-gone], set: "
      "{x-new: a}}}}]}\n");
  Watcher picked(*proxy_, "tapped"), all(*proxy_);
  ask(get("/plain", "X-Gone: 1\r\n"));
  ask(get("/missing", "X-Gone: 1\r\nX-Tap: 1\r\n"), 404);
  ask(get("/tapped", "X-Gone: 1\r\nX-Tap: 1\r\n"));
  const auto line = picked.line();
  EXPECT_EQ(value_in(line, "path"), "/tapped");
  EXPECT_EQ(value_in(line, "tapped"), "true");
  EXPECT_NE(line.find("[\"X-Gone\",\"1\"]"), line.npos) << line;
  EXPECT_EQ(line.find("x-new"), line.npos) << line;
  const auto plain = all.line();
  EXPECT_EQ(value_in(plain, "path"), "/plain");
  EXPECT_EQ(plain.find("X-Gone"), plain.npos) << "others are shown as they went on: " << plain;
  EXPECT_NE(plain.find("x-new"), plain.npos);
  EXPECT_EQ(value_in(all.line(), "path"), "/missing");
  EXPECT_EQ(all.line(), line);
}

TEST_F(Tap, TheFilterPicksSoManyASecondAndNoMore) {
  start("filters: {edge: [{tap: {max: 1}}]}\n");
  Watcher picked(*proxy_, "tapped"), all(*proxy_, "limit=200");
  Stream client = proxy_->connect();
  for (int i = 0; i < 200; ++i) {
    client.send(get("/"));
    ASSERT_EQ(client.read_message()->status(), 200);
  }
  int tapped = 0;
  for (int i = 0; i < 200; ++i) tapped += value_in(all.line(), "tapped") == "true";
  EXPECT_GE(tapped, 1);
  EXPECT_GT(proxy_->metric(kShown, "result=\"limited\""), 0);
  EXPECT_EQ(proxy_->metric(kShown, "result=\"limited\""), 200 - tapped);
  for (int i = 0; i < tapped; ++i) EXPECT_NE(picked.line(), "");
}

// --- the verb ----------------------------------------------------------------------------------------------------------

class TapVerb : public Tap {
 protected:
  // Runs it until it ends by itself, and asks in between, once it watches.
  template <class F>
  std::string run(std::vector<std::string> words, F requests, int code = 0) {
    words.insert(words.begin(), "tap");
    words.insert(words.end(), {"--admin", proxy_->address("admin").text()});
    Program program(words, folder_.path("out"));
    proxy_->expect_metric(1, kWatchers);
    requests();
    EXPECT_EQ(program.wait(), code);
    expect_nobody();
    return identity::contents(folder_.path("out"));
  }
  identity::TemporaryFolder folder_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::string_view rest = text; !rest.empty();) lines.emplace_back(next_part(rest, '\n'));
  return lines;
}

TEST_F(TapVerb, PrintsRowsThatLineUp) {
  start();
  const auto out = run({"GET", "/cart", "status=2xx,404", "--limit", "2"}, [&] {
    ask(get("/other"));
    ask("POST /cart HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n");
    ask(get("/cart/1"));
    ask(get("/cart/missing?token=s3cret"), 404);
  });
  const auto lines = lines_of(out);
  ASSERT_EQ(lines.size(), 3u) << out;
  const size_t at = lines[0].find("REQUEST");
  EXPECT_TRUE(lines[0].starts_with("TIME          METHOD   STATUS      TOOK")) << out;
  EXPECT_EQ(lines[1].substr(at), "shop/cart/1");
  EXPECT_EQ(lines[2].substr(at), "shop/cart/missing?token=[hidden]");
  EXPECT_EQ(lines[1].substr(lines[0].find("STATUS"), 3), "200");
  EXPECT_EQ(lines[2].substr(lines[0].find("STATUS"), 3), "404");
  EXPECT_EQ(lines[1].find(origin_->text()), lines[0].find("ENDPOINT")) << out;
  EXPECT_EQ(out.find('\033'), out.npos) << "no colour but in a terminal";
}

TEST_F(TapVerb, PrintsJsonAsItComes) {
  start();
  const auto out = run({"--json", "--limit=1"}, [&] { ask(get("/cart", "X-Tap: \xff\xc2\x9b\r\n")); });
  const auto lines = lines_of(out);
  ASSERT_EQ(lines.size(), 2u) << out;
  for (const auto& line : lines) EXPECT_TRUE(is_json(line)) << line;
  EXPECT_EQ(value_in(lines[0], "path"), "/cart");
  EXPECT_EQ(lines[1], "{\"end\":\"limit\",\"shown\":1}");
  EXPECT_EQ(out.find("\xc2\x9b"), out.npos) << "a control of some terminals";
}

// By the real curl: what the endpoint gets is the same again.
TEST_F(TapVerb, PrintsACommandThatRepeatsTheRequest) {
  if (std::system("command -v curl >/dev/null") != 0) GTEST_SKIP() << "there is no curl";
  std::mutex mutex;
  std::vector<Message> seen;
  origin_ = Origin::answering([&](const Message& message) {
    const std::lock_guard lock(mutex);
    seen.push_back(message);
    return ok("again");
  });
  start();
  const std::string hostile = "'$(touch " + folder_.path("pwned") + ")`\"\\; a\t\xc3\xa4";
  const auto command = run({"--curl", "--limit", "1"}, [&] {
    ask("DELETE /cart/[1]?x='%20&y=$HOME HTTP/1.1\r\nHost: shop.test\r\nX-Hostile: " + hostile +
        "\r\nAuthorization: Basic s3cret\r\nX-Request-Id: 1\r\nX-Empty:\r\n\r\n");
  });
  EXPECT_EQ(command.find("s3cret"), command.npos);
  EXPECT_NE(command.find("# left out because they are hidden: Authorization\n"), command.npos) << command;
  std::ofstream(folder_.path("command")) << command;
  EXPECT_EQ(
      std::system(("no_proxy='*' sh " + folder_.path("command") + " -s >" + folder_.path("answer") + " 2>/dev/null").c_str()), 0)
      << command;
  EXPECT_EQ(identity::contents(folder_.path("answer")), "again");
  EXPECT_FALSE(std::filesystem::exists(folder_.path("pwned")));
  const std::lock_guard lock(mutex);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].start, seen[0].start);
  for (const char* name : {"host", "x-hostile", "x-empty", "accept", "user-agent"}) {
    EXPECT_EQ(seen[1].field(name), seen[0].field(name)) << name;
    EXPECT_EQ(seen[1].count(name), seen[0].count(name)) << name;
  }
  EXPECT_EQ(seen[0].field("x-hostile"), hostile);
}

TEST_F(TapVerb, SaysWhatIsWrong) {
  start();
  const auto said = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "tap");
    words.insert(words.end(), {"--admin", proxy_->address("admin").text()});
    Program program(words, folder_.path("out"));
    EXPECT_NE(program.wait(), 0);
    const auto out = identity::contents(folder_.path("out"));
    const size_t at = out.find("outrider tap: ");
    return at == out.npos ? out : out.substr(at + 14, out.find('\n', at) - at - 14);
  };
  EXPECT_EQ(said({"cart"}), "\"cart\" is neither a METHOD, a /PATH nor KEY=VALUE");
  EXPECT_EQ(said({"status=high"}), "status: expected a status like 404, 5xx or 400-403, got \"high\"");
  EXPECT_TRUE(said({"colour=red"}).starts_with("\"colour\" is nothing to match by; there are: method, "));
  EXPECT_EQ(said({"--json", "--curl"}), "--json or --curl, not both");
  EXPECT_EQ(said({"--for", "2d"}), "for: expected a duration of at most 24h, like 30s, got \"2d\"");
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 4; ++i) watchers.push_back(std::make_unique<Watcher>(*proxy_));
  EXPECT_EQ(said({}), "4 are watching already, and no more may: end one of them first.");
}

TEST_F(TapVerb, SaysThatTheProxyHasEnded) {
  start();
  Program program({"tap", "--admin", proxy_->address("admin").text()}, folder_.path("out"));
  proxy_->expect_metric(1, kWatchers);
  EXPECT_EQ(proxy_->end(), 0);
  EXPECT_EQ(program.wait(), 2);
  EXPECT_NE(identity::contents(folder_.path("out")).find("outrider tap: the proxy has ended, or closed the connection\n"),
            std::string::npos);
}

// --- who calls whom ------------------------------------------------------------------------------------------------------

TEST_F(Mesh, TapShowsWhoIsAtTheOtherEnd) {
  const auto origin = app("shop");
  auto shop = sidecar("shop", *origin);
  seed = registry_of(*shop);
  auto web = caller();
  until_served_by(*web, {"shop"});
  Watcher inbound(*shop, "peer=default/web"), outbound(*web, "peer=default/shop"), nobody(*shop, "peer=default/shop");
  EXPECT_EQ(request(web->address("outbound"), kAsk).status(), 200);
  const auto in = inbound.line(), out = outbound.line();
  EXPECT_EQ(value_in(in, "peer"), "spiffe://mesh.local/ns/default/sa/web") << in;
  EXPECT_EQ(value_in(in, "direction"), "inbound");
  EXPECT_EQ(value_in(out, "endpoint_peer"), "spiffe://mesh.local/ns/default/sa/shop") << out;
  EXPECT_EQ(value_in(out, "direction"), "outbound");
}

}  // namespace
}  // namespace outrider::test
