// "The warm path calls neither malloc nor a lock": counted over the whole exchange, from a client's socket to an
// endpoint's and back, on one thread. Not where a sanitizer has put its own malloc in place.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <cstdlib>
#include <mutex>

#include "config/load.h"
#include "exchange/door.h"
#include "filters/all.h"
#include "net/listener.h"
#include "server/compile.h"
#include "tests/support/loop.h"
#include "tests/support/sockets.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OUTRIDER_COUNTS_CALLS 0
#else
#define OUTRIDER_COUNTS_CALLS 1
#endif

namespace {

thread_local bool counting = false;
thread_local int allocations = 0, locks = 0;

}  // namespace

#if OUTRIDER_COUNTS_CALLS
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);

void* malloc(size_t n) {
  allocations += counting;
  return __libc_malloc(n);
}
void* calloc(size_t n, size_t size) {
  allocations += counting;
  return __libc_calloc(n, size);
}
void* realloc(void* at, size_t n) {
  allocations += counting;
  return __libc_realloc(at, n);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static Lock real = nullptr;
  if (!real) real = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  locks += counting;
  return real(mutex);
}
}
#endif

namespace outrider::exchange {
namespace {

using test::Fd;

struct NoServices final : upstream::ServiceSource {
  std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view) override { return nullptr; }
  std::shared_ptr<upstream::Limits> limits_for(std::string_view) override { return nullptr; }
  void watch(const std::string&) override {}
  void unwatch(const std::string&) override {}
};

std::shared_ptr<const Snapshot> compiled(const std::string& yaml) {
  config::Sources sources;
  sources.text = yaml;
  sources.file = "test.yaml";
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  auto outcome = config::load(sources);
  EXPECT_TRUE(outcome.document) << config::print(outcome.complaints);
  return server::compile(*outcome.document, 1);
}

// A worker's world on the test's own thread, with one client and one endpoint at the far ends.
struct World {
  World() {
    const auto snapshot = compiled(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "routes: {edge: [{match: {host: web, prefix: /a}, cluster: web}]}\n"
        "clusters: {web: {endpoints: [\"127.0.0.1:1\"], lb: ewma}}\n");
    site.serving = Serving::make(snapshot, site.context, nullptr);
    auto set = std::make_shared<upstream::EndpointSet>();
    set->known = upstream::Known::Yes;
    set->revision = 1;
    auto facts = std::make_shared<discovery::Instance>();
    facts->address = net::Address::local_of(origin_listener.get()).text();
    set->members.push_back({std::make_shared<upstream::Endpoint>(facts->address, "", net::Loop::wall() - seconds(3600)), facts});
    site.serving->clusters[0]->adopt(set);
    const auto& plan = snapshot->listeners[0];
    auto from = std::make_shared<AcceptedFrom>(AcceptedFrom{plan, ConnectionCounters(catalog, plan->direction, plan->name)});
    const int fd = *net::open_listener(net::Address::loopback(0));
    const auto at = net::Address::local_of(fd);
    door = std::make_unique<Door>(site, std::move(from), fd);
    client = test::connected_to(at);
  }
  ~World() {
    counting = false;
    client.close();
    door.reset();
    while (HttpSession* session = site.sessions.front()) session->cut();
    test::run_turns(loop);
    site.serving = {};
  }

  // One request and its answer, none of which the far ends allocate for.
  bool exchange(std::string_view request, std::string_view answer, std::string_view ending = "fine!") {
    client.write_some(request);
    size_t asked = 0, answered = 0;
    return test::drive_until(loop, [&] {
      counting = true;
      loop.run_turn(false);
      counting = false;
      if (!origin) origin = Fd(::accept4(origin_listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (origin && asked == 0) {
        const ssize_t n = ::recv(origin.get(), scratch, sizeof scratch, MSG_DONTWAIT);
        if (n > 0) {
          asked = size_t(n);
          origin.write_some(answer);
        }
      }
      const ssize_t n = ::recv(client.get(), scratch, sizeof scratch, MSG_DONTWAIT);
      if (n > 0) answered += size_t(n);
      return std::string_view(scratch, answered < 5 ? 0 : size_t(n > 0 ? n : 0)).ends_with(ending);
    });
  }

  net::Loop loop;
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  NoServices services;
  Site site{loop, catalog, *shard, services, nullptr, milliseconds(60000)};
  Fd origin_listener = [] {
    Fd fd = test::tcp_listener();
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    return fd;
  }();
  std::unique_ptr<Door> door;
  Fd client, origin;
  char scratch[65536];
};

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nX-One: two\r\n\r\nfine!";

void expect_none(std::string_view request, std::string_view answer = kAnswer, std::string_view ending = "fine!") {
  if (!OUTRIDER_COUNTS_CALLS) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(world.exchange(request, answer, ending));
  allocations = locks = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(world.exchange(request, answer, ending));
  EXPECT_EQ(allocations, 0) << "in 1000 exchanges";
  EXPECT_EQ(locks, 0) << "in 1000 exchanges";
}

TEST(WarmPath, AGetCallsNeitherMallocNorALock) {
  expect_none(
      "GET /a/b?c=d HTTP/1.1\r\nHost: web\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 1.2.3.4\r\n"
      "Connection: keep-alive\r\nCookie: a=b\r\n\r\n");
}

TEST(WarmPath, APostWithABodyCallsNeither) {
  expect_none("POST /a HTTP/1.1\r\nHost: web\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" +
              std::string(1000, 'b'));
}

TEST(WarmPath, ChunksBothWaysCallNeither) {
  expect_none("PUT /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfine!\r\n0\r\nX-Sum: 5\r\n\r\n", "X-Sum: 5\r\n\r\n");
}

// The counters count: what is not warm yet does allocate.
TEST(WarmPath, WhatIsNotWarmYetIsSeenToAllocateAndALockToLock) {
  if (!OUTRIDER_COUNTS_CALLS) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world;
  allocations = 0;
  ASSERT_TRUE(world.exchange("GET /a HTTP/1.1\r\nHost: web\r\n\r\n", kAnswer));
  EXPECT_GT(allocations, 0);
  std::mutex mutex;
  locks = 0;
  counting = true;
  mutex.lock();
  counting = false;
  mutex.unlock();
  EXPECT_EQ(locks, 1);
}

}  // namespace
}  // namespace outrider::exchange
