// An identity from an agent: what its Workload API says is used at once, and kept while the agent is away.

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>

#include "config/load.h"
#include "http/grpc_frame.h"
#include "tests/support/grpc.h"
#include "tests/support/mesh.h"
#include "tests/support/svid.h"

namespace outrider::test {
namespace {

constexpr const char* kShop = "spiffe://mesh.local/ns/default/sa/shop";

// An agent that says what a test tells it to: each connection gets the newest answer, and then those that follow.
class Agent {
 public:
  ~Agent() { hang_up(true); }
  std::string address() const { return endpoint_.origin.text(); }
  void say(std::string bytes) {  // behind the answer's head
    const std::lock_guard lock(mutex_);
    ++said_;
    newest_ = std::move(bytes);
    changed_.notify_all();
  }
  void answer(const std::string& message) { say(http::data(1, http::write_grpc_frame(message))); }
  void refuse(std::string trailers) {  // in place of an answer
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(trailers);
  }
  void hang_up(bool for_ever = false) {  // those that are there
    const std::lock_guard lock(mutex_);
    ++round_;
    over_ = for_ever;
    changed_.notify_all();
  }
  int calls() const { return calls_; }
  std::string asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void serve(H2Peer& peer) {
    const auto lines = peer.read_until("DATA 1 end");
    std::unique_lock lock(mutex_);
    if (over_) return;
    asked_ = lines;
    ++calls_;
    if (!refusal_.empty()) {
      peer.send(http::headers(1, {{":status", "200"},
                                  {"content-type", "application/grpc"},
                                  {"grpc-status", refusal_},
                                  {"grpc-message", "no identity issued"}}));
      const int round = round_;
      changed_.wait_for(lock, std::chrono::seconds(60), [&] { return over_ || round != round_; });
      return;
    }
    peer.send(grpc_head(1));
    const int round = round_;
    for (int told = 0; !over_ && round == round_;) {
      if (told != said_) {
        told = said_;
        peer.send(newest_);
      }
      changed_.wait_for(lock, std::chrono::seconds(60), [&] { return over_ || round != round_ || told != said_; });
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string newest_, asked_, refusal_;
  int said_ = 0, round_ = 0;
  bool over_ = false;
  std::atomic<int> calls_{0};
  GrpcEndpoint endpoint_{[this](H2Peer& peer) { serve(peer); }};
};

class WorkloadApi : public Mesh {
 protected:
  std::string svids(const char* id = kShop) {
    const auto authority = identity::Authority::load(folder.path("ca"));
    return svid_response(
        {Svid::of(*authority->issue({identity::id_of(id), {}, {}}, net::Loop::wall()), authority->certificate())});
  }
  std::vector<std::string> settings() {
    auto set = replica("one", std::to_string(app_->address().port()), "");
    set.push_back("identity.workload_api=" + agent.address());
    return set;
  }
  static std::string renewals(const char* result) { return std::string("result=\"") + result + "\""; }
  // How it goes where the agent has nothing to give.
  std::string problem_at_start() {
    config::Sources sources;
    sources.text = "version: 1\nmode: sidecar\n";
    sources.set = settings();
    for (const char* each : {"identity.wait=300ms", "admin.address=off", "admin.health=off", "telemetry.metrics.address=off",
                             "telemetry.log.level=off"})
      sources.set.push_back(each);
    auto outcome = config::load(sources);
    EXPECT_TRUE(outcome.document) << config::print(outcome.complaints);
    server::Supervisor supervisor({std::move(*outcome.document), {}, false});
    const std::string problem = supervisor.start();
    agent.hang_up();
    return problem;
  }
  Agent agent;
  const std::unique_ptr<Origin> app_ = app("fine");
};

TEST_F(WorkloadApi, GivesTheIdentityAndEachNewOne) {
  agent.answer(svids());
  const auto web = caller();
  seed = registry_of(*web);
  Proxy shop("version: 1\nmode: sidecar\n", settings());
  EXPECT_TRUE(has(agent.asked(), ":path: /SpiffeWorkloadAPI/FetchX509SVID")) << agent.asked();
  EXPECT_TRUE(has(agent.asked(), "[workload.spiffe.io: true]")) << agent.asked();
  until_served_by(*web, {"fine"});
  EXPECT_EQ(shop.metric("outrider_identity_info", std::string("spiffe_id=\"") + kShop + "\""), 1);
  Traffic traffic(web->address("outbound"));
  until("load", [&] { return traffic.answers() > 0; });
  for (int i = 1; i <= 3; ++i) {
    agent.answer(svids());
    shop.expect_metric(i, "outrider_identity_rotations_total", renewals("success"));
  }
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 50; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(agent.calls(), 1);
}

TEST_F(WorkloadApi, AnAgentMayGoAndComeBack) {
  agent.answer(svids());
  const auto web = caller();
  seed = registry_of(*web);
  Proxy shop("version: 1\nmode: sidecar\n", settings());
  until_served_by(*web, {"fine"});
  agent.hang_up();
  until_served_by(*web, {"fine"});
  agent.answer(svids());
  shop.expect_metric(1, "outrider_identity_rotations_total", renewals("success"));
  EXPECT_EQ(agent.calls(), 2);
  until_served_by(*web, {"fine"});
}

TEST_F(WorkloadApi, WhatCannotBeUsedLeavesTheIdentityThereWas) {
  agent.answer(svids());
  const auto web = caller();
  seed = registry_of(*web);
  Proxy shop("version: 1\nmode: sidecar\n", settings());
  int failures = 0;
  for (const std::string& bad :
       {std::string("\x0a\xff"), std::string(), svids("spiffe://other.local/ns/default/sa/shop"), svids().substr(0, 500)}) {
    agent.answer(bad);
    shop.expect_metric(++failures, "outrider_identity_rotations_total", renewals("failure"));
  }
  agent.say(http::data(1, std::string("\1\0\0\0\1x", 6)));  // compressed, as nobody has asked for: the call is made anew
  until("another call", [&] { return agent.calls() > 1; });
  agent.answer(svids());
  shop.expect_metric(1, "outrider_identity_rotations_total", renewals("success"));
  until_served_by(*web, {"fine"});
}

TEST_F(WorkloadApi, WithoutAnIdentityNothingStartsAndTheReasonIsSaid) {
  const auto begins = "identity.workload_api: " + agent.address() + ": ";
  EXPECT_EQ(problem_at_start(), begins + "no answer");
  agent.refuse("7");
  EXPECT_EQ(problem_at_start(), begins + "permission_denied: no identity issued");
  agent.refuse("");
  agent.answer("");
  EXPECT_EQ(problem_at_start(), begins + "the answer has no identity in it");
  agent.answer(svids("spiffe://other.local/ns/default/sa/shop"));
  EXPECT_EQ(problem_at_start(), begins + "the certificate is of trust domain other.local, identity.trust_domain says mesh.local");
}

}  // namespace
}  // namespace outrider::test
