// Another process takes the place of a running proxy: nobody who is connected, connects or looks it up notices; and where it does
// not come up to that, nothing has happened. With processes of the built program.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "tests/support/mesh.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

class Successor : public Mesh {
 protected:
  ~Successor() {
    for (const pid_t each : processes_) ::kill(each, SIGKILL);
  }

  std::string config(const std::string& more = {}) {
    return "version: 1\nmode: edge\nregistry: {kind: none}\noverload: {threads: 2}\n"
           "lifecycle: {drain: {delay: 0}}\nadmin: {address: \"unix:" +
           admin_of("edge") +
           "\", health: off}\n"
           "telemetry: {metrics: {address: \"127.0.0.1:0\"}}\n"
           "listeners: {edge: {address: \"127.0.0.1:0\"" +
           more + "}, file: {address: \"unix:" + folder.path("socket") +
           "\"}}\n"
           "routes: {edge: [{cluster: web}], file: [{cluster: web}]}\nclusters: {web: {endpoints: [\"" +
           origin->text() + "\"]}}\n";
  }
  std::unique_ptr<Program> edge(const std::string& listener = {}, const std::vector<std::string>& set = {}) {
    folder.write("edge.yaml", config(listener));
    // Without a history there is no last good version that a bad one could be left for.
    std::vector<std::string> words{"run", "-c", folder.path("edge.yaml"), "--set", "config.history=off"};
    for (const auto& each : set) words.insert(words.end(), {"--set", each});
    auto program = std::make_unique<Program>(words, folder.path("edge.log"));
    until("the proxy", [&] { return page("edge", "/ready").starts_with("ready"); });
    return program;
  }
  // Empty where nobody answers.
  std::string page(const std::string& name, const std::string& path) {
    Stream stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto at = *net::Address::parse("unix:" + admin_of(name));
    if (::connect(stream.fd(), at.raw(), at.length()) != 0) return {};
    stream.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const auto answer = stream.read_message();
    return answer ? answer->body : "";
  }
  // Where a listener is, as the log says; the last one counts.
  net::Address address_of(const std::string& listener) {
    const std::string log = identity::contents(folder.path("edge.log")), mark = "listener=" + listener + " address=";
    const size_t at = log.rfind(mark);
    if (at == std::string::npos) return {};
    const size_t from = at + mark.size();
    return *net::Address::parse(log.substr(from, log.find_first_of(" \n", from) - from));
  }
  struct Said {
    int code;
    std::string text;
    pid_t successor = 0;
  };
  Said upgrade(const std::string& name = "edge", const std::string& binary = {}) {
    std::vector<std::string> words{"upgrade", "--admin", "unix:" + admin_of(name)};
    if (!binary.empty()) words.insert(words.end(), {"--binary", binary});
    Program program(words, folder.path("upgrade.log"));
    Said said{program.wait(), identity::contents(folder.path("upgrade.log"))};
    if (said.code == 0) said.successor = pid_t(std::stoi(said.text.substr(std::string("process ").size())));
    if (said.successor > 0) processes_.push_back(said.successor);
    return said;
  }
  std::string script(const std::string& name, const std::string& body) {
    const std::string path = folder.write(name, "#!/bin/sh\n# outrider takes over: 1\n" + body + "\n");
    ::chmod(path.c_str(), 0755);
    return path;
  }
  static bool runs(pid_t process) { return ::kill(process, 0) == 0; }
  void end(pid_t process) {
    ::kill(process, SIGTERM);
    until("the end of a process", [&] { return !runs(process); });
  }
  // It serves, and so does whoever was connected before.
  void expect_nothing_has_happened(const Said& said, Stream& idle, const std::string& why) {
    SCOPED_TRACE(why);
    EXPECT_EQ(said.code, 1) << said.text;
    EXPECT_NE(said.text.find(why), std::string::npos) << said.text;
    idle.send(kGet);
    const auto answer = idle.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(request(address_of("edge"), kGet).status(), 200);
  }

  std::unique_ptr<Origin> origin = Origin::answering("fine");

 private:
  std::vector<pid_t> processes_;
};

// Callers that ask one request after another on kept connections.
class Busy {
 public:
  Busy(net::Address to, int callers) : to_(to) {
    for (int i = 0; i < callers; ++i) threads_.emplace_back([this] { call(); });
  }
  ~Busy() { stop(); }
  void stop() {
    running_ = false;
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  std::atomic<int> answers{0}, failures{0}, connections{0};

 private:
  void call() {
    Stream stream;
    while (running_) {
      if (!stream.open()) stream = Stream::connect(to_), ++connections;
      stream.send(kGet);
      const auto answer = stream.read_message();
      ++(answer && answer->whole && answer->status() == 200 ? answers : failures);
      if (!answer || answer->field("connection") == "close") stream = {};
    }
  }
  const net::Address to_;
  std::atomic<bool> running_{true};
  std::vector<std::thread> threads_;
};

TEST_F(Successor, NobodyNotices) {
  constexpr int kIdle = 100, kBusy = 20, kUpgrades = 3;
  const auto first = edge();
  const net::Address at = address_of("edge"), metrics = address_of("metrics");
  std::vector<Stream> idle;
  const auto ask = [](Stream& stream) {
    stream.send(kGet);
    const auto answer = stream.read_message();
    return answer && answer->status() == 200 && answer->field("connection") != "close";
  };
  for (int i = 0; i < kIdle; ++i) {
    idle.push_back(Stream::connect(at));
    if (i % 2 == 0) {  // the others have not said anything yet
      ASSERT_TRUE(ask(idle.back()));
    }
  }
  Stream by_path(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto path = *net::Address::parse("unix:" + folder.path("socket"));
  ASSERT_EQ(::connect(by_path.fd(), path.raw(), path.length()), 0);
  ASSERT_TRUE(ask(by_path));
  Stream scraper = Stream::connect(metrics);
  Busy busy(at, kBusy);
  until("some traffic", [&] { return busy.answers > 100; });
  pid_t serving = first->pid();
  for (int i = 0; i < kUpgrades; ++i) {
    const Said said = upgrade();
    ASSERT_EQ(said.code, 0) << said.text;
    EXPECT_NE(said.successor, serving);
    serving = said.successor;
    int usable = 0;
    for (auto& stream : idle) usable += ask(stream);
    EXPECT_EQ(usable, kIdle) << "after upgrade " << i;
    EXPECT_TRUE(ask(by_path));
    const int before = busy.answers;
    until("more traffic", [&] { return busy.answers > before + 100; });
  }
  busy.stop();
  EXPECT_EQ(busy.failures, 0);
  EXPECT_EQ(busy.connections, kBusy) << "each has kept the one it had";
  EXPECT_EQ(first->wait(), 0) << "nothing was cut";
  scraper.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto page = scraper.read_message();
  ASSERT_TRUE(page);
  EXPECT_NE(page->body.find("outrider_upgrades_total{result=\"success\"} 3"), std::string::npos);
  EXPECT_EQ(request(at, kGet).status(), 200);
  EXPECT_EQ(address_of("edge"), at);
  end(serving);
}

TEST_F(Successor, ASignalDoesItToo) {
  const auto first = edge();
  Stream idle = Stream::connect(address_of("edge"));
  idle.send(kGet);
  ASSERT_TRUE(idle.read_message());
  first->signal(SIGUSR2);
  EXPECT_EQ(first->wait(), 0);
  idle.send(kGet);
  EXPECT_TRUE(idle.read_message());
  const std::string log = identity::contents(folder.path("edge.log")), mark = "is ready, and this one drains process=";
  ASSERT_NE(log.find(mark), std::string::npos) << log;
  end(pid_t(std::stoi(log.substr(log.find(mark) + mark.size()))));
}

TEST_F(Successor, WhoDoesNotComeUpChangesNothing) {
  const auto first = edge({}, {"lifecycle.upgrade.timeout=2s"});
  Stream idle = Stream::connect(address_of("edge"));
  expect_nothing_has_happened(upgrade("edge", folder.path("nowhere")), idle, "No such file");
  expect_nothing_has_happened(upgrade("edge", "/bin/true"), idle, "is no outrider that can take over");
  expect_nothing_has_happened(upgrade("edge", script("exits", "exit 3")), idle, "exited with 3");
  expect_nothing_has_happened(upgrade("edge", script("dies", "kill -9 $$")), idle, "ended by signal 9");
  expect_nothing_has_happened(upgrade("edge", script("sleeps", "exec sleep 1000")), idle, "lifecycle.upgrade.timeout");
  const std::string open = script("open", "exit 0");
  ::chmod(open.c_str(), 0777);
  expect_nothing_has_happened(upgrade("edge", open), idle, "could be written by another user");
  ::chmod(script("not_executable", "exit 0").c_str(), 0644);
  expect_nothing_has_happened(upgrade("edge", folder.path("not_executable")), idle, "Permission denied");
  folder.write("edge.yaml", "version: 1\nmode: edge\nlisteners: {edge: {addres: 1}}\n");
  expect_nothing_has_happened(upgrade(), idle, "addres");
  folder.write("edge.yaml", config());
  EXPECT_NE(page("edge", "/").find("POST /upgrade"), std::string::npos);
  const Said said = upgrade();
  ASSERT_EQ(said.code, 0) << "and then all goes well: " << said.text;
  EXPECT_EQ(first->wait(), 0);
  end(said.successor);
}

// It is up, and not ready: the registry, for which it is to wait, does not answer.
TEST_F(Successor, WhoIsNeverReadyChangesNothing) {
  const auto first = edge({}, {"lifecycle.upgrade.timeout=2s"});
  Stream idle = Stream::connect(address_of("edge"));
  std::string with_registry = config();
  with_registry.replace(with_registry.find("kind: none"), 10, "bind: \"127.0.0.1:0\"");
  with_registry.replace(with_registry.find("lifecycle: {"), 12, "lifecycle: {ready_when: [registry], ");
  folder.write("edge.yaml", with_registry);
  expect_nothing_has_happened(upgrade(), idle, "lifecycle.upgrade.timeout");
}

TEST_F(Successor, WhatRunsIsFinishedByWhoBeganIt) {
  std::promise<void> asked, go_on;
  auto may_go_on = go_on.get_future().share();
  std::atomic<bool> first_one{true};
  origin = std::make_unique<Origin>([&](Stream& connection) {
    while (connection.read_message()) {
      if (first_one.exchange(false)) asked.set_value(), may_go_on.wait();
      connection.send(ok("late"));
    }
  });
  const auto first = edge();
  Stream stream = Stream::connect(address_of("edge"));
  stream.send(kGet);
  asked.get_future().wait();
  const Said said = upgrade();
  ASSERT_EQ(said.code, 0) << said.text;
  EXPECT_TRUE(runs(first->pid()));
  go_on.set_value();
  const auto answer = stream.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "late");
  EXPECT_EQ(first->wait(), 0);
  stream.send(kGet);  // by the new one, on the same connection
  EXPECT_TRUE(stream.read_message());
  end(said.successor);
}

TEST_F(Successor, TlsIsAnsweredOnceMoreAndItsSessionsGoOn) {
  const Certificates certificates;
  const auto first = edge(", " + certificates.listener());
  TlsClient client(certificates);
  auto stream = client.connect(address_of("edge"));
  ASSERT_TRUE(stream) << client.refusal;
  stream->send(kGet);
  ASSERT_TRUE(stream->read_message());
  client.keep_session();
  const Said said = upgrade();
  ASSERT_EQ(said.code, 0) << said.text;
  EXPECT_TRUE(client.connect(address_of("edge")));
  EXPECT_TRUE(client.resumed) << "the keys of tickets are the same";
  stream->send(kGet);
  const auto answer = stream->read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->field("connection"), "close");
  EXPECT_EQ(first->wait(), 0);
  end(said.successor);
}

// One process id over all upgrades, for who watches over processes; a signal goes to whoever serves.
TEST_F(Successor, TheKeeperKeepsTheProcessId) {
  const auto keeper = edge({}, {"lifecycle.pid=keep"});
  Stream idle = Stream::connect(address_of("edge"));
  idle.send(kGet);
  ASSERT_TRUE(idle.read_message());
  for (int i = 0; i < 2; ++i) {
    const Said said = upgrade();
    ASSERT_EQ(said.code, 0) << said.text;
    EXPECT_NE(said.successor, keeper->pid());
    idle.send(kGet);
    EXPECT_TRUE(idle.read_message());
  }
  EXPECT_TRUE(runs(keeper->pid()));
  keeper->signal(SIGTERM);
  EXPECT_EQ(keeper->wait(), 0);
  EXPECT_EQ(page("edge", "/live"), "");
}

TEST_F(Successor, WhereItCannotBeItIsSaidWhy) {
  {
    const auto program = edge({}, {"lifecycle.upgrade=off"});
    const Said said = upgrade();
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.text.find("lifecycle.upgrade is off"), std::string::npos) << said.text;
  }
  folder.write("edge.yaml", config());
  const Program with_app({"run", "-c", folder.path("edge.yaml"), "--", "sleep", "1000"}, folder.path("edge.log"));
  until("the proxy", [&] { return page("edge", "/ready").starts_with("ready"); });
  const Said said = upgrade();
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.text.find("run -- CMD"), std::string::npos) << said.text;
}

// The registration is the same one all the time: nobody ever sees it leave, and calls go on.
TEST_F(Successor, TheRegistrationDoesNotFlicker) {
  const auto node = process("dht", "seed", common("seed", "seed"));
  seed = registry_of("seed");
  const auto shop = app("one");
  const auto first = process("run", "shop-0", replica("shop-0", std::to_string(shop->address().port())));
  ASSERT_NE(registry_of("shop-0"), "");
  const auto web = caller();
  until_served_by(*web, {"one"});
  const auto instance = [&] { return text_in(web->get("/clusters?cluster=default/shop").body, "instance"); };
  const std::string known = instance(), where = registry_of("shop-0");
  ASSERT_NE(known, "");
  until("its first reading, which confirms it", [&] { return known_to(*web) == 1; });
  Traffic traffic(web->address("outbound"));
  std::atomic<bool> watching{true};
  std::atomic<int> looks{0}, away{0};
  std::string seen_then;  // of the first look at which it was away
  std::thread watcher([&] {
    for (; watching; ++looks)
      if (known_to(*web) != 1 && away++ == 0) seen_then = web->get("/clusters?cluster=default/shop").body;
  });
  pid_t serving = 0;
  for (int i = 0; i < 2; ++i) {
    const Said said = upgrade("shop-0");
    ASSERT_EQ(said.code, 0) << said.text << identity::contents(folder.path("shop-0.log"));
    serving = said.successor;
    const int before = traffic.answers();
    until("more traffic", [&] { return traffic.answers() > before + 200; });
    const std::string sequence = "\"sequence\": ";
    until("its registration", [&] { return page("shop-0", "/registry").find(sequence) != std::string::npos; });
  }
  EXPECT_EQ(registry_of("shop-0"), where) << "the same socket";
  const int seen = looks;
  until("some more looks", [&] { return looks > seen + 20; });
  watching = false;
  watcher.join();
  traffic.stop();
  EXPECT_EQ(away, 0) << seen_then << identity::contents(folder.path("shop-0.log"));
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(instance(), known);
  EXPECT_EQ(first->wait(), 0);
  ::kill(serving, SIGTERM);  // and then it leaves as usual
  until("the tombstone", [&] { return known_to(*web) == 0; });
}

// As process 1 of a container: orphans are reaped, signals passed on, and the app's exit code is ours.
TEST_F(Successor, AsProcessOneItReapsAndPassesOn) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may make a namespace of processes";
  folder.write("edge.yaml", config());
  const std::string log = folder.path("edge.log"), yaml = folder.path("edge.yaml");
  const std::string app =
      "for i in 1 2 3; do (sh -c 'exit 0' & sleep 0.1 & true); done; trap 'exit 7' TERM; echo orphaned; "
      "while :; do sleep 0.05; done";
  const pid_t outside = fork();
  if (outside == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::unshare(CLONE_NEWPID) != 0) _exit(77);
    const pid_t one = fork();  // process 1
    if (one == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out, 1);
      dup2(out, 2);
      execl(OUTRIDER_PROGRAM, OUTRIDER_PROGRAM, "run", "-c", yaml.c_str(), "--", "sh", "-c", app.c_str(), nullptr);
      _exit(127);
    }
    std::ofstream(folder.path("pid")) << one << std::flush;
    int status = 0;
    ::waitpid(one, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  until("the app", [&] { return identity::contents(log).find("orphaned") != std::string::npos; });
  const std::string one = identity::contents(folder.path("pid"));
  const auto dead_children = [&] {
    std::istringstream children(identity::contents("/proc/" + one + "/task/" + one + "/children"));
    int dead = 0, all = 0;
    for (std::string child; children >> child; ++all)
      dead += identity::contents("/proc/" + child + "/stat").find(") Z ") != std::string::npos;
    return all == 1 && dead == 0;  // the proxy alone
  };
  until("the orphans to be reaped", dead_children);
  ::kill(pid_t(std::stoi(one)), SIGTERM);
  int status = 0;
  ::waitpid(outside, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7) << identity::contents(log);
}

}  // namespace
}  // namespace outrider::test
