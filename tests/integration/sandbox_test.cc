// The program once it runs: what the kernel says it may still do, and that it can do all it has to.

#include <gtest/gtest.h>

#include "server/sandbox.h"
#include "tests/support/mesh.h"
#include "tests/support/sockets.h"

namespace outrider::test {
namespace {

class Sandbox : public Mesh {
 protected:
  // What every thread of a process has in this line of its status; empty: they differ.
  static std::string status(pid_t process, const std::string& name) {
    std::set<std::string> values;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
      const std::string all = identity::contents(task.path() / "status");
      const size_t at = all.find("\n" + name + ":\t") + name.size() + 3;
      values.insert(all.substr(at, all.find('\n', at) - at));
    }
    return values.size() == 1 ? *values.begin() : std::string();
  }
  std::string log_of(const std::string& name) { return identity::contents(folder.path(name + ".log")); }
};

TEST_F(Sandbox, ARunningProxyHasNoPrivilegesInAnyThread) {
  const auto shop = app("one");
  auto set = replica("shop-0", std::to_string(shop->address().port()));
  set.push_back("telemetry.access_log=json");
  const auto program = process("run", "shop-0", set);
  ASSERT_NE(registry_of("shop-0"), "");
  if (server::kConfines) {
    EXPECT_EQ(status(program->pid(), "NoNewPrivs"), "1");
    EXPECT_EQ(status(program->pid(), "Seccomp"), "2");
  }
  EXPECT_EQ(status(program->pid(), "CapEff"), "0000000000000000");
  EXPECT_EQ(status(program->pid(), "CapPrm"), "0000000000000000");
  program->signal(SIGTERM);
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(Sandbox, CanBeSwitchedOff) {
  const auto program = process("dht", "seed", {"node.id=seed", "registry.bind=127.0.0.1:0", "lifecycle.sandbox=off"});
  ASSERT_NE(registry_of("seed"), "");
  EXPECT_EQ(status(program->pid(), "NoNewPrivs"), status(getpid(), "NoNewPrivs")) << "as it was started";
}

// Whoever starts it as root may have given it ports below 1024, a listener's and the registry's.
TEST_F(Sandbox, PortsOfRootAreBoundBeforeItsRightsAreGone) {
  if (geteuid() != 0) GTEST_SKIP() << "nobody else may bind them";
  const std::string low = free_low_port().text();
  const auto node = process("dht", "seed", {"node.id=seed", "registry.bind=" + low});
  EXPECT_EQ(registry_of("seed"), low);
  EXPECT_EQ(status(node->pid(), "CapEff"), "0000000000000000");
  EXPECT_EQ(status(node->pid(), "CapPrm"), "0000000000000000");
  const std::string other = free_low_port().text();
  auto set = common("web", "web");
  set.push_back("mode=sidecar");
  set.push_back("listeners.outbound.address=" + other);
  const auto web = process("run", "web", set);
  ASSERT_NE(registry_of("web"), "");
  EXPECT_EQ(status(web->pid(), "CapPrm"), "0000000000000000");
  EXPECT_EQ(request(*net::Address::parse(other), kAsk).status(), 503);
}

// Served, registered, found, given a new certificate, asked for its metrics, drained: nothing of that is refused.
TEST_F(Sandbox, StandsInTheWayOfNothing) {
  const auto node = process("dht", "seed", common("seed", "seed"));
  seed = registry_of("seed");
  const auto shop = app("one");
  const auto replica_0 = process("run", "shop-0", replica("shop-0", std::to_string(shop->address().port())));
  ASSERT_NE(registry_of("shop-0"), "");
  const auto web = caller();
  until_served_by(*web, {"one"});
  EXPECT_TRUE(identity::issue_into(folder.path("ca"), {identity::id_of("spiffe://mesh.local/ns/default/sa/shop"), {}, {}},
                                   folder.path("shop"), net::Loop::wall()));
  until("the new certificate", [&] { return log_of("shop-0").find("renewed") != std::string::npos; });
  until_served_by(*web, {"one"});
  for (const auto& program : {&replica_0, &node}) {
    (*program)->signal(SIGTERM);
    EXPECT_EQ((*program)->wait(), 0);
  }
  EXPECT_EQ(log_of("shop-0").find("sandbox"), std::string::npos) << log_of("shop-0");
  EXPECT_EQ(log_of("seed").find("sandbox"), std::string::npos) << log_of("seed");
}

}  // namespace
}  // namespace outrider::test
