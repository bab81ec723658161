// FEATURES row 11: a sidecar answers DNS for the services of a mesh, and has others answer the rest. What happens to connections
// to the addresses it tells is tests/names/.

#include <gtest/gtest.h>

#include <set>

#include "tests/support/dns_client.h"
#include "tests/support/mesh.h"

namespace outrider::test {
namespace {

using net::DnsType;

struct NameServer : Mesh {
  // A sidecar that answers DNS.
  std::unique_ptr<Proxy> asker(std::vector<std::string> set = {}) {
    set.insert(set.begin(), "registry.dns.listen=127.0.0.1:0");
    auto web = caller("web", "web", std::move(set));
    if (seed.empty()) seed = registry_of(*web);
    return web;
  }
  static std::string a(Proxy& proxy, const std::string& name) {
    return ask_dns(proxy.address("dns"), DnsAsk{.name = name, .udp_bytes = 1232}).text(name, DnsType::A);
  }
};

TEST_F(NameServer, AServiceOfTheMeshHasOneAddressAndWhoIsGoneHasNone) {
  const auto web = asker();
  const auto app_a = app("a");
  auto shop = sidecar("one", *app_a);
  until("shop to be found", [&] { return a(*web, "shop.default.mesh").starts_with("240.240."); });
  const std::string ip = a(*web, "shop.default.mesh");
  EXPECT_EQ(a(*web, "shop.mesh"), ip);
  EXPECT_EQ(a(*web, "nobody.default.mesh"), "code 3") << "the registry has been asked";
  const auto by_tcp = ask_dns(web->address("dns"), DnsAsk{.name = "shop.mesh"}, true);
  EXPECT_EQ(by_tcp.text("shop.mesh", DnsType::A), ip);
  web->expect_metric(1, "outrider_dns_virtual_addresses");
  EXPECT_GE(web->metric("outrider_dns_queries_total", "result=\"found\""), 3);
  shop.reset();
  until("its end to be known", [&] { return a(*web, "shop.mesh") == "code 3"; });
}

TEST_F(NameServer, EndpointsHaveAddressesAndPorts) {
  const auto web = asker({"registry.dns.answers=endpoints"});
  const auto app_a = app("a"), app_b = app("b");
  const auto one = sidecar("one", *app_a), two = sidecar("two", *app_b);
  std::set<std::string> wanted, seen;
  for (auto* each : {one.get(), two.get()})
    wanted.insert("127-0-0-1.ip.shop.default.mesh:" + std::to_string(each->address("inbound").port()));
  until("both", [&] {
    seen.clear();
    const auto answer = ask_dns(web->address("dns"), DnsAsk{.name = "_http._tcp.shop.mesh", .type = 33, .udp_bytes = 1232});
    for (const auto& record : answer.read("_http._tcp.shop.mesh", DnsType::Srv).records)
      seen.insert(record.target + ":" + std::to_string(record.port));
    return seen == wanted;
  });
  EXPECT_EQ(a(*web, "shop.mesh"), "127.0.0.1") << "both are at one address";
  EXPECT_EQ(a(*web, "127-0-0-1.ip.shop.default.mesh"), "127.0.0.1");
  EXPECT_EQ(web->metric("outrider_dns_virtual_addresses"), 0);
}

TEST_F(NameServer, AServiceKeepsItsAddressOverARestart) {
  const auto app_a = app("a");
  std::string before;
  auto web = asker({"registry.dns.ipv4=10.99.0.0/24"});
  const auto shop = sidecar("one", *app_a);
  until("shop to be found", [&] { return (before = a(*web, "shop.mesh")).starts_with("10.99."); });
  web.reset();
  EXPECT_NE(identity::contents(folder.path("state") + "/web/addresses").find(" default/shop\n"), std::string::npos);
  seed = registry_of(*shop);
  web = asker({"registry.dns.ipv4=10.99.0.0/24"});
  web->expect_metric(1, "outrider_dns_virtual_addresses");
  until("shop to be found", [&] { return a(*web, "shop.mesh") == before; });
}

TEST_F(NameServer, OtherNamesAreForwarded) {
  DnsServer server;
  server.set("www.example.com", DnsType::A, {{dns::a("192.0.2.7", 60)}});
  const auto web = asker({"registry.dns.servers=" + server.text()});
  EXPECT_EQ(a(*web, "www.example.com"), "192.0.2.7");
  EXPECT_EQ(a(*web, "nobody.example.com"), "code 3");
  web->expect_metric(2, "outrider_dns_queries_total", "result=\"forwarded\"");
}

TEST(NameServerAlone, ARegistryThatNobodyAnswersInIsAFailure) {
  const Proxy proxy("version: 1\nmode: sidecar\n",
                    {"registry.bind=127.0.0.1:0", "registry.bootstrap=127.0.0.1:9", "registry.snapshot=off",
                     "registry.dns.wait=100ms", "listeners.outbound.address=127.0.0.1:0", "registry.dns.listen=127.0.0.1:0"});
  EXPECT_EQ(ask_dns(proxy.address("dns"), DnsAsk{.name = "shop.default.mesh"}).code(), 2);
}

}  // namespace
}  // namespace outrider::test
