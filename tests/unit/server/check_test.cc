// Each line of `outrider check`, with what is wrong planted.

#include "server/check/checks.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "documents.h"
#include "net/loop.h"
#include "server/build.h"
#include "server/check/machine.h"
#include "server/running_config.h"
#include "tests/support/dns_server.h"
#include "tests/support/json.h"
#include "tests/support/origin.h"
#include "tests/unit/identity/pki.h"

namespace outrider::server {
namespace {

using State = Fact::State;
using identity::TemporaryFolder;

// Every complaint says what to do.
void expect(State state, const std::string& part, const Fact& fact) {
  EXPECT_EQ(name_of(fact.state), std::string(name_of(state))) << fact.text;
  EXPECT_NE((fact.text + " -> " + fact.fix).find(part), std::string::npos) << fact.text << " -> " << fact.fix;
  EXPECT_EQ(fact.fix.empty(), state == State::Fine || state == State::Skipped) << fact.text;
}

TEST(Check, KernelLacksWhatItLacks) {
  const Kernel good{"6.1", true, true, true, 16384, 4096, false};
  expect(State::Fine, "Linux 6.1", judge(good, true));
  auto kernel = good;
  kernel.reuse_port = false;
  expect(State::Wrong, "SO_REUSEPORT", judge(kernel, false));
  kernel = good;
  kernel.splice = false;
  expect(State::Warning, "splice", judge(kernel, false));
  kernel = good;
  kernel.ipv6 = false;
  expect(State::Wrong, "no IPv6", judge(kernel, true));
  expect(State::Fine, "", judge(kernel, false));
  kernel = good;
  kernel.pipe_pages = 16;
  expect(State::Warning, "pipe-user-pages-soft", judge(kernel, false));
  kernel.root = true;
  expect(State::Fine, "", judge(kernel, false));
  kernel = good;
  kernel.backlog = 128;
  expect(State::Warning, "somaxconn", judge(kernel, false));
  expect(State::Fine, "", judge(look_at_kernel(), false));  // the one these tests run on
}

TEST(Check, OpenFilesAreTwoARequest) {
  expect(State::Fine, "enough", judge(OpenFiles{65536, 65536, 20000}));
  expect(State::Warning, "ulimit -n 40200", judge(OpenFiles{1024, 65536, 20000}));
  expect(State::Warning, "overload.connections: 412", judge(OpenFiles{1024, 1024, 20000}));
  expect(State::Wrong, "too few", judge(OpenFiles{64, 64, 20}));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(look_at_open_files(7).limit, limit.rlim_cur);
}

TEST(Check, MemoryAndCpus) {
  expect(State::Fine, "no limit", judge_memory({}, 0.8));
  expect(State::Fine, "100 MiB of 1024 MiB", judge_memory(MemoryUse{100 << 20, 1024 << 20}, 0.8));
  expect(State::Wrong, "from 80% on", judge_memory(MemoryUse{900 << 20, 1024 << 20}, 0.8));
  expect(State::Fine, "", judge_memory(MemoryUse{900 << 20, 1024 << 20}, 0));
  expect(State::Warning, "64 MiB", judge_memory(MemoryUse{1 << 20, 32 << 20}, 0.8));
  EXPECT_EQ(quota_in("150000 100000\n"), 1.5);
  EXPECT_EQ(quota_in("max 100000\n"), 0);
  EXPECT_EQ(quota_in(""), 0);
  expect(State::Fine, "1.5 CPUs", judge(Cpus{1.5, 8, 2}));
  expect(State::Warning, "overload.threads: 2", judge(Cpus{1.5, 8, 4}));
  expect(State::Warning, "overload.threads: 2", judge(Cpus{0, 2, 4}));
  expect(State::Warning, "100 ms", judge(Cpus{0.05, 2, 0}));
}

TEST(Check, Clock) {
  expect(State::Fine, "0.002 s", judge(Clock{true, true, 0.002, {}}));
  expect(State::Warning, "NTP", judge(Clock{true, false, 16, {}}));
  expect(State::Wrong, "3 records of peers", judge(Clock{true, true, 0.002, 3}));
  expect(State::Fine, "no peer's time", judge(Clock{true, true, 0.002, 0}));
  expect(State::Skipped, "", judge(Clock{false, false, 0, {}}));
}

TEST(Check, Ports) {
  const auto taken = test::Origin::answering("x");
  Door door = look_at_door("admin.address", taken->text(), false);
  EXPECT_EQ(door.state, Door::State::Taken);
  EXPECT_NE(door.holder.find("(pid " + std::to_string(getpid()) + ")"), std::string::npos) << door.holder;
  expect(State::Wrong, "admin.address (" + taken->text() + ") is taken by ", judge_doors({door}, {}));
  expect(State::Fine, "held by the proxy that runs", judge_doors({door}, {taken->text()}));
  const std::string nobody = test::refusing_address().text();
  door = {"listeners.edge.address", nobody};
  expect(State::Fine, nobody + " is free", judge_doors({door}, {}));
  expect(State::Wrong, "should be held", judge_doors({door}, {nobody}));
  expect(State::Wrong, "ip addr", judge_doors({look_at_door("listeners.edge.address", "192.0.2.77:8080", false)}, {}));
  door.state = Door::State::NotAllowed;
  expect(State::Wrong, "cap_net_bind_service", judge_doors({door}, {}));
  TemporaryFolder folder;
  EXPECT_EQ(look_at_door("admin.address", "unix:" + folder.path("none.sock"), false).state, Door::State::Free);
}

TEST(Check, Redirection) {
  const std::string nft =
      "table inet outrider {\n chain in {\n  meta l4proto tcp redirect to :15006\n }\n chain out {\n  oifname \"lo\" return\n"
      "  meta skuid 1337 return\n  meta l4proto tcp redirect to :15001\n }\n}\n";
  const std::string iptables =
      "*nat\n-A OUTPUT -m owner --uid-owner 1337 -j RETURN\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\n-A PREROUTING -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n";
  const Redirected both{15001, 15006};
  for (const auto& text : {nft, iptables}) {
    expect(State::Fine, "but for user 1337", judge(Rules{text, "", 1337}, both));
    expect(State::Wrong, "meta skuid 13 return", judge(Rules{text, "", 13}, both));  // another's id begins like it
    expect(State::Warning, "no rule", judge(Rules{text, "", 1337}, Redirected{1500, {}}));
  }
  expect(State::Warning, "no rule", judge(Rules{"", "", 1337}, both));
  expect(State::Warning, "what others send to it to port 15006 is not",
         judge(Rules{nft.substr(nft.find("chain out")), "", 1337}, both));
  expect(State::Skipped, "only root", judge(Rules{"", "only root may read them", 1337}, both));
  expect(State::Skipped, "", judge(Rules{nft, "", 1337}, {}));
}

config::Document with_identity(const std::string& folder, const std::string& more = {}) {
  return document_of("service: {name: web, port: 8080}\nidentity: {dir: " + folder + more + "}\n");
}

TEST(Check, Identity) {
  TemporaryFolder folder;
  const WallTime now = net::Loop::wall();
  const auto authority = identity::make_authority(now);
  const auto write = [&](const std::string& id, seconds life) {
    const auto issued = identity::issue(authority, id, life, now);
    folder.write("tls.crt", issued.certificate.pem());
    folder.write("tls.key", issued.key.pem());
    folder.write("ca.crt", authority.certificate().pem());
    chmod(folder.path("tls.key").c_str(), 0600);
  };
  const std::string web = "spiffe://mesh.local/ns/default/sa/web";
  write(web, std::chrono::hours(24 * 40));
  expect(State::Fine, web + ", for ", check_identity(with_identity(folder.path()), now));
  chmod(folder.path("tls.key").c_str(), 0644);
  expect(State::Wrong, "chmod 600", check_identity(with_identity(folder.path()), now));
  chmod(folder.path("tls.key").c_str(), 0600);
  expect(State::Wrong, "expired", check_identity(with_identity(folder.path()), now + std::chrono::hours(24 * 41)));
  expect(State::Warning, "has not been renewed", check_identity(with_identity(folder.path()), now + std::chrono::hours(24 * 39)));
  write("spiffe://other.org/ns/default/sa/web", std::chrono::hours(24 * 40));
  expect(State::Wrong, "is not of the trust domain", check_identity(with_identity(folder.path()), now));
  write("spiffe://mesh.local/ns/default/sa/cart", std::chrono::hours(24 * 40));
  expect(State::Warning, "is shown, and identity.spiffe_id is", check_identity(with_identity(folder.path()), now));
  write(web, std::chrono::hours(24 * 40));
  folder.write("tls.key", identity::issue(authority, web).key.pem());
  expect(State::Wrong, "is not the key of", check_identity(with_identity(folder.path()), now));
  expect(State::Wrong, "No such file", check_identity(with_identity(folder.path("nowhere")), now));
  expect(State::Warning, "clear text",
         check_identity(document_of("service: {name: web, port: 8080}\nidentity: {mtls: off}\n"), now));
  expect(
      State::Wrong, "no agent listens",
      check_identity(
          document_of("service: {name: web, port: 8080}\nidentity: {workload_api: \"unix:" + folder.path("agent.sock") + "\"}\n"),
          now));
}

TEST(Check, FilesOfTls) {
  TemporaryFolder folder;
  const auto gateway = [&](const std::string& key) {
    return document_of("listeners: {edge: {address: \"127.0.0.1:0\", tls: {cert: " + folder.path("a.crt") +
                       ", key: " + folder.path(key) + "}}}\nroutes: {edge: [{respond: {}}]}\n");
  };
  expect(State::Wrong, "a.crt", check_files(gateway("a.key")));
  const auto authority = identity::make_authority(net::Loop::wall());
  const auto one = identity::issue(authority, "spiffe://mesh.local/ns/a/sa/b", std::chrono::hours(24), net::Loop::wall());
  const auto other = identity::issue(authority, "spiffe://mesh.local/ns/a/sa/b", std::chrono::hours(24), net::Loop::wall());
  folder.write("a.crt", one.certificate.pem());
  folder.write("a.key", one.key.pem());
  folder.write("b.key", other.key.pem());
  expect(State::Fine, "fit", check_files(gateway("a.key")));
  expect(State::Wrong, "b.key", check_files(gateway("b.key")));
}

TEST(Check, Registry) {
  if (!OUTRIDER_DHT) GTEST_SKIP() << config::kNoDht;
  TemporaryFolder folder;
  folder.write("key", "x");
  const Resolve all = [](const std::string&) { return std::string(); },
                none = [](const std::string&) { return std::string("Name or service not known"); };
  const auto with = [&](const std::string& registry) {
    return document_of("service: {name: web, port: 8080}\nidentity: {dir: /run/id}\nregistry: {" + registry + "}\n");
  };
  const std::string key = ", key: " + folder.path("key");
  RunningProxy running;
  running.registry = R"({"peers": 3, "seeds": [{"address": "a:4222", "state": "answers"}]})";
  expect(State::Fine, "3 peers, 1 seed answers, sealed", check_registry(with("bootstrap: [\"a:4222\"]" + key), running, all));
  expect(State::Wrong, "no seed can be found", check_registry(with("bootstrap: [\"a:4222\"]" + key), running, none));
  expect(State::Warning, "packets are not sealed", check_registry(with("bootstrap: [\"a:4222\"]"), running, all));
  expect(State::Wrong, "cannot be read", check_registry(with("bootstrap: [\"a:4222\"], key: /nowhere/key"), running, all));
  running.registry = R"({"peers": 0, "seeds": [{"address": "a:4222", "state": "silent"}]})";
  expect(State::Wrong, "no seed answers (a:4222)", check_registry(with("bootstrap: [\"a:4222\"]" + key), running, all));
  running.registry =
      R"({"peers": 2, "seeds": [{"address": "a:4222", "state": "silent"}, {"address": "b:4222", "state": "answers"}]})";
  expect(State::Warning, "not all seeds answer: a:4222",
         check_registry(with("bootstrap: [\"a:4222\", \"b:4222\"]" + key), running, all));
  RunningProxy nobody;
  nobody.error = "nobody answers";
  expect(State::Fine, "would know",
         check_registry(with("bootstrap: [\"127.0.0.1:4222\"]" + key), nobody, none));  // no name to look up
  expect(State::Skipped, "none",
         check_registry(document_of("listeners: {e: {address: \"127.0.0.1:0\"}}\nroutes: {e: [{respond: {}}]}\n"), nobody, all));
}

TEST(Check, Names) {
  const auto with = [](const std::string& endpoints) {
    return document_of(
        "listeners: {e: {address: \"127.0.0.1:0\"}}\nroutes: {e: [{cluster: web}]}\nclusters: {web: {endpoints: [" + endpoints +
        "]}}\n");
  };
  const Resolve one = [](const std::string& host) { return std::string(host == "a.test" ? "" : "unknown"); };
  expect(State::Fine, "1 name", check_names(with("\"a.test:80\", \"127.0.0.1:80\", \"[::1]:80\""), one));
  expect(State::Warning, "b.test: unknown", check_names(with("\"a.test:80\", \"b.test:80\""), one));
  expect(State::Wrong, "resolv.conf", check_names(with("\"b.test:80\""), one));
  expect(State::Skipped, "no cluster", check_names(with("\"127.0.0.1:80\""), one));
  EXPECT_EQ(resolve_by_system("localhost"), "");
}

TEST(Check, TheApplication) {
  const auto origin = test::Origin::answering("x");
  const auto with = [](const net::Address& at) {
    return document_of("service: {name: web, port: " + std::to_string(at.port()) + "}\n");
  };
  expect(State::Fine, "web answers at 127.0.0.1:", check_app(with(origin->address())));
  expect(State::Wrong, "Connection refused", check_app(with(test::refusing_address())));
  expect(State::Skipped, "no service",
         check_app(document_of("listeners: {e: {address: \"127.0.0.1:0\"}}\nroutes: {e: [{respond: {}}]}\n")));
}

TEST(Check, Folders) {
  TemporaryFolder folder;
  const auto with = [&](const std::string& log) {
    return document_of(
        "listeners: {e: {address: \"127.0.0.1:0\"}}\nroutes: {e: [{respond: {}}]}\ntelemetry: {access_log: {format: json, to: " +
        log + "}}\n");
  };
  expect(State::Fine, "can be written to", check_folders(with(folder.path("log/access"))));
  expect(State::Skipped, "nothing",
         check_folders(
             document_of("listeners: {e: {address: \"127.0.0.1:0\"}}\nroutes: {e: [{respond: {}}]}\nconfig: {history: off}\n")));
  expect(State::Wrong, "is no folder", check_folders(with(folder.write("plain", "") + "/log")));
}

TEST(Check, TheProxyThatRuns) {
  RunningProxy proxy;
  proxy.admin = "127.0.0.1:15000";
  proxy.version = this_build().version;
  proxy.revision = this_build().revision;
  proxy.ready = R"({"ready": true, "parts": [{"name": "listeners", "ok": true, "warning": false, "detail": "2 of 2"}]})";
  expect(State::Fine, "answers at 127.0.0.1:15000", check_proxy(proxy));
  expect(State::Fine, "as the proxy that runs", check_version(proxy));
  expect(State::Fine, "listeners", check_readiness(proxy));
  proxy.revision = "older";
  expect(State::Warning, "restart", check_version(proxy));
  proxy.ready = R"({"ready": false, "parts": [{"name": "identity", "ok": false, "warning": false, "detail": "expired"}]})";
  expect(State::Wrong, "identity: expired", check_readiness(proxy));
  proxy.ready = R"({"ready": true, "parts": [{"name": "registry", "ok": true, "warning": true, "detail": "unsigned"}]})";
  expect(State::Warning, "registry: unsigned", check_readiness(proxy));
  proxy.error = "nobody answers at 127.0.0.1:15000";
  expect(State::Skipped, "--admin", check_proxy(proxy));
  expect(State::Skipped, "", check_readiness(proxy));
  proxy.wanted = true;
  expect(State::Wrong, "nobody answers", check_proxy(proxy));
}

TEST(Check, TextJsonAndExitCodesAgree) {
  const std::vector<Fact> facts{fine("a", "good"), warning("bb", "odd", "do this"), skipped("c", "not now")};
  EXPECT_EQ(text_of(facts, true),
            " 1 √ a   good\n 2 ‼ bb  odd\n         → do this\n 3 - c   not now\n\n1 fine, 1 to look at, 0 wrong, 1 skipped\n");
  EXPECT_EQ(
      text_of(facts, false),
      " 1 ok   a   good\n 2 warn bb  odd\n            > do this\n 3 -    c   not now\n\n1 fine, 1 to look at, 0 wrong, 1 skipped\n");
  EXPECT_TRUE(test::is_json(json_of(facts)));
  EXPECT_FALSE(any_wrong(facts));
  EXPECT_TRUE(any_wrong({wrong("a", "b", "c")}));
}

// What a proxy was started with besides its file is part of what is running.
TEST(RunningConfig, FlagsAndVariablesAreReadBackFromWhereValuesCameFrom) {
  config::Sources base;
  base.environment = {{"OUTRIDER_OVERLOAD__THREADS", "7"}, {"HOME", "/"}};
  const auto running = running_config(
      "version: 1                                  # /etc/outrider.yaml:1\n"
      "overload:\n"
      "  connections: 5                            # --set overload.connections=5\n"
      "registry:\n"
      "  bootstrap: [\"a:1\", \"b:2\"]                 # --bootstrap a:1,b:2\n"
      "telemetry:\n"
      "  log:\n"
      "    level: debug                            # environment OUTRIDER_TELEMETRY__LOG__LEVEL\n"
      "node:\n"
      "  id: pod-1                                 # environment POD_NAME\n"
      "  labels:\n"
      "    disk: ssd                               # environment OUTRIDER_NODE__LABELS\n",
      base);
  EXPECT_EQ(running.set, std::vector<std::string>{"overload.connections=5"});
  ASSERT_EQ(running.flags.size(), 1u);
  EXPECT_EQ(running.flags[0].value, "a:1,b:2");
  const std::vector<std::pair<std::string, std::string>> variables{{"OUTRIDER_TELEMETRY__LOG__LEVEL", "debug"},
                                                                   {"POD_NAME", "pod-1"}};
  EXPECT_EQ(running.environment, variables);
  config::Sources other = base;
  other.set = {"overload.connections=9"};
  running.add_to(other);
  EXPECT_EQ(other.set, (std::vector<std::string>{"overload.connections=5", "overload.connections=9"}));
  EXPECT_EQ(other.environment.front().first, "HOME");  // ours is not the proxy's
  EXPECT_EQ(other.environment.size(), 3u);
}

TEST(Check, DnsIsAskedOfTheProxyThatRuns) {
  config::NameServer own;
  std::string domain = "mesh";
  RunningProxy running, none;
  none.error = "nobody";
  expect(State::Skipped, "not answered", check_name_server(own, domain, running));
  test::DnsServer server;
  server.set("mesh", net::DnsType(6), {{test::dns::soa(5, 5)}});
  own.listen = {server.text()};
  expect(State::Skipped, "running", check_name_server(own, domain, none));
  expect(State::Fine, server.text() + " answers for the domain mesh", check_name_server(own, domain, running));
  domain = "other";
  expect(State::Wrong, "somebody else", check_name_server(own, domain, running));
  own.implied = true;
  expect(State::Warning, "somebody else", check_name_server(own, domain, running));
  own.listen = {"127.0.0.1:0"};
  expect(State::Skipped, "free", check_name_server(own, domain, running));
}

}  // namespace
}  // namespace outrider::server
