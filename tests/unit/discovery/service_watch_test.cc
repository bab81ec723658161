// One service's list and watch, by an API server that answers word for word as a test says.

#include "discovery/kubernetes/kubernetes_registry.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "tests/support/loop.h"

namespace outrider::discovery {
namespace {

// Notes down what it is asked, and answers from the loop when it is told to.
class ScriptedApi final : public Api {
 public:
  struct Question final : ApiCall {
    Question(ScriptedApi& api, std::string path, ApiEvents& events) : api(api), path(std::move(path)), events(events) {}
    ~Question() { std::erase(api.open, this); }
    ScriptedApi& api;
    const std::string path;
    ApiEvents& events;
  };
  std::unique_ptr<ApiCall> get(const std::string& path, ApiEvents& events) override {
    auto question = std::make_unique<Question>(*this, path, events);
    open.push_back(question.get());
    asked.push_back(path);
    return question;
  }
  bool has_other_token() override { return other_token; }
  bool is_open(const Question* question) const { return std::find(open.begin(), open.end(), question) != open.end(); }
  Question* last() { return open.empty() ? nullptr : open.back(); }
  // A whole answer to the question that is open.
  void answer(uint16_t status, const std::string& body, milliseconds retry_after = milliseconds(0)) {
    Question* const to = last();
    ASSERT_TRUE(to);
    to->events.on_head(status, retry_after);
    if (is_open(to)) to->events.on_body(body);
    if (is_open(to)) to->events.on_over(nullptr, {});
  }
  void open_watch() { last()->events.on_head(200, milliseconds(0)); }
  void say(const std::string& bytes) { last()->events.on_body(bytes); }
  void end() { last()->events.on_over(nullptr, {}); }
  void fail(const char* how = "connection") { last()->events.on_over(how, "refused"); }
  std::vector<Question*> open;
  std::vector<std::string> asked;
  bool other_token = false;
};

std::string slice_json(const std::string& name, const std::string& address, int version) {
  return R"({"kind": "EndpointSlice", "metadata": {"name": ")" + name + R"(", "resourceVersion": ")" + std::to_string(version) +
         R"("}, "addressType": "IPv4", "ports": [{"name": "http", "port": 80}], "endpoints": [{"addresses": [")" + address +
         R"("], "targetRef": {"kind": "Pod", "name": "p"}}]})";
}
std::string page_json(const std::string& items, int version, const std::string& next = {}) {
  return R"({"kind": "EndpointSliceList", "metadata": {"resourceVersion": ")" + std::to_string(version) + "\"" +
         (next.empty() ? "" : ", \"continue\": \"" + next + "\"") + R"(}, "items": [)" + items + "]}";
}
std::string event_json(const std::string& type, const std::string& object) {
  return R"({"type": ")" + type + R"(", "object": )" + object + "}\n";
}

class ServiceWatchTest : public testing::Test, protected KubernetesEvents, protected Watcher {
 protected:
  ServiceWatchTest() {
    options_.server = "api";
    options_.name_space = "shop";
    options_.backoff_base = options_.backoff_max = milliseconds(1);
    options_.hold_down = milliseconds(0);
  }
  void on_lookup(milliseconds) override { ++lookups_; }
  void on_event(const char* type) override { ++events_[type]; }
  void on_failure(const char* reason) override { ++failures_[reason]; }
  void on_not_believed(const char* reason) override { ++not_believed_[reason]; }
  void on_instances(const std::string&, Known known, std::vector<std::shared_ptr<const Instance>> all) override {
    ++told_;
    known_ = known;
    addresses_.clear();
    for (const auto& each : all) addresses_.push_back(each->address);
    if (leave_) registry_->unwatch(key_, *this);
  }
  void start(const std::string& key = "shop/cart") {
    key_ = key;
    registry_ = std::make_unique<KubernetesRegistry>(loop_, api_, static_cast<KubernetesEvents&>(*this), options_);
    registry_->watch(key_, *this);
  }
  void start_watched() {
    start();
    api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10));
    api_.open_watch();
  }
  // Runs until there is a question that is open.
  void until_asked() {
    ASSERT_TRUE(test::run_until(loop_, [&] { return api_.last() != nullptr; }));
  }
  std::string trouble() { return registry_->origin(key_).trouble; }
  bool asks(const std::string& what) { return api_.last() && api_.last()->path.find(what) != std::string::npos; }
  using Texts = std::vector<std::string>;

  net::Loop loop_;
  ScriptedApi api_;
  KubernetesOptions options_;
  std::unique_ptr<KubernetesRegistry> registry_;
  std::string key_;
  std::map<std::string, int> events_, failures_, not_believed_;
  int lookups_ = 0, told_ = 0;
  Known known_ = Known::NotYet;
  Texts addresses_;
  bool leave_ = false;
};

TEST_F(ServiceWatchTest, AListAndThenAWatchFromThere) {
  start();
  EXPECT_EQ(
      api_.asked[0],
      "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dcart&limit=100&"
      "resourceVersion=0");
  EXPECT_EQ(told_, 0) << "nothing is known yet";
  api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10));
  EXPECT_EQ(known_, Known::Yes);
  EXPECT_EQ(addresses_, Texts{"10.0.0.1:80"});
  EXPECT_EQ(lookups_, 1);
  EXPECT_TRUE(asks("watch=1&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds="));
  api_.open_watch();
  api_.say(event_json("ADDED", slice_json("s2", "10.0.0.2", 11)) + event_json("DELETED", slice_json("s1", "10.0.0.1", 12)));
  ASSERT_TRUE(test::run_until(loop_, [&] { return addresses_ == Texts{"10.0.0.2:80"}; }));
  api_.end();
  EXPECT_TRUE(asks("watch=1&allowWatchBookmarks=true&resourceVersion=12&"));
  EXPECT_TRUE(failures_.empty());
}

TEST_F(ServiceWatchTest, PagesAreOneList) {
  start();
  api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10, "a/b+c="));
  EXPECT_EQ(told_, 0) << "half a list is none";
  EXPECT_TRUE(asks("limit=100&continue=a%2Fb%2Bc%3D"));
  api_.answer(200, page_json(slice_json("s2", "10.0.0.2", 3), 10));
  EXPECT_EQ(addresses_, (Texts{"10.0.0.1:80", "10.0.0.2:80"}));
}

TEST_F(ServiceWatchTest, APageThatIsForgottenMeansAllOfThemAgain) {
  start();
  api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10, "more"));
  api_.answer(410, R"({"kind": "Status", "message": "the provided continue parameter is too old"})");
  until_asked();
  EXPECT_EQ(api_.last()->path.find("continue"), std::string::npos);
  EXPECT_EQ(api_.last()->path.find("resourceVersion"), std::string::npos) << "the newest";
  api_.answer(200, page_json(slice_json("s2", "10.0.0.2", 3), 12));
  EXPECT_EQ(addresses_, Texts{"10.0.0.2:80"});
  EXPECT_EQ(failures_, (std::map<std::string, int>{{"expired", 1}}));
}

TEST_F(ServiceWatchTest, PagesHaveAnEnd) {
  options_.max_endpoints = 2;
  start();
  for (int i = 1; i <= 3; ++i)
    api_.answer(200, page_json(slice_json("s" + std::to_string(i), "10.0.0." + std::to_string(i), 3), 10, "more"));
  EXPECT_EQ(addresses_.size(), 2u) << "the fourth page is not asked for";
  EXPECT_TRUE(asks("watch=1"));
  EXPECT_EQ(trouble(), "1 endpoint is beyond registry.kubernetes.max_endpoints");
}

TEST_F(ServiceWatchTest, AnEmptyPageThatIsNotTheLastIsNoList) {
  start();
  api_.answer(200, page_json("", 10, "more"));
  EXPECT_EQ(failures_["malformed"], 1);
}

TEST_F(ServiceWatchTest, OneFailureIsNoStaleness) {
  start_watched();
  api_.fail();
  EXPECT_EQ(known_, Known::Yes);
  until_asked();
  EXPECT_TRUE(asks("watch=1&allowWatchBookmarks=true&resourceVersion=10&"));
  api_.fail();
  EXPECT_EQ(known_, Known::Stale);
  EXPECT_EQ(addresses_, Texts{"10.0.0.1:80"});
  EXPECT_EQ(trouble(), "the API server (api): refused");
  until_asked();
  api_.open_watch();
  EXPECT_EQ(known_, Known::Yes) << "it goes on from where it was: nothing was missed";
  EXPECT_EQ(trouble(), "");
  EXPECT_EQ(failures_["connection"], 2);
}

TEST_F(ServiceWatchTest, AWatchThatEndsAtOnceIsAFailure) {
  start_watched();
  api_.end();
  EXPECT_EQ(failures_["cut"], 1);
  until_asked();
  api_.open_watch();
  api_.say(event_json("BOOKMARK", R"({"metadata": {"resourceVersion": "15"}})"));
  api_.end();
  EXPECT_EQ(failures_["cut"], 1) << "it has said something";
  EXPECT_TRUE(asks("resourceVersion=15&"));
  api_.open_watch();
  api_.say("{\"type\"");
  api_.end();
  EXPECT_EQ(failures_["cut"], 2) << "in the middle of a line";
}

TEST_F(ServiceWatchTest, SilenceEndsAWatch) {
  options_.silence = milliseconds(20);
  start_watched();
  auto* const first = api_.last();
  ASSERT_TRUE(test::run_until(loop_, [&] { return failures_["silent"] == 1; }));
  EXPECT_FALSE(api_.is_open(first)) << "its connection is given up";
  until_asked();
  EXPECT_TRUE(asks("resourceVersion=10&"));
}

TEST_F(ServiceWatchTest, NoAnswerInTimeIsAFailure) {
  options_.timeout = milliseconds(20);
  options_.patience = milliseconds(1);
  start();
  ASSERT_TRUE(test::run_until(loop_, [&] { return known_ == Known::Stale; }));
  EXPECT_EQ(trouble(), "the API server (api) has not answered yet");
  ASSERT_TRUE(test::run_until(loop_, [&] { return failures_["timeout"] == 1; }));
  EXPECT_EQ(trouble(), "the API server (api): no whole answer in 20 ms");
  EXPECT_EQ(addresses_, Texts{});
}

TEST_F(ServiceWatchTest, AnErrorThatIsNotGoneChangesNothing) {
  start_watched();
  api_.say(event_json("ERROR", R"({"code": 500, "message": "etcd"})"));
  EXPECT_EQ(failures_["status"], 1);
  until_asked();
  EXPECT_TRUE(asks("watch=1&allowWatchBookmarks=true&resourceVersion=10&"));
  api_.open_watch();
  api_.say(event_json("ERROR", R"({"code": 410, "message": "gone"})") + event_json("ADDED", slice_json("s9", "10.0.0.9", 99)));
  EXPECT_EQ(failures_["expired"], 1);
  EXPECT_EQ(addresses_, Texts{"10.0.0.1:80"}) << "what is behind it is not looked at";
  until_asked();
  EXPECT_TRUE(asks("limit=100"));
  EXPECT_FALSE(asks("resourceVersion"));
}

TEST_F(ServiceWatchTest, AVersionThatIsKnownIsNotGoneBackBehind) {
  start_watched();
  api_.say("nonsense\n");
  EXPECT_EQ(not_believed_["malformed"], 1);
  until_asked();
  EXPECT_TRUE(asks("limit=100&resourceVersion=10"));
}

TEST_F(ServiceWatchTest, ARefusedWatchMeansAList) {
  start_watched();
  api_.fail();
  until_asked();
  api_.answer(400, R"({"message": "bad"})");
  until_asked();
  EXPECT_TRUE(asks("limit=100"));
}

TEST_F(ServiceWatchTest, AVersionThatTheServerHasNotReachedIsForgotten) {
  start_watched();
  api_.fail();
  until_asked();
  api_.answer(504, R"({"message": "Too large resource version: 10, current: 5"})");
  until_asked();
  EXPECT_TRUE(asks("limit=100"));
  EXPECT_FALSE(asks("resourceVersion")) << "its data were restored: whatever is newest";
  api_.answer(200, page_json(slice_json("s7", "10.0.0.7", 3), 5));
  EXPECT_EQ(addresses_, Texts{"10.0.0.7:80"});
}

TEST_F(ServiceWatchTest, PausesGrowAndAreDrawn) {
  options_.backoff_base = milliseconds(1000);
  options_.backoff_max = std::chrono::hours(1);
  start();
  int reached = 0;
  for (int i = 0; i < 30; ++i) {
    if (!api_.last()) break;
    ++reached;
    api_.fail();
    test::run_turns(loop_);
  }
  EXPECT_LT(reached, 30) << "not again and again at once";
}

TEST_F(ServiceWatchTest, WhenToComeAgainIsTakenAtItsWord) {
  options_.backoff_max = std::chrono::hours(1);
  start();
  api_.answer(429, R"({"message": "slow down"})", std::chrono::minutes(30));
  EXPECT_EQ(failures_["throttled"], 1);
  test::Guard guard;
  loop_.arm(guard, milliseconds(30));
  while (!guard.fired) loop_.run_turn(true);
  EXPECT_EQ(api_.last(), nullptr);
}

TEST_F(ServiceWatchTest, AnotherTokenIsTriedAtOnce) {
  options_.backoff_base = options_.backoff_max = std::chrono::hours(1);
  options_.token_look = milliseconds(1);
  start();
  api_.answer(401, R"({"message": "Unauthorized"})");
  EXPECT_EQ(failures_["unauthorized"], 1);
  test::run_turns(loop_);
  EXPECT_EQ(api_.last(), nullptr) << "it is the same one still";
  api_.other_token = true;
  until_asked();
  api_.answer(200, page_json("", 10));
  EXPECT_EQ(known_, Known::Absent);
  EXPECT_EQ(trouble(), "there is no Service cart in the namespace shop, or it has no EndpointSlices");
}

TEST_F(ServiceWatchTest, WhatIsTooOldIsGone) {
  options_.stale_serve = milliseconds(10);
  start_watched();
  api_.fail();
  until_asked();
  api_.fail();
  ASSERT_TRUE(test::run_until(loop_, [&] { return known_ == Known::Absent; }));
  EXPECT_EQ(addresses_, Texts{});
  until_asked();
  api_.open_watch();
  EXPECT_EQ(known_, Known::Yes);
  EXPECT_EQ(addresses_, Texts{"10.0.0.1:80"}) << "a watch that goes on has missed nothing";
}

TEST_F(ServiceWatchTest, WhoIsToldMayLeave) {
  leave_ = true;
  start();
  api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10));
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(api_.last(), nullptr) << "nothing is asked for any more";
  test::run_turns(loop_);
  EXPECT_TRUE(registry_->watched().empty());
  leave_ = false;
  registry_->watch(key_, *this);
  api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10));
  api_.open_watch();
  leave_ = true;
  api_.say(event_json("ADDED", slice_json("s2", "10.0.0.2", 11)) + event_json("ADDED", slice_json("s3", "10.0.0.3", 12)));
  ASSERT_TRUE(test::run_until(loop_, [&] { return registry_->watched().empty(); }));
}

TEST_F(ServiceWatchTest, WhatNoServiceIsCalledIsNotAskedFor) {
  for (const char* key :
       {"shop", "shop/", "/cart", "shop/Cart", "shop/a.b", "shop/cart?x", "shop/-a", "shop/cart:", "shop/cart:g/x", "a:b/c"}) {
    start(key);
    EXPECT_EQ(known_, Known::Absent) << key;
    EXPECT_EQ(trouble(), "no Service can have that name");
    EXPECT_TRUE(api_.asked.empty()) << key;
  }
}

TEST_F(ServiceWatchTest, NoMoreAreWatchedThanMayBe) {
  options_.max_services = 1;
  start();
  registry_->watch("shop/other", *this);
  EXPECT_EQ(known_, Known::Absent);
  EXPECT_EQ(registry_->origin("shop/other").trouble, "1 services are watched already (registry.kubernetes.max_services)");
  registry_->unwatch("shop/other", *this);
  registry_->unwatch("shop/cart", *this);
  registry_->watch("shop/other", *this);
  EXPECT_TRUE(asks("service-name%3Dother"));
}

TEST_F(ServiceWatchTest, WhetherItMayAskIsAskedAtTheStart) {
  registry_ = std::make_unique<KubernetesRegistry>(loop_, api_, static_cast<KubernetesEvents&>(*this), options_);
  registry_->start();
  EXPECT_EQ(api_.asked[0], "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?limit=1&resourceVersion=0");
  api_.answer(403, R"({"message": "endpointslices is forbidden"})");
  EXPECT_FALSE(registry_->facts().answering);
  until_asked();
  api_.answer(200, page_json(slice_json("s1", "10.0.0.1", 3), 10, "more"));
  EXPECT_TRUE(registry_->facts().answering);
  EXPECT_EQ(api_.last(), nullptr) << "one answer is enough";
}

}  // namespace
}  // namespace outrider::discovery
