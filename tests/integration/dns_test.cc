// FEATURES row 97: endpoints from DNS by A, AAAA and SRV, for as long as it says, and the last good ones while it says nothing.

#include <gtest/gtest.h>

#include <set>

#include "tests/support/dns_server.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

std::string port_of(const Origin& origin) { return std::to_string(origin.address().port()); }

struct Dns : testing::Test {
  // One cluster, "web", of which `keys` say where it is; asks again as soon as it may.
  std::unique_ptr<Proxy> proxy(const std::string& keys, const std::string& cluster = {}, const std::string& dns = {}) {
    const std::string text =
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "routes: {edge: [{cluster: web}]}\nclusters: {web: {lb: round_robin, " +
        (keys.starts_with("endpoints") ? keys + ", dns: {" : "dns: {" + keys + ", ") + "min_ttl: 100ms, servers: [\"" +
        server.text() + "\"]" + dns + "}" + cluster + "}}\n";
    return std::make_unique<Proxy>(text, std::vector<std::string>{"overload.threads=1"});
  }
  // Waits until a page of the cluster has that.
  static void until_shown(Proxy& proxy, const std::string& what, bool there = true) {
    std::string page;
    for (const auto end = net::Loop::clock() + seconds(30); net::Loop::clock() < end;) {
      page = proxy.get("/clusters").body;
      if ((page.find(what) != page.npos) == there) return;
    }
    ADD_FAILURE() << what << (there ? " is not in " : " is still in ") << page;
  }
  // Waits until requests are answered by exactly these.
  static void until_served_by(Proxy& proxy, const std::set<std::string>& names) {
    std::set<std::string> seen;
    for (const auto end = net::Loop::clock() + seconds(30); net::Loop::clock() < end;) {
      seen.clear();
      for (size_t i = 0; i < 2 * names.size(); ++i) seen.insert(request(proxy.address(), kGet).body);
      if (seen == names) return;
    }
    ADD_FAILURE() << "served by " << testing::PrintToString(seen);
  }
  DnsServer server;
  std::unique_ptr<Origin> a = Origin::answering("a"), b = Origin::answering("b");
  DnsReply service(const Origin& origin) { return {{dns::srv(0, 1, origin.address().port(), "host.test")}}; }
  Dns() { server.set("host.test", DnsType::A, {{dns::a("127.0.0.1")}}); }
};

TEST_F(Dns, AnAddressIsAnEndpointAndAnotherAnswerAnother) {
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  const auto p = proxy("name: web.test, port: " + port_of(*a));
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  until_shown(*p, "\"from\": \"DNS: A of web.test\"");
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.9"), dns::a("127.0.0.1")}});
  until_shown(*p, "\"address\": \"127.0.0.9:" + port_of(*a));
  until_shown(*p, "\"address\": \"127.0.0.1:" + port_of(*a));
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  until_shown(*p, "127.0.0.9", false);
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  EXPECT_GE(p->metric("outrider_dns_lookups_total", "result=\"found\""), 3);
}

TEST_F(Dns, AnAnswerHoldsAsLongAsItSays) {
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1", 3600)}});
  server.set("host.test", DnsType::A, {{dns::a("127.0.0.1", 0)}});
  const auto p = proxy("endpoints: [\"web.test:" + port_of(*a) + "\", \"host.test:" + port_of(*b) + "\"]", "", ", max_ttl: 2h");
  until_served_by(*p, {"a", "b"});
  for (const auto end = net::Loop::clock() + seconds(30); server.asked("host.test", DnsType::A) < 4 && net::Loop::clock() < end;)
    request(p->address(), kGet);
  EXPECT_GE(server.asked("host.test", DnsType::A), 4) << "no time, but min_ttl";
  EXPECT_EQ(server.asked("web.test", DnsType::A), 1);
}

TEST_F(Dns, SixthVersionAlone) {
  server.set("web.test", DnsType::Aaaa, {{dns::aaaa("fd00::1", 60)}});
  const auto p = proxy("name: web.test, port: 81, type: AAAA");
  until_shown(*p, "\"address\": \"[fd00::1]:81\"");
  EXPECT_EQ(server.asked("web.test", DnsType::A), 0);
}

TEST_F(Dns, BothVersionsTogether) {
  server.set("web.test", DnsType::A, {{dns::a("10.0.0.1", 60)}});
  server.set("web.test", DnsType::Aaaa, {{dns::aaaa("fd00::1", 60)}});
  server.set("four.test", DnsType::A, {{dns::a("10.0.0.2", 60)}});
  server.set("four.test", DnsType::Aaaa, {});
  const auto p = proxy("endpoints: [\"web.test:81\", \"four.test:82\"]", "", ", type: any");
  for (const char* each : {"\"[fd00::1]:81\"", "\"10.0.0.1:81\"", "\"10.0.0.2:82\""}) until_shown(*p, each);
  until_shown(*p, "\"known\": \"yes\"");
}

TEST_F(Dns, AServiceHasPortsAndWeights) {
  server.set("_http._tcp.web.test", DnsType::Srv,
             {{dns::srv(0, 30, a->address().port(), "host.test"), dns::srv(0, 0, b->address().port(), "other.test")}});
  server.set("other.test", DnsType::A, {});
  server.set("other.test", DnsType::Aaaa, {{dns::aaaa("fd00::1")}});
  const auto p = proxy("name: _http._tcp.web.test, type: SRV");
  until_shown(*p, "[fd00::1]:" + port_of(*b));
  until_shown(*p, "\"weight\": 30");
  until_shown(*p, "\"weight\": 1,");
  server.set("_http._tcp.web.test", DnsType::Srv, service(*a));
  until_shown(*p, "fd00::1", false);
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  server.set("_http._tcp.web.test", DnsType::Srv, service(*b));
  until_served_by(*p, {"b"});
}

TEST_F(Dns, BackupsOfAServiceStandBy) {
  server.set("web.test", DnsType::Srv,
             {{dns::srv(10, 1, a->address().port(), "host.test"), dns::srv(20, 1, b->address().port(), "host.test")}});
  const auto p = proxy("name: web.test, type: SRV", ", outlier_detection: {base_ejection: 1h}");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(request(p->address(), kGet).body, "a");
  EXPECT_EQ(b->requests(), 0);
  a->stop();
  until_served_by(*p, {"b"});
}

TEST_F(Dns, WhatWasFoundStaysWhileNobodyAnswers) {
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  const auto p = proxy("name: web.test, port: " + port_of(*a), "", ", timeout: 100ms, max_ttl: 1s");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  server.set("web.test", DnsType::A, {.silent = true});
  until_shown(*p, "\"known\": \"stale\"");
  until_shown(*p, "was asked for A of web.test: no answer in 100 ms");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  EXPECT_EQ(p->metric("outrider_cluster_endpoints", "state=\"stale\""), 1);
  EXPECT_GE(p->metric("outrider_dns_lookups_total", "result=\"timeout\""), 1);
  for (int code : {2, 5}) {
    server.set("web.test", DnsType::A, {.code = code});
    until_shown(*p, code == 2 ? "SERVFAIL" : "REFUSED");
    EXPECT_EQ(request(p->address(), kGet).body, "a");
  }
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  until_shown(*p, "\"known\": \"yes\"");
  until_shown(*p, "\"why\": \"\",\n      \"panic\"");
}

TEST_F(Dns, DropMeansThatItGoes) {
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  const auto p = proxy("name: web.test, port: " + port_of(*a), "", ", on_failure: drop");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  server.set("web.test", DnsType::A, {.code = 2});
  until_shown(*p, "127.0.0.1:" + port_of(*a), false);
  EXPECT_EQ(request(p->address(), kGet).status(), 503);
}

TEST_F(Dns, ANameThatIsGoneMustBeSaidTwiceToBe) {
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  const auto p = proxy("name: web.test, port: " + port_of(*a));
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  server.set("web.test", DnsType::A, {{}, {dns::soa(3600, 3600)}, 3});
  until_shown(*p, "\"known\": \"stale\"");
  EXPECT_EQ(request(p->address(), kGet).body, "a") << "said once; asked again after 30 s";
  EXPECT_EQ(p->metric("outrider_dns_lookups_total", "result=\"no_name\""), 1);
}

TEST_F(Dns, ANameThatIsGoneIsGone) {
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  const auto p = proxy("name: web.test, port: " + port_of(*a));
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  server.set("web.test", DnsType::A, {{}, {dns::soa(0, 0)}, 3});
  until_shown(*p, "\"known\": \"absent\"");
  const auto answer = request(p->address(), kGet);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.field("x-outrider-reason"), "no_endpoint");
  server.set("web.test", DnsType::A, {{dns::a("127.0.0.1")}});
  until_served_by(*p, {"a"});
}

TEST_F(Dns, TheAnswerSaysWhatWasAskedOfWhomAndWhatCameBack) {
  server.set("empty.test", DnsType::A, {});
  server.set("ill.test", DnsType::A, {.code = 2});
  server.set("shy.test", DnsType::A, {.code = 5});
  server.set("mute.test", DnsType::A, {.silent = true});
  for (const auto& [name, why] : {std::pair{"no.test", "there is no such name (NXDOMAIN)"},
                                  {"empty.test", "the name has no A record"},
                                  {"ill.test", "the server has failed (SERVFAIL)"},
                                  {"shy.test", "the server does not answer us (REFUSED)"},
                                  {"mute.test", "no answer in 200 ms"}}) {
    const auto p = proxy("name: " + std::string(name), "", ", timeout: 200ms");
    const auto answer = request(p->address(), kGet);
    EXPECT_EQ(answer.status(), 503);
    EXPECT_NE(answer.body.find("cluster \"web\": " + server.text() + " was asked for A of " + name + ": " + why),
              std::string::npos)
        << answer.body;
  }
}

TEST_F(Dns, WhoIsAskedAndDoesNotAnswerIsSaidWhileRequestsWait) {
  server.set("web.test", DnsType::A, {.silent = true});
  const auto p = proxy("name: web.test", ", connect_timeout: 20ms", ", timeout: 1m");
  const auto answer = request(p->address(), kGet);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.field("x-outrider-reason"), "discovery_timeout");
  EXPECT_NE(answer.body.find(server.text() + " is asked for A of web.test and has not answered yet"), std::string::npos)
      << answer.body;
}

TEST_F(Dns, TooLongForUdpAndWhatIsNoneOfOurs) {
  server.set("web.test", DnsType::A, {.answers = {dns::a("127.0.0.1")}, .only_tcp = true, .junk_first = true});
  const auto p = proxy("name: web.test, port: " + port_of(*a));
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  EXPECT_GE(server.asked_by_tcp(), 1);
  EXPECT_EQ(p->get("/clusters").body.find("10.6.6.6"), std::string::npos);
}

TEST_F(Dns, MoreThanIsWantedIsCutAndCounted) {
  DnsReply many;
  for (int i = 9; i > 0; --i) many.answers.push_back(dns::a(("127.0.0." + std::to_string(i)).c_str(), 60));
  server.set("web.test", DnsType::A, many);
  const auto p = proxy("name: web.test, port: " + port_of(*a), "", ", max_endpoints: 2");
  until_shown(*p, "127.0.0.2:");
  EXPECT_NE(p->get("/clusters").body.find("127.0.0.1:"), std::string::npos);
  EXPECT_EQ(p->get("/clusters").body.find("127.0.0.3:"), std::string::npos);
  EXPECT_GE(p->metric("outrider_dns_lookups_total", "result=\"cut\""), 1);
}

TEST_F(Dns, NamesStandBesideNumbersInAList) {
  const auto p = proxy("endpoints: [\"" + a->text() + "\", {address: \"host.test:" + port_of(*b) + "\", weight: 50}]");
  until_served_by(*p, {"a", "b"});
  until_shown(*p, "\"weight\": 50");
}

TEST_F(Dns, ARuleMayNameAHost) {
  const auto yaml = [&](const std::string& cluster) {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
           "defaults: {cluster: {dns: {port: " +
           port_of(*a) + ", servers: [\"" + server.text() +
           "\"]}}}\n"
           "routes: {edge: [{cluster: " +
           cluster + "}]}\n";
  };
  Proxy p(yaml("host.test"));
  EXPECT_EQ(request(p.address(), kGet).body, "a");
}

TEST_F(Dns, TlsIsVerifiedAgainstTheNameThatWasAskedFor) {
  Certificates::Wish wish;
  wish.names = {"web.test"};
  wish.addresses = {};
  const Certificates certificates(wish);
  TlsServer tls(certificates);
  Origin secret(tls.behind([](Stream& connection) {
    while (connection.read_message()) connection.send(ok("secret"));
  }));
  for (const char* name : {"web.test", "other.test"}) server.set(name, DnsType::A, {{dns::a("127.0.0.1")}});
  server.set("_https._tcp.web.test", DnsType::Srv, {{dns::srv(0, 1, secret.address().port(), "other.test")}});
  const auto ask = [&](const std::string& keys) {
    const auto p = proxy(keys, ", " + certificates.cluster(""));
    return request(p->address(), kGet);
  };
  EXPECT_EQ(ask("name: web.test, port: " + port_of(secret)).body, "secret");
  EXPECT_EQ(ask("endpoints: [\"web.test:" + port_of(secret) + "\"]").body, "secret");
  EXPECT_EQ(ask("name: _https._tcp.web.test, type: SRV").body, "secret")
      << "not the target's name, which anybody could have said";
  const auto wrong = ask("name: other.test, port: " + port_of(secret));
  EXPECT_EQ(wrong.status(), 502);
  EXPECT_NE(wrong.body.find("other.test"), std::string::npos) << wrong.body;
}

}  // namespace
}  // namespace outrider::test
