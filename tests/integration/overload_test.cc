// Overload protection of a whole proxy: rows 72 to 75 of the features.

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/origin.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

std::string get(const std::string& priority = {}, const std::string& path = "/", const std::string& more = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: web\r\n" + (priority.empty() ? "" : "X-Priority: " + priority + "\r\n") + more +
         "\r\n";
}

// A service that answers when it is told to, and keeps account of who was asked, and of how many it had at once.
class Service {
 public:
  ~Service() { answer(1 << 20); }
  void answer(int n) {  // so many more
    {
      const std::lock_guard lock(mutex_);
      may_ += n;
    }
    changed_.notify_all();
  }
  void expect_asked(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return asked_.size() >= n; });
    EXPECT_EQ(asked_.size(), n);
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  int most() {
    const std::lock_guard lock(mutex_);
    return most_;
  }
  uint16_t port() const { return origin_.address().port(); }

 private:
  void serve(Stream& connection) {
    while (const auto message = connection.read_message()) {
      {
        std::unique_lock lock(mutex_);
        asked_.push_back(message->start.substr(4, message->start.find(' ', 4) - 4));
        most_ = std::max(most_, ++inside_);
        changed_.notify_all();
        changed_.wait(lock, [&] { return may_ > 0; });
        --may_;
        --inside_;
      }
      if (!connection.send(ok("late"))) return;
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> asked_;
  int may_ = 0, inside_ = 0, most_ = 0;
  Origin origin_{[this](Stream& connection) { serve(connection); }};
};

std::string sidecar(uint16_t port, const std::string& service, const std::string& more = {}) {
  return "version: 1\nmode: sidecar\nregistry: {kind: none}\n"
         "listeners: {inbound: {address: \"127.0.0.1:0\"}, outbound: {address: \"127.0.0.1:0\"}}\n"
         "service: {name: web, port: " +
         std::to_string(port) + ", health: off, register: off" + (service.empty() ? "" : ", " + service) + "}\n" + more;
}

Stream ask(Proxy& proxy, const std::string& request) {
  Stream stream = proxy.connect("inbound");
  stream.send(request);
  return stream;
}

Message refusal(Stream stream, const char* reason) {
  const auto answer = stream.read_message();
  EXPECT_TRUE(answer);
  if (!answer) return {};
  EXPECT_EQ(answer->status(), 503);
  EXPECT_EQ(answer->field("x-outrider-reason"), reason);
  EXPECT_EQ(answer->field("retry-after"), "1");
  return *answer;
}

void expect_waiting(Proxy& proxy, double n, const char* priority) {
  proxy.expect_metric(n, "outrider_service_queue_depth", std::string("priority=\"") + priority + "\"");
}

void expect_shed(Proxy& proxy, double n, const std::string& priority, const std::string& reason) {
  proxy.expect_metric(n, "outrider_service_shed_total", "priority=\"" + priority + "\",reason=\"" + reason + "\"");
}

void expect_nobody_waits(Proxy& proxy) {
  proxy.expect_metric(0, "outrider_service_queue_depth");
  expect_quiet(proxy);
}

// --- row 72: the limit -------------------------------------------------------------------------------------------------

TEST(Concurrency, NoMoreThanTheNumberAreUnderWayAndTheOthersWait) {
  for (const char* threads : {"1", "2"}) {
    Service service;
    Proxy proxy(sidecar(service.port(), "concurrency: 2, queue: {timeout: 60s}"), {std::string("overload.threads=") + threads});
    proxy.expect_metric(2, "outrider_service_concurrency_limit");
    std::vector<Stream> clients;
    for (int i = 0; i < 8; ++i) clients.push_back(ask(proxy, get()));
    service.expect_asked(2);
    expect_waiting(proxy, 6, "normal");
    service.answer(8);
    for (Stream& client : clients) {
      const auto answer = client.read_message();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status(), 200);
      client.close();
    }
    EXPECT_EQ(service.most(), 2);
    proxy.expect_metric(6, "outrider_service_queue_wait_seconds_count");
    EXPECT_EQ(proxy.metric("outrider_service_shed_total"), 0);
    expect_nobody_waits(proxy);
  }
}

TEST(Concurrency, OffLetsEverybodyIn) {
  Service service;
  Proxy proxy(sidecar(service.port(), "concurrency: off"));
  std::vector<Stream> clients;
  for (int i = 0; i < 150; ++i) clients.push_back(ask(proxy, get()));
  service.expect_asked(150);
  EXPECT_EQ(proxy.metric("outrider_service_concurrency_limit"), 0);
  service.answer(150);
}

// What comes from the application is none of its affair.
TEST(Concurrency, IsNotOfWhatIsOutbound) {
  Service service, other;
  Proxy proxy(sidecar(service.port(), "concurrency: 1",
                      "clusters: {other: {endpoints: [\"127.0.0.1:" + std::to_string(other.port()) + "\"]}}\n"));
  std::vector<Stream> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(proxy.connect("outbound"));
    clients.back().send("GET / HTTP/1.1\r\nHost: other\r\n\r\n");
  }
  other.expect_asked(3);
  other.answer(3);
}

// Two at a time, two milliseconds each. Where the limit ends is the simulation's to show (gradient_test.cc), with a clock of its
// own: here, that it moves once it is used, and that nobody fails over it.
TEST(Concurrency, ALimitIsLearntFromHowLongAnswersTake) {
  std::mutex places[2];
  std::atomic<uint32_t> next{0};
  Origin origin([&](Stream& connection) {
    while (connection.read_message()) {
      {
        const std::lock_guard place(places[next++ % 2]);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // its work
      }
      if (!connection.send(ok("done"))) return;
    }
  });
  Proxy proxy(sidecar(origin.address().port(), "concurrency: auto, queue: {timeout: 30s}"), {"overload.threads=1"});
  proxy.expect_metric(100, "outrider_service_concurrency_limit");
  Stream calm = proxy.connect("inbound");
  for (int i = 0; i < 300; ++i) {
    calm.send(get());
    ASSERT_EQ(calm.read_message()->status(), 200);
  }
  EXPECT_EQ(proxy.metric("outrider_service_concurrency_limit"), 100);  // nobody has used it
  std::atomic<bool> enough{false};
  std::atomic<int> failed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 64; ++i)
    clients.emplace_back([&] {
      Stream client = proxy.connect("inbound");
      while (!enough) {
        client.send(get());
        const auto answer = client.read_message();
        failed += !answer || answer->status() != 200;
        if (!answer) return;
      }
    });
  double limit = 100;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  while (limit == 100 && std::chrono::steady_clock::now() < end) limit = proxy.metric("outrider_service_concurrency_limit");
  EXPECT_NE(limit, 100);
  enough = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(proxy.metric("outrider_service_shed_total"), 0);
  calm.close();
  expect_nobody_waits(proxy);
}

// A chat that stays open for hours is no request that is under way.
TEST(Concurrency, StreamsCountUntilTheyAreAnswered) {
  Origin origin([](Stream& connection) {
    while (const auto message = connection.read_message()) {
      if (message->start.find("/chat") != std::string::npos)
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n");
      else if (message->start.find("/events") != std::string::npos)
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
      else if (connection.send(ok("fine"))) continue;
      connection.read_all();
      return;
    }
  });
  Proxy proxy(sidecar(origin.address().port(), "concurrency: 1, queue: {max: 0}"));
  Stream chat = ask(proxy, get("", "/chat", "Upgrade: chat\r\nConnection: Upgrade\r\n"));
  EXPECT_EQ(chat.read_message()->status(), 101);
  Stream events = ask(proxy, get("", "/events"));
  EXPECT_TRUE(events.read_until("one"));
  Stream client = ask(proxy, get());
  EXPECT_EQ(client.read_message()->status(), 200);
  chat.close();
  events.abort();
  client.close();
  expect_nobody_waits(proxy);
}

// --- row 73: the throttle ----------------------------------------------------------------------------------------------

TEST(Throttled, AServiceThatFailsIsAskedLess) {
  std::atomic<bool> ill{true};
  const auto origin = Origin::answering([&](const Message&) {
    return ill ? std::string("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n") : ok("well");
  });
  Proxy proxy(sidecar(origin->address().port(), "admission: {success_rate: 95%}"), {"overload.threads=1"});
  Stream client = proxy.connect("inbound");
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    client.send(get("low"));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    if (answer->status() == 500) continue;
    EXPECT_EQ(answer->status(), 503);
    EXPECT_EQ(answer->field("x-outrider-reason"), "service_throttled");
    EXPECT_EQ(answer->field("retry-after"), "1");
    ++refused;
  }
  EXPECT_GT(refused, 250);  // four of five, but for the first twenty
  EXPECT_LT(refused, 480);
  EXPECT_EQ(origin->requests(), 500 - refused);
  expect_shed(proxy, refused, "low", "service_throttled");
  client.close();
  expect_nobody_waits(proxy);
}

// --- row 74: the queue -------------------------------------------------------------------------------------------------

TEST(Priorities, HigherAreServedFirstAndLowerAreRefusedFirst) {
  Service service;
  Proxy proxy(sidecar(service.port(), "concurrency: 1, queue: {max: 3, timeout: 60s}",
                      "routes: {inbound: [{match: {prefix: /report}, cluster: local, priority: low}]}\n"),
              {"overload.threads=1"});
  Stream inside = ask(proxy, get("", "/inside"));
  service.expect_asked(1);
  Stream low = ask(proxy, get("low", "/low"));
  expect_waiting(proxy, 1, "low");
  Stream report = ask(proxy, get("", "/report"));  // by its rule
  expect_waiting(proxy, 2, "low");
  Stream normal = ask(proxy, get("", "/normal"));
  expect_waiting(proxy, 1, "normal");
  refusal(ask(proxy, get("Low", "/lower")), "service_queue_full");
  Stream high = ask(proxy, get("high", "/high"));
  refusal(std::move(report), "service_queue_full");    // the last of the lowest makes room
  Stream urgent = ask(proxy, get("high", "/report"));  // the request knows better than its rule
  refusal(std::move(low), "service_queue_full");
  expect_waiting(proxy, 2, "high");
  expect_shed(proxy, 3, "low", "service_queue_full");
  service.answer(4);
  for (Stream* each : {&inside, &high, &urgent, &normal}) {
    EXPECT_EQ(each->read_message()->status(), 200);
    each->close();
  }
  EXPECT_EQ(service.asked(), (std::vector<std::string>{"/inside", "/high", "/report", "/normal"}));
  proxy.expect_metric(3, "outrider_requests_total", "code=\"503\",flag=\"overload\"");
  expect_nobody_waits(proxy);
}

TEST(Priorities, WhoWaitsTooLongIsRefused) {
  Service service;
  Proxy proxy(sidecar(service.port(), "concurrency: 1, queue: {max: 1, timeout: 300ms}"), {"overload.threads=1"});
  Stream inside = ask(proxy, get());
  service.expect_asked(1);
  refusal(ask(proxy, get("high")), "service_queue_timeout");
  expect_shed(proxy, 1, "high", "service_queue_timeout");
  service.answer(1);
  EXPECT_EQ(inside.read_message()->status(), 200);
  inside.close();
  expect_nobody_waits(proxy);
  EXPECT_EQ(service.asked().size(), 1u);
}

TEST(Priorities, WhoLeavesMakesRoom) {
  Service service;
  Proxy proxy(sidecar(service.port(), "concurrency: 1, queue: {max: 1, timeout: 60s}"), {"overload.threads=1"});
  Stream inside = ask(proxy, get("", "/inside"));
  service.expect_asked(1);
  Stream leaving = ask(proxy, get("", "/leaving"));
  expect_waiting(proxy, 1, "normal");
  leaving.abort();
  expect_waiting(proxy, 0, "normal");
  Stream next = ask(proxy, get("", "/next"));
  expect_waiting(proxy, 1, "normal");
  service.answer(2);
  EXPECT_EQ(inside.read_message()->status(), 200);
  EXPECT_EQ(next.read_message()->status(), 200);
  inside.close();
  next.close();
  expect_nobody_waits(proxy);
  EXPECT_EQ(service.asked(), (std::vector<std::string>{"/inside", "/next"}));
}

TEST(Priorities, ACallOfGrpcIsToldInItsOwnWords) {
  Service service;
  Proxy proxy(sidecar(service.port(), "concurrency: 1, queue: {max: 0}"), {"overload.threads=1"});
  Stream inside = ask(proxy, get());
  service.expect_asked(1);
  Stream call =
      ask(proxy, "POST /shop.Cart/Add HTTP/1.1\r\nHost: web\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
  const auto answer = call.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->field("grpc-status"), "14");
  EXPECT_EQ(answer->field("x-outrider-reason"), "service_queue_full");
  service.answer(1);
}

// --- row 75: the process itself ------------------------------------------------------------------------------------------

// Writes what the kernel would say of memory.
class Memory {
 public:
  Memory() {
    char name[] = "/tmp/overload_testXXXXXX";
    folder_ = ::mkdtemp(name);
    std::ofstream(folder_ + "/memory.max") << "1000000\n";
    use(10);
    Proxy::cgroup = folder_;
  }
  ~Memory() {
    Proxy::cgroup.clear();
    std::filesystem::remove_all(folder_);
  }
  void use(int percent) {
    std::ofstream(folder_ + "/new") << percent * 10000 << "\n";
    std::filesystem::rename(folder_ + "/new", folder_ + "/memory.current");
  }

 private:
  std::string folder_;
};

void expect_level(Proxy& proxy, int level) { proxy.expect_metric(level, "outrider_overload_level"); }

TEST(Overload, MemoryShedsLowPriorityThenKeepsNoConnectionThenRefuses) {
  Memory memory;
  Service service;
  service.answer(1000);
  Proxy proxy(sidecar(service.port(), ""), {"overload.threads=2"});
  Stream kept = ask(proxy, get("low"));
  EXPECT_EQ(kept.read_message()->status(), 200);
  EXPECT_EQ(proxy.get("/ready").body.find("overload"), std::string::npos);

  memory.use(85);
  expect_level(proxy, 1);
  kept.send(get("low"));
  auto answer = kept.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 503);
  EXPECT_EQ(answer->field("x-outrider-reason"), "overload_memory");
  EXPECT_EQ(answer->field("retry-after"), "1");
  expect_shed(proxy, 1, "low", "overload_memory");
  kept.send(get());
  answer = kept.read_message();
  EXPECT_EQ(answer->status(), 200);
  EXPECT_NE(answer->field("connection"), "close");
  EXPECT_NE(proxy.get("/ready").body.find("level 1, 85% of "), std::string::npos) << proxy.get("/ready").body;

  memory.use(92);
  expect_level(proxy, 2);
  Stream last = ask(proxy, get("high"));
  answer = last.read_message();
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->field("connection"), "close");
  EXPECT_TRUE(last.at_end());
  proxy.expect_metric(1, "outrider_connections_closed_total", "reason=\"overload\"");

  memory.use(97);
  expect_level(proxy, 3);
  kept.send(get("high"));
  refusal(std::move(kept), "overload_memory");
  expect_shed(proxy, 1, "high", "overload_memory");
  Stream refused = proxy.connect("inbound");
  EXPECT_TRUE(refused.at_end());
  EXPECT_TRUE(refused.ended_by_reset());

  memory.use(10);
  expect_level(proxy, 0);
  Stream again = ask(proxy, get("low"));
  EXPECT_EQ(again.read_message()->status(), 200);
  again.close();
  expect_nobody_waits(proxy);
}

// Where there is no service, rules say what is worth less.
TEST(Overload, AtAnEdgeTheRuleSaysWhatIsWorthLess) {
  Memory memory;
  const auto origin = Origin::answering("fine");
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{match: {prefix: /report}, cluster: web, priority: low}, {cluster: web}]}\n"
      "clusters: {web: {endpoints: [\"" +
      origin->text() + "\"]}}\n");
  memory.use(85);
  expect_level(proxy, 1);
  Stream client = proxy.connect();
  client.send(get("low"));  // strangers do not say
  EXPECT_EQ(client.read_message()->status(), 200);
  client.send(get("high", "/report"));
  refusal(std::move(client), "overload_memory");
}

TEST(Overload, NearTheirLimitConnectionsAreNotKept) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {request_headers: 0}"), {"overload.connections=10"});
  std::vector<Stream> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(proxy.connect());
  expect_level(proxy, 2);
  EXPECT_NE(proxy.get("/ready").body.find("9 of 10 connections"), std::string::npos);
  clients[0].send(get());
  EXPECT_EQ(clients[0].read_message()->field("connection"), "close");
  EXPECT_TRUE(clients[0].at_end());
  for (int i = 0; i < 3; ++i) clients[i].close();
  expect_level(proxy, 0);
  clients[5].send(get());
  EXPECT_NE(clients[5].read_message()->field("connection"), "close");
}

// Each wrong password costs a worker milliseconds, and those that come together are looked at in one turn.
TEST(Overload, ALongTurnShedsLowPriority) {
  const std::string users = "/tmp/overload_users_" + std::to_string(::getpid());
  std::ofstream(users) << "ann:$6$rounds=10000$saltsaltsaltsalt$" << std::string(86, 'x') << "\n";
  const auto origin = Origin::answering("fine");
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\noverload: {loop_lag: 20ms}\nlisteners: {edge: {address: \"127.0.0.1:0\", timeouts: {request_headers: 0}}}\n"
      "routes: {edge: [{match: {prefix: /report}, cluster: web, priority: low}, {match: {prefix: /secret}, cluster: web, "
      "filters: [{basic_auth: {users: \"file:" +
          users + "\"}}]}, {cluster: web}]}\nclusters: {web: {endpoints: [\"" + origin->text() + "\"]}}\n",
      {"overload.threads=1"});
  std::filesystem::remove(users);
  std::atomic<bool> enough{false};
  std::thread flood([&] {
    Stream client = proxy.connect();
    std::string many;
    for (int i = 0; i < 12; ++i) many += get("", "/secret", "Authorization: Basic YW5uOndyb25n\r\n");
    while (!enough) {
      client.send(many);
      for (int i = 0; i < 12; ++i)
        if (!client.read_message()) return;
    }
  });
  expect_level(proxy, 1);
  Stream client = proxy.connect();
  client.send(get("", "/report"));
  refusal(std::move(client), "overload_loop_lag");
  expect_shed(proxy, 1, "low", "overload_loop_lag");
  EXPECT_EQ(request(proxy.address(), get()).status(), 200);
  enough = true;
  flood.join();
  expect_level(proxy, 0);
}

}  // namespace
}  // namespace outrider::test
