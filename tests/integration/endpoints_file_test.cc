// FEATURES rows 96 and 97: endpoints in a file of their own.

#include <gtest/gtest.h>

#include "identity/files.h"
#include "tests/support/dns_server.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

struct EndpointsFile : testing::Test {
  EndpointsFile() { Proxy::file_look = milliseconds(20); }
  ~EndpointsFile() { Proxy::file_look = identity::kFileLook; }
  std::string file() const { return folder.file("a"); }
  void write(const std::string& text) const { ASSERT_TRUE(identity::write_file(file(), text, 0600)); }
  std::unique_ptr<Proxy> proxy(const std::string& more = {}) const {
    return std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "routes: {edge: [{cluster: web}]}\nclusters: {web: {lb: round_robin, endpoints_file: " +
            file() + more + "}}\n",
        std::vector<std::string>{"overload.threads=1"});
  }
  static std::string until_shown(Proxy& proxy, const std::string& what) {
    std::string page;
    for (const auto end = net::Loop::clock() + seconds(30); net::Loop::clock() < end;) {
      page = proxy.get("/clusters").body;
      if (page.find(what) != page.npos) return page;
    }
    ADD_FAILURE() << what << " is not in " << page;
    return page;
  }
  TemporaryDirectory folder;
  std::unique_ptr<Origin> a = Origin::answering("a"), b = Origin::answering("b");
};

TEST_F(EndpointsFile, EndpointsComeGoAndWeighWhatItSays) {
  write("- " + a->text() + "\n");
  const auto p = proxy();
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  write("- {address: \"" + a->text() + "\", weight: 0}\n- {address: \"" + b->text() + "\", weight: 50, zone: z}\n");
  const auto page = until_shown(*p, "\"weight\": 50");
  EXPECT_NE(page.find("\"state\": \"draining\""), std::string::npos) << page;
  EXPECT_NE(page.find("\"from\": \"the file " + file() + "\""), std::string::npos) << page;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(request(p->address(), kGet).body, "b");
  write("[" + a->text() + "]");
  until_shown(*p, "\"weight\": 100");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  p->expect_metric(3, "outrider_endpoints_file_reads_total", "result=\"success\"");
}

TEST_F(EndpointsFile, ABadOneChangesNothingAndSaysWhere) {
  write("- " + a->text() + "\n");
  const auto p = proxy();
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  for (const auto& [text, why] :
       {std::pair{"- " + b->text() + "\n- nonsense\n", ":2:3: error: endpoints[1]: expected host:port"},
        {std::string("- {address: \"10.0.0.1:80\", wait: 1}\n"), ":1:28: error: endpoints[0].wait: unknown key"},
        {std::string(), ":1:1: error: expected a list of endpoints"},
        {std::string("web: 1\n"), ":1:1: error: expected a list of endpoints"},
        {std::string("- [\n"), ":1:3: error: a key must be plain text"},
        {"# " + std::string(1100000, 'x'), ": larger than 1 MiB"}}) {
    write(text);
    until_shown(*p, file() + why);
    until_shown(*p, "\"known\": \"stale\"");
    EXPECT_EQ(request(p->address(), kGet).body, "a");
  }
  ::unlink(file().c_str());
  until_shown(*p, file() + ": No such file or directory");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  EXPECT_GE(p->metric("outrider_endpoints_file_reads_total", "result=\"failure\""), 6) << "two in a row complain of the same";
  write("- " + b->text() + "\n");
  until_shown(*p, "\"known\": \"yes\"");
  EXPECT_EQ(request(p->address(), kGet).body, "b");
}

TEST_F(EndpointsFile, OneThatIsNotThereYetIsSaidAndThenRead) {
  const auto p = proxy();
  const auto answer = request(p->address(), kGet);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_NE(answer.body.find("cluster \"web\": " + file() + ": No such file or directory"), std::string::npos) << answer.body;
  write("- " + a->text() + "\n");
  until_shown(*p, "\"known\": \"yes\"");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  write("[]\n");
  until_shown(*p, "\"known\": \"absent\"");
  EXPECT_NE(request(p->address(), kGet).body.find(file() + " lists no endpoints"), std::string::npos);
}

TEST_F(EndpointsFile, HostsMayBeNames) {
  DnsServer server;
  server.set("host.test", DnsType::A, {{dns::a("127.0.0.1")}});
  write("- host.test:" + std::to_string(a->address().port()) + "\n");
  const auto p = proxy(", dns: {servers: [\"" + server.text() + "\"]}");
  EXPECT_EQ(request(p->address(), kGet).body, "a");
  write("- host.test:" + std::to_string(b->address().port()) + "\n");
  until_shown(*p, b->text());
  EXPECT_EQ(request(p->address(), kGet).body, "b");
  EXPECT_EQ(server.asked("host.test", DnsType::A), 1) << "it was known by then";
}

}  // namespace
}  // namespace outrider::test
