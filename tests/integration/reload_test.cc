// A configuration in place of another: what is kept, what is refused, and what is taken back.

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "tests/support/origin.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";

std::string with(const std::string& rules, const std::string& clusters = {},
                 const std::string& listeners = "edge: {address: \"127.0.0.1:0\"}", const std::string& more = {}) {
  return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {" + listeners + "}\nroutes: {edge: [" + rules +
         "]}\nclusters: {" + clusters + "}\n" + more;
}

std::string says(const std::string& body) { return "{respond: {status: 200, body: " + body + "}}"; }

std::string cluster(const std::string& name, const std::string& endpoint, const std::string& more = {}) {
  return name + ": {endpoints: [\"" + endpoint + "\"]" + (more.empty() ? "" : ", " + more) + "}";
}

class Reload : public testing::Test {
 protected:
  void start(const std::string& yaml) {
    proxy_ = std::make_unique<Proxy>(yaml, std::vector<std::string>{"config.guard=off", "overload.threads=2"});
  }
  Message post(const std::string& path, const std::string& body = {}) {
    return request(proxy_->address("admin"), "POST " + path +
                                                 " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                                                 std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void apply(const std::string& yaml) {
    const Message answer = post("/config?json", yaml);
    ASSERT_EQ(answer.status(), 200) << answer.body;
    ASSERT_NE(answer.body.find("\"applied\""), std::string::npos) << answer.body;
  }
  std::string get(Stream& connection) {
    connection.send(kGet);
    const auto answer = connection.read_message();
    return answer ? std::to_string(answer->status()) + " " + answer->body : "nothing";
  }
  // Workers swap when they get to it: asked until it is so, on connections of its own.
  void expect_soon(const std::string& body, const std::string& listener = "edge") {
    for (int i = 0; i < 2000; ++i) {
      Stream connection = Stream::connect(proxy_->address(listener));
      if (get(connection) == "200 " + body) return;
    }
    FAIL() << "never " << body;
  }
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Reload, OpenConnectionsGoByTheNewRules) {
  start(with(says("one")));
  std::vector<Stream> open;
  for (int i = 0; i < 8; ++i) {
    open.push_back(proxy_->connect());
    EXPECT_EQ(get(open.back()), "200 one");
  }
  apply(with(says("two")));
  expect_soon("two");
  for (int i = 0; i < 2000; ++i)  // of the worker that swaps last
    if (get(open[size_t(i) % 8]) == "200 two" && i % 8 == 7) break;
  for (auto& each : open) EXPECT_EQ(get(each), "200 two");
  EXPECT_EQ(proxy_->metric("outrider_config_reloads_total", "result=\"success\""), 1);
  EXPECT_EQ(proxy_->metric("outrider_config_last_reload_success"), 1);
  EXPECT_EQ(proxy_->metric("outrider_config_info", "version=\"2\""), 1);
}

TEST_F(Reload, ARequestThatRunsEndsAsItBegan) {
  std::promise<void> arrived, answer;
  Origin slow([&](Stream& connection) {
    if (!connection.read_message()) return;
    arrived.set_value();
    answer.get_future().wait();
    connection.send(ok("old"));
  });
  start(with("{cluster: web}", cluster("web", slow.text())));
  Stream client = proxy_->connect();
  client.send(kGet);
  arrived.get_future().wait();
  apply(with(says("new")));
  expect_soon("new");
  answer.set_value();
  const auto old = client.read_message();
  ASSERT_TRUE(old);
  EXPECT_EQ(old->body, "old");
  EXPECT_EQ(get(client), "200 new") << "on the same connection";
}

TEST_F(Reload, WhatIsWrongIsRefusedByItsLineAndChangesNothing) {
  start(with(says("one")));
  const Message wrong =
      post("/config",
           "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
           "routes: {edge: [{cluster: web}]}\nclusters:\n  web: {endpoints: [\"127.0.0.1:1\"], timeout: 250}\n");
  EXPECT_EQ(wrong.status(), 400);
  EXPECT_NE(wrong.body.find("test.yaml:7:"), std::string::npos) << wrong.body;
  EXPECT_NE(wrong.body.find("clusters.web.timeout: expected a duration"), std::string::npos) << wrong.body;
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 one");
  EXPECT_EQ(proxy_->metric("outrider_config_reloads_total", "result=\"failure\""), 1);
  EXPECT_EQ(proxy_->metric("outrider_config_last_reload_success"), 0);
  EXPECT_EQ(proxy_->metric("outrider_config_info", "version=\"1\""), 1);
}

TEST_F(Reload, WhatNeedsARestartIsRefusedByName) {
  start(with(says("one")));
  const Message refused = post("/config", with(says("two"), "", "edge: {address: \"127.0.0.1:0\"}", "node: {zone: b}\n"));
  EXPECT_EQ(refused.status(), 400);
  EXPECT_NE(refused.body.find("node.zone is read when the process starts"), std::string::npos) << refused.body;
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 one");
}

TEST_F(Reload, TheSameAgainIsNoNewVersion) {
  start(with(says("one")));
  const Message same = post("/config?json", with(says("one")) + "# nothing else\n");
  EXPECT_EQ(same.status(), 200);
  EXPECT_NE(same.body.find("\"unchanged\""), std::string::npos) << same.body;
}

TEST_F(Reload, AnAddressThatCannotBeHadIsRefusedAndTheOthersStayShut) {
  start(with(says("one")));
  Origin somebody([](Stream&) {});
  const Message refused =
      post("/config",
           "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}, free: "
           "{address: \"127.0.0.3:0\"}, other: {address: \"" +
               somebody.text() + "\"}}\nroutes: {edge: [" + says("two") + "], free: [" + says("free") + "], other: [" +
               says("other") + "]}\n");
  EXPECT_EQ(refused.status(), 400);
  EXPECT_NE(refused.body.find("cannot listen on"), std::string::npos) << refused.body;
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 one");
}

TEST_F(Reload, ListenersComeAndGoAndConnectionsOfThoseThatGoAreSentAway) {
  start(with(says("one")));
  Stream old = proxy_->connect();
  EXPECT_EQ(get(old), "200 one");
  const net::Address gone = proxy_->address("edge");
  const std::string yaml =
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {next: {address: \"127.0.0.2:0\"}}\nroutes: {next: [" +
      says("next") + "]}\n";
  apply(yaml);
  expect_soon("next", "next");
  EXPECT_TRUE(old.at_end()) << "it waited for nothing";
  for (int i = 0; i < 2000; ++i) {  // until both workers have shut it
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const bool refused = ::connect(fd, gone.raw(), gone.length()) != 0;
    ::close(fd);
    if (refused) return;
  }
  FAIL() << "the old address still answers";
}

TEST_F(Reload, AListenerKeepsItsSocketUnderAnotherName) {
  char folder[] = "/tmp/outrider-reload-XXXXXX";
  const std::string path = std::string(mkdtemp(folder)) + "/sock";
  const auto yaml = [&](const std::string& name) {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {" + name + ": {address: \"unix:" + path +
           "\"}}\nroutes: {" + name + ": [" + says(name) + "]}\n";
  };
  struct stat before {
  }, after{};
  start(yaml("edge"));
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  apply(yaml("front"));
  expect_soon("front", "front");
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  proxy_.reset();
  std::filesystem::remove_all(folder);
}

// Two that want any free port each have their own.
TEST_F(Reload, FreePortsStayWithTheirListeners) {
  const auto yaml = [](const std::string& more) {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {a: {address: \"127.0.0.1:0\"}, b: {address: \"127.0.0.1:0\"}}\nroutes: {a: [" +
           says("a" + more) + "], b: [" + says("b" + more) + "]}\n";
  };
  start(yaml(""));
  const std::string a = proxy_->address("a").text(), b = proxy_->address("b").text();
  apply(yaml("2"));
  expect_soon("a2", "a");
  expect_soon("b2", "b");
  EXPECT_EQ(proxy_->address("a").text(), a);
  EXPECT_EQ(proxy_->address("b").text(), b);
}

TEST_F(Reload, AClusterThatIsAsItWasKeepsItsConnectionsAndWhatItKnows) {
  const auto origin = Origin::answering("web");
  start(with("{cluster: web}", cluster("web", origin->text())));
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 web");
  apply(with("{match: {path: /x}, respond: {status: 404}}, {cluster: web}",
             cluster("web", origin->text()) + ", " + cluster("other", "127.0.0.1:1")));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get(client), "200 web");
  EXPECT_EQ(origin->connections(), 1) << "the pool is the same";
}

TEST_F(Reload, AClusterThatChangedIsAnotherAndNobodyWaits) {
  const auto before = Origin::answering("before"), after = Origin::answering("after");
  start(with("{cluster: web}", cluster("web", before->text())));
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 before");
  apply(with("{cluster: web}", cluster("web", after->text(), "lb: random")));
  for (int i = 0; i < 2000 && get(client) != "200 after"; ++i) {}
  EXPECT_EQ(get(client), "200 after");
  apply(with("{cluster: web}", cluster("web", after->text(), "timeout: 3s")));  // the same endpoints under another plan
  for (int i = 0; i < 200; ++i) ASSERT_EQ(get(client), "200 after");
}

TEST_F(Reload, AFileOfEndpointsInPlaceOfTheConfigurationsAndBack) {
  const auto one = Origin::answering("one"), two = Origin::answering("two");
  char name[] = "/tmp/outrider-endpoints-XXXXXX";
  const int fd = mkstemp(name);
  ::close(fd);
  std::ofstream(name) << "[\"" + two->text() + "\"]\n";
  start(with("{cluster: web}", cluster("web", one->text())));
  expect_soon("one");
  apply(with("{cluster: web}", std::string("web: {endpoints_file: ") + name + "}"));
  expect_soon("two");
  apply(with("{cluster: web}", cluster("web", one->text())));
  expect_soon("one");
  apply(with("{cluster: other}", cluster("other", two->text())));
  expect_soon("two");
  EXPECT_EQ(proxy_->get("/clusters?cluster=web").status(), 404);
  std::filesystem::remove(name);
}

TEST_F(Reload, ARateLimitRemembersWhoHasSpentIt) {
  const std::string limit = "{rate_limit: {rate: 1/m, burst: 1}}";
  start(with("{respond: {status: 200, body: one}, filters: [" + limit + "]}"));
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 one");
  apply(with("{match: {path: /x}, respond: {status: 404}}, {respond: {status: 200, body: two}, filters: [" + limit + "]}"));
  Stream other = proxy_->connect();
  std::string status;
  for (int i = 0; i < 100; ++i) status = get(other).substr(0, 3);
  EXPECT_EQ(status, "429") << "at another place in the configuration, too";
}

TEST_F(Reload, TheAccessLogIsAnotherToo) {
  char name[] = "/tmp/outrider-log-XXXXXX";
  ::close(mkstemp(name));
  const std::string rules = "{match: {path: /bad}, respond: {status: 500}}, {respond: {status: 200, body: one}}";
  start(with(rules));
  Stream client = proxy_->connect();
  EXPECT_EQ(get(client), "200 one");
  apply(with(rules, "", "edge: {address: \"127.0.0.1:0\"}",
             std::string("telemetry: {access_log: {format: json, to: ") + name +
                 ", when: {status: 5xx}, fields: {team: header.x-team, env: =prod}}}\n"));
  for (int i = 0; i < 2000 && std::filesystem::file_size(name) == 0; ++i) {
    Stream each = proxy_->connect();
    each.send("GET /bad HTTP/1.1\r\nHost: web\r\nX-Team: shop\r\n\r\n");
    ASSERT_TRUE(each.read_message());
    EXPECT_EQ(get(each), "200 one");
  }
  EXPECT_EQ(proxy_->end(), 0);
  std::ifstream in(name);
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    EXPECT_NE(line.find("\"status\":500"), std::string::npos) << line;
    EXPECT_NE(line.find("\"team\":\"shop\",\"env\":\"prod\"}"), std::string::npos) << line;
  }
  EXPECT_GT(count, 0);
  std::filesystem::remove(name);
}

TEST_F(Reload, RollingBackServesAnEarlierVersion) {
  start(with(says("one")));
  apply(with(says("two")));
  apply(with(says("three")));
  expect_soon("three");
  const Message back = post("/config/rollback");
  EXPECT_EQ(back.status(), 200) << back.body;
  expect_soon("two");
  EXPECT_EQ(post("/config/rollback?to=1").status(), 200);
  expect_soon("one");
  EXPECT_EQ(post("/config/rollback?to=99").status(), 400);
  const Message history = proxy_->get("/config/history");
  for (const char* text : {"\"number\": 5", "rollback to 1", "POST /config"})
    EXPECT_NE(history.body.find(text), std::string::npos) << text << history.body;
  EXPECT_EQ(proxy_->get("/config/history?number=2").body, with(says("two")));
  EXPECT_EQ(proxy_->metric("outrider_config_rollbacks_total"), 2);
  EXPECT_NE(proxy_->get("/ready").body.find("configuration"), std::string::npos) << "the file says something else";
}

TEST(Guarded, AChangeThatBreaksThingsIsTakenBack) {
  const auto origin = Origin::answering("good");
  Proxy proxy(with("{cluster: web}", cluster("web", origin->text())), {"config.guard.for=30s"});
  Stream client = proxy.connect();
  const auto status = [&] {
    client.send(kGet);
    const auto answer = client.read_message();
    return answer ? answer->status() : 0;
  };
  for (int i = 0; i < 200; ++i) ASSERT_EQ(status(), 200);
  const std::string bad = with("{cluster: web}", cluster("web", refusing_address().text()));
  const Message applied =
      request(proxy.address("admin"), "POST /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                                          std::to_string(bad.size()) + "\r\n\r\n" + bad);
  ASSERT_EQ(applied.status(), 200) << applied.body;
  int failed = 0, good = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(25);
  while (good < 50 && std::chrono::steady_clock::now() < end) {
    if (status() == 200) failed ? ++good : 0;
    else ++failed, good = 0;
  }
  EXPECT_GT(failed, 2);
  EXPECT_EQ(good, 50) << "before the window was over";
  EXPECT_EQ(proxy.metric("outrider_config_rollbacks_total"), 1);
  const std::string history = proxy.get("/config/history").body;
  EXPECT_NE(history.find("rolled back: "), std::string::npos) << history;
  EXPECT_NE(history.find("\"guard\""), std::string::npos) << history;
  EXPECT_NE(proxy.get("/ready").body.find("was rolled back"), std::string::npos);
}

// A process with a file.
class ReloadedFile : public testing::Test {
 protected:
  ReloadedFile() {
    char name[] = "/tmp/outrider-reload-XXXXXX";
    folder_ = mkdtemp(name);
    socket_ = folder_ + "/edge.sock";
  }
  ~ReloadedFile() {
    program_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string yaml(const std::string& body) const {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nconfig: {history: {dir: " + folder_ +
           "/history}, guard: off}\nlisteners: {edge: {address: \"unix:" + socket_ + "\"}}\nadmin: {address: \"unix:" + folder_ +
           "/admin.sock\", health: off}\ntelemetry: {metrics: off}\nroutes: {edge: [" + says(body) + "]}\n";
  }
  void write(const std::string& text) {
    std::ofstream(folder_ + "/next.yaml") << text;
    std::filesystem::rename(folder_ + "/next.yaml", folder_ + "/outrider.yaml");
  }
  void start() {
    program_ = std::make_unique<Program>(std::vector<std::string>{"run", "-c", folder_ + "/outrider.yaml"}, folder_ + "/log");
  }
  void start_up() {  // with everything there is, signals too: pages answer once that is so
    start();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!ready().starts_with("ready") && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }
  void stop() {
    program_->signal(SIGINT);
    EXPECT_EQ(program_->wait(), 0) << log();
    program_.reset();
  }
  std::string log() const {
    std::ifstream in(folder_ + "/log");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string ask(const std::string& socket, const std::string& path) {
    const auto at = net::Address::parse("unix:" + socket);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, at->raw(), at->length()) != 0) return ::close(fd), std::string();
    Stream connection(fd);
    connection.send("GET " + path + " HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
    const auto answer = connection.read_message();
    return answer ? answer->body : std::string();
  }
  void expect_soon(const std::string& body) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::string last;
    while (std::chrono::steady_clock::now() < end)
      if ((last = ask(socket_, "/")) == body) return;
      else std::this_thread::yield();
    FAIL() << "never " << body << ", but " << last << "\n" << log();
  }
  std::string ready() { return ask(folder_ + "/admin.sock", "/ready"); }
  std::string folder_, socket_;
  std::unique_ptr<Program> program_;
};

TEST_F(ReloadedFile, IsServedWhenItChangesAndAtSighup) {
  write(yaml("one"));
  start_up();
  expect_soon("one");
  write(yaml("two"));
  expect_soon("two");
  write(yaml("three"));
  program_->signal(SIGHUP);
  expect_soon("three");
  write("version: 1\nroutes: [\n");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (ready().find("refused") == std::string::npos && std::chrono::steady_clock::now() < end) {}
  EXPECT_NE(ready().find("the file's is refused"), std::string::npos) << ready();
  expect_soon("three");
  write(yaml("four"));
  expect_soon("four");
  EXPECT_EQ(ready().find("configuration"), std::string::npos) << "mended: nothing to say";
  stop();
}

TEST_F(ReloadedFile, AStartWithABadFileServesTheLastGoodVersionAndSaysSo) {
  write("version: 1\nroutes: [\n");
  start();
  EXPECT_EQ(program_->wait(), 2) << "there is none yet";
  write(yaml("one"));
  start_up();
  expect_soon("one");
  stop();
  // The file does not even say where the history is, so that the environment has to.
  write("version: 1\nconfig: {history: {dir: " + folder_ + "/history}}\nnonsense: true\n");
  start_up();
  expect_soon("one");
  EXPECT_NE(ready().find("version 1 is served, since"), std::string::npos) << ready();
  EXPECT_NE(ready().find("nonsense"), std::string::npos) << ready();
  write(yaml("two"));
  expect_soon("two");
  stop();
}

}  // namespace
}  // namespace outrider::test
