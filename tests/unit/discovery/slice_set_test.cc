// Several EndpointSlices are one set of endpoints.

#include "discovery/kubernetes/slice_set.h"

#include <gtest/gtest.h>

namespace outrider::discovery {
namespace {

using State = SliceEndpoint::State;

SliceEndpoint at(const std::string& address, State state = State::Ready, const std::string& pod = {}) {
  SliceEndpoint endpoint;
  endpoint.address = address;
  endpoint.state = state;
  endpoint.pod = pod;
  endpoint.uid = pod.empty() ? "" : "uid-" + pod;
  return endpoint;
}

Slice slice(const std::string& name, std::vector<SliceEndpoint> endpoints, std::vector<SlicePort> ports = {{"http", "", 8080}},
            Slice::Family family = Slice::Family::V4) {
  Slice made;
  made.name = name;
  made.family = family;
  made.ports = std::move(ports);
  made.endpoints = std::move(endpoints);
  return made;
}

struct SliceSetTest : testing::Test {
  SliceSet set;
  SliceRules rules{.space = "shop", .port = {}, .zone = "a"};
  std::string trouble;
  // Addresses, "-" behind those that are draining.
  std::vector<std::string> addresses() {
    std::vector<std::string> all;
    const Endpoints endpoints = set.endpoints(rules);
    trouble = endpoints.trouble;
    for (const auto& each : endpoints.all) all.push_back(each->address + (each->draining ? "-" : ""));
    return all;
  }
  std::shared_ptr<const Instance> only() {
    const auto all = set.endpoints(rules).all;
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? std::make_shared<Instance>() : all[0];
  }
  using Texts = std::vector<std::string>;
};

TEST_F(SliceSetTest, AllSlicesCount) {
  set.put(slice("x", {at("10.0.0.1"), at("10.0.0.2", State::Draining), at("10.0.0.3", State::Out)}));
  set.put(slice("y", {at("10.0.0.4")}));
  EXPECT_EQ(addresses(), (Texts{"10.0.0.1:8080", "10.0.0.2:8080-", "10.0.0.4:8080"}));
  set.erase("x");
  EXPECT_EQ(addresses(), Texts{"10.0.0.4:8080"});
  set.replace({slice("z", {at("10.0.0.5")})});
  EXPECT_EQ(addresses(), Texts{"10.0.0.5:8080"});
  EXPECT_EQ(trouble, "");
}

TEST_F(SliceSetTest, WhoMovesIsThereOnceAndAsItWasWrittenLast) {
  set.put(slice("new", {at("10.0.0.1", State::Draining)}));
  set.put(slice("old", {at("10.0.0.1", State::Ready)}));
  EXPECT_EQ(addresses(), Texts{"10.0.0.1:8080"});
  set.put(slice("new", {at("10.0.0.1", State::Out)}));
  EXPECT_EQ(addresses(), Texts{});
  set.put(slice("new", {at("10.0.0.1")}));
  set.erase("old");
  EXPECT_EQ(addresses(), Texts{"10.0.0.1:8080"});
  set.replace({slice("a", {at("10.0.0.1", State::Out)}), slice("b", {at("10.0.0.1", State::Ready)})});
  EXPECT_EQ(addresses(), Texts{"10.0.0.1:8080"}) << "of one list nobody knows which is newer: who is ready anywhere is";
}

TEST_F(SliceSetTest, AnotherPortIsAnotherEndpoint) {
  set.put(slice("x", {at("10.0.0.1")}));
  set.put(slice("y", {at("10.0.0.1")}, {{"http", "", 8081}}));
  EXPECT_EQ(addresses(), (Texts{"10.0.0.1:8080", "10.0.0.1:8081"}));
}

TEST_F(SliceSetTest, APodWithTwoAddressesIsCalledAtOne) {
  set.put(slice("v4", {at("10.0.0.1", State::Ready, "p1"), at("10.0.0.2", State::Ready, "p2"), at("10.0.0.9")}));
  set.put(slice("v6", {at("fd00::1", State::Ready, "p1"), at("fd00::3", State::Ready, "p3"), at("fd00::9")}, {{"http", "", 8080}},
                Slice::Family::V6));
  EXPECT_EQ(addresses(), (Texts{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.9:8080", "[fd00::3]:8080"}));
  rules.v6_first = true;
  EXPECT_EQ(addresses(), (Texts{"10.0.0.2:8080", "[fd00::1]:8080", "[fd00::3]:8080", "[fd00::9]:8080"}));
  set.put(slice("v6", {at("fd00::1", State::Out, "p1")}, {{"http", "", 8080}}, Slice::Family::V6));
  EXPECT_EQ(addresses(), (Texts{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.9:8080"})) << "one that is not ready takes no place";
}

TEST_F(SliceSetTest, WithoutAWordTheMostLikelyPortIsTaken) {
  using Ports = std::vector<SlicePort>;
  const auto taken = [&](const Ports& ports) {
    set.replace({slice("x", {at("10.0.0.1")}, ports)});
    const auto all = addresses();
    return all.size() == 1 ? all[0].substr(9) : "none";
  };
  EXPECT_EQ(taken({{"metrics", "", 1}, {"http", "", 2}, {"http-admin", "", 3}}), "2");
  EXPECT_EQ(taken({{"grpc", "", 1}, {"http-web", "", 2}}), "2");
  EXPECT_EQ(taken({{"metrics", "", 1}, {"https", "", 2}, {"main", "", 3}}), "3");
  EXPECT_EQ(taken({{"web", "", 1}, {"api", "kubernetes.io/h2c", 2}}), "2");
  EXPECT_EQ(taken({{"redis", "", 1}, {"grpc-api", "", 2}}), "2");
  EXPECT_EQ(taken({{"b", "", 1}, {"a", "", 2}}), "1") << "the first";
  EXPECT_EQ(taken({{"", "", 7}}), "7");
  EXPECT_EQ(taken({}), "none");
  EXPECT_EQ(trouble, "it has no port of TCP");
}

TEST_F(SliceSetTest, APortIsTakenByItsNameOrNumber) {
  set.put(slice("x", {at("10.0.0.1")}, {{"http", "", 8080}, {"grpc", "", 9000}}));
  set.put(slice("y", {at("10.0.0.2")}, {{"http", "", 8080}, {"grpc", "", 9001}}));
  set.put(slice("z", {at("10.0.0.3")}, {{"http", "", 8080}}));
  rules.port = "grpc";
  EXPECT_EQ(addresses(), (Texts{"10.0.0.1:9000", "10.0.0.2:9001"})) << "its number may differ, where pods do";
  rules.port = "9001";
  EXPECT_EQ(addresses(), (Texts{"10.0.0.1:9000", "10.0.0.2:9001"}));
  rules.port = "admin";
  EXPECT_EQ(addresses(), Texts{});
  EXPECT_EQ(trouble, "it has no port admin");
}

TEST_F(SliceSetTest, WhatAPortSpeaksIsSaid) {
  const auto spoken = [&](const SlicePort& port) {
    set.replace({slice("x", {at("10.0.0.1")}, {port})});
    return only()->protocol;
  };
  EXPECT_EQ(spoken({"http", "", 1}), "auto");
  EXPECT_EQ(spoken({"http", "kubernetes.io/h2c", 1}), "http2");
  EXPECT_EQ(spoken({"http2-x", "", 1}), "http2");
  EXPECT_EQ(spoken({"x", "grpc", 1}), "grpc");
  EXPECT_EQ(spoken({"grpc-x", "", 1}), "grpc");
  EXPECT_EQ(spoken({"grpc", "http", 1}), "auto") << "appProtocol has the last word";
  EXPECT_EQ(spoken({"x", "kubernetes.io/ws", 1}), "http1");
  EXPECT_EQ(spoken({"tcp-x", "", 1}), "tcp");
}

TEST_F(SliceSetTest, HintsAreWhereAnEndpointIs) {
  auto endpoint = at("10.0.0.1", State::Ready, "p");
  endpoint.zone = "c";
  endpoint.node = "n";
  set.replace({slice("x", {endpoint})});
  EXPECT_EQ(only()->zone, "c");
  EXPECT_EQ(only()->instance, "p");
  EXPECT_EQ(only()->labels, (std::vector<std::pair<std::string, std::string>>{{"node", "n"}, {"pod", "p"}}));
  endpoint.for_zones = {"b", "a"};
  set.replace({slice("x", {endpoint})});
  EXPECT_EQ(only()->zone, "a") << "it is meant for us";
  rules.zone = "z";
  EXPECT_EQ(only()->zone, "b");
}

TEST_F(SliceSetTest, WhoIsSpokenToByMutualTls) {
  struct Case {
    SliceRules::Tls tls;
    const char* label;
    bool expected, identified;
    const char* becomes;
  };
  using Tls = SliceRules::Tls;
  for (const Case& one : {Case{Tls::Auto, "", false, false, "clear"},
                          {Tls::Auto, "", true, true, "mutual"},
                          {Tls::Auto, "clear", true, true, "clear"},
                          {Tls::Auto, "identity", false, true, "mutual"},
                          {Tls::Auto, "identity", false, false, "nobody"},
                          {Tls::Auto, "else", true, true, "mutual"},
                          {Tls::Identity, "clear", false, true, "mutual"},
                          {Tls::Clear, "identity", true, true, "clear"}}) {
    auto made = slice("x", {at("10.0.0.1")});
    made.tls = one.label;
    set.replace({made});
    rules.tls = one.tls;
    rules.tls_expected = one.expected;
    rules.identified = one.identified;
    const auto all = set.endpoints(rules);
    const std::string is = all.all.empty() ? "nobody" : all.all[0]->mutual_tls ? "mutual" : "clear";
    EXPECT_EQ(is, one.becomes) << int(one.tls) << one.label << one.expected << one.identified;
    if (is == "mutual") {
      EXPECT_EQ(all.all[0]->identity, "shop/*");
    }
    if (is == "nobody") {
      EXPECT_EQ(all.trouble, "1 endpoint takes mutual TLS alone, and this proxy has no identity to show");
    }
  }
}

TEST_F(SliceSetTest, NobodyHasAReason) {
  set.put(slice("x", {}));
  addresses();
  EXPECT_EQ(trouble, "it has no pods");
  set.put(slice("x", {at("10.0.0.1", State::Out), at("10.0.0.2", State::Out)}));
  addresses();
  EXPECT_EQ(trouble, "2 pods are not ready");
  set.put(slice("x", {at("nowhere"), at("unix:/x"), at("")}));
  EXPECT_EQ(addresses(), Texts{}) << "what is no address is nobody";
  set.put(slice("x", {at("example.com")}, {{"http", "", 80}}, Slice::Family::Other));
  EXPECT_EQ(addresses(), Texts{});
}

TEST_F(SliceSetTest, ThereMayBeSoManyAndNoMore) {
  rules.most = 2;
  set.put(slice("x", {at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")}));
  EXPECT_EQ(addresses().size(), 2u);
  EXPECT_EQ(trouble, "1 endpoint is beyond registry.kubernetes.max_endpoints");
}

}  // namespace
}  // namespace outrider::discovery
