// What is told of a probe that fails: a word to count by, and what a person should know.

#include "upstream/health_checker.h"

#include <gtest/gtest.h>

#include "ground.h"
#include "tests/support/blackhole.h"
#include "tests/support/tls.h"

namespace outrider::upstream {
namespace {

struct Told final : HealthEvents {
  void on_health(const std::string&, const Endpoint&, Health health, const ProbeFailure* failure) override {
    lines.push_back(failure ? std::string(failure->reason) + ": " + failure->why : "healthy");
    EXPECT_EQ(health, failure ? Health::Unhealthy : Health::Healthy);
  }
  void on_probe(const std::string&, const ProbeFailure* failure) override { failure ? ++failed : ++passed; }
  std::vector<std::string> lines;
  int passed = 0, failed = 0;
};

struct Probes : testing::Test {
  Probes() {
    plan.kind = HealthPlan::Kind::Http;
    plan.interval = plan.timeout = milliseconds(20000);
    plan.jitter = 0;
    plan.healthy = plan.unhealthy = 1;
  }
  ~Probes() { ground.turns(4); }
  // What is told of an endpoint first.
  std::string first_of(const std::string& address) {
    Told told;
    HealthChecker checker(ground.loop, told);
    checker.follow("web", plan, set_of({instance(address)}));
    EXPECT_TRUE(ground.until([&] { return !told.lines.empty(); }));
    EXPECT_EQ(told.passed + told.failed, 1);
    return told.lines.empty() ? "" : told.lines[0];
  }
  // The same of an endpoint that is silent: a machine that stood still in between has not even connected.
  std::string limit_of(const test::Origin& silent) {
    plan.timeout = milliseconds(30);
    std::string line = first_of(silent.text());
    for (int i = 0; i < 50 && line == "timeout: connect_timeout"; ++i) line = first_of(silent.text());
    return line;
  }
  // TLS to whom this authority vouches for.
  void encrypt(const std::string& ca, const std::string& name = "localhost") {
    plan.tls.files = std::make_shared<net::TlsSlot>(*net::TlsContext::client({.ca = ca}));
    plan.tls.name = name;
  }
  static test::Origin::Serve answer(const std::string& bytes) {
    return [bytes](test::Stream& connection) {
      if (connection.read_message()) connection.send(bytes);
    };
  }
  static void be_silent(test::Stream& connection) { (void)connection.read_until("never said"); }
  Ground ground;
  HealthPlan plan;
  test::Certificates certificates;
};

TEST_F(Probes, SayWhyNobodyCouldBeReached) {
  EXPECT_EQ(first_of(test::refusing_address().text()), "refused: connection_refused");
  EXPECT_EQ(first_of("nonsense"), "unreachable: bad_address");
  plan.timeout = milliseconds(30);
  EXPECT_EQ(first_of(test::Blackhole().text()), "timeout: connect_timeout");
}

TEST_F(Probes, SayWhatIsWrongWithAnAnswer) {
  EXPECT_EQ(first_of(test::Origin(answer(test::ok("fine"))).text()), "healthy");
  EXPECT_EQ(first_of(test::Origin(answer("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")).text()), "status: status 500");
  EXPECT_EQ(first_of(test::Origin(answer("")).text()).substr(0, 8), "closed: ");
  EXPECT_EQ(first_of(test::Origin(answer("nonsense\r\n\r\n")).text()).substr(0, 8), "closed: ");
  EXPECT_EQ(limit_of(test::Origin(be_silent)), "timeout: no answer in time");
}

TEST_F(Probes, SayWhatIsWrongWithACertificate) {
  test::TlsServer server(certificates);
  const test::Origin origin(server.behind(answer(test::ok("fine"))));
  encrypt(certificates.ca());
  EXPECT_EQ(first_of(origin.text()), "healthy");
  encrypt(certificates.ca(), "cart.example");
  EXPECT_EQ(first_of(origin.text()), "tls: tls_wrong_name: its certificate is for localhost, 127.0.0.1, not for cart.example");
  encrypt(test::Certificates().ca());
  const std::string stranger = first_of(origin.text());
  EXPECT_EQ(stranger.substr(0, 81), "tls: tls_unknown_ca: its certificate is of an authority that is not trusted here ")
      << stranger;
}

TEST_F(Probes, SayThatTlsWasNotSpoken) {
  encrypt(certificates.ca());
  EXPECT_EQ(first_of(test::Origin([](test::Stream& connection) { connection.read_some(4096); }).text()),
            "tls: tls_closed: it closed the connection in the handshake");
  EXPECT_EQ(first_of(test::Origin([](test::Stream& connection) {
                       connection.send("220 mail\r\n");
                       be_silent(connection);
                     }).text())
                .substr(0, 22),
            "tls: tls_not_tls: it d");
  EXPECT_EQ(limit_of(test::Origin(be_silent)), "timeout: tls_timeout");
}

// Once for each reason in a row, however often it is asked.
TEST_F(Probes, TellOfAnotherReasonWhileAnEndpointStaysUnhealthy) {
  std::atomic<int> asked{0};
  const test::Origin origin([&](test::Stream& connection) {
    if (!connection.read_message()) return;
    const int nth = ++asked;
    if (nth > 6) connection.send(test::ok("fine"));
    else if (nth <= 3) connection.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  });
  plan.interval = milliseconds(1);
  Told told;
  HealthChecker checker(ground.loop, told);
  checker.follow("web", plan, set_of({instance(origin.text())}));
  ASSERT_TRUE(ground.until([&] { return told.passed > 2; }));
  EXPECT_EQ(told.failed, 6);
  ASSERT_EQ(told.lines.size(), 3u);
  EXPECT_EQ(told.lines[0], "status: status 500");
  EXPECT_EQ(told.lines[1].substr(0, 8), "closed: ");
  EXPECT_EQ(told.lines[2], "healthy");
}

}  // namespace
}  // namespace outrider::upstream
