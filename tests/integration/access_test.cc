// Who is let in: by address, by password, by key.

#include <gtest/gtest.h>

#include "base/base64.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/unit/identity/pki.h"

namespace outrider::test {
namespace {

constexpr const char* kGet = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n";

// An origin that answers with the request's head, and a proxy before it with these filters.
class Access : public testing::Test {
 protected:
  Proxy& start(const std::string& filters, const std::string& more = {}) {
    proxy_ = std::make_unique<Proxy>(Proxy::edge({origin_->text()}) + "filters: {edge: [" + filters + "]}\n" + more);
    return *proxy_;
  }
  Message ask(const std::string& fields = {}) { return request(proxy_->address(), kGet + fields + "\r\n"); }
  identity::TemporaryFolder folder;

 private:
  std::unique_ptr<Origin> origin_ = Origin::answering([](const Message& message) {
    std::string said;
    for (const auto& [name, value] : message.fields) said += name + ": " + value + "\n";
    return ok(said);
  });
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Access, AnAddressThatIsDeniedGetsNoConnection) {
  Proxy& proxy = start("{ip: {deny: [127.0.0.0/8]}}");
  Stream client = proxy.connect();
  client.send(std::string(kGet) + "\r\n");
  EXPECT_EQ(client.read_all(), "");
  proxy.expect_metric(1, "outrider_filter_denied_total", "filter=\"ip\",reason=\"ip.deny[0]\"");
  proxy.expect_metric(1, "outrider_connections_closed_total", "reason=\"denied\"");
}

TEST_F(Access, AnAddressThatIsAllowedDoes) {
  Proxy& proxy = start("{ip: {allow: [10.0.0.0/8, 127.0.0.1]}}");
  EXPECT_EQ(ask().status(), 200);
  EXPECT_EQ(proxy.metric("outrider_filter_denied_total"), 0);
}

TEST_F(Access, AddressesAreJudgedForTcpToo) {
  const auto origin = Origin::answering("here");
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\", protocol: tcp}}\n"
      "routes: {edge: [{cluster: web}]}\nclusters: {web: {endpoints: [\"" +
      origin->text() +
      "\"]}}\n"
      "filters: {edge: [{ip: {allow: [10.0.0.0/8]}}]}\n");
  Stream client = proxy.connect();
  client.send(std::string(kGet) + "\r\n");
  EXPECT_EQ(client.read_all(), "");
  proxy.expect_metric(1, "outrider_filter_denied_total", "filter=\"ip\",reason=\"ip.default\"");
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(Access, ARuleOfItsOwnJudgesItsRequestsAndNamesTheRule) {
  const auto origin = Origin::answering("here");
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{match: {prefix: /admin}, cluster: web, filters: [{ip: {allow: [10.0.0.0/8], deny: [127.0.0.1]}}]}, {cluster: web}]}\n"
      "clusters: {web: {endpoints: [\"" +
      origin->text() + "\"]}}\n");
  EXPECT_EQ(request(proxy.address(), "GET / HTTP/1.1\r\nHost: web\r\n\r\n").status(), 200);
  const auto answer = request(proxy.address(), "GET /admin/x HTTP/1.1\r\nHost: web\r\n\r\n");
  EXPECT_EQ(answer.status(), 403);
  EXPECT_EQ(answer.field("x-outrider-reason"), "ip.deny[0]");
  proxy.expect_metric(1, "outrider_filter_denied_total", "filter=\"ip\",reason=\"ip.deny[0]\"");
}

TEST_F(Access, APasswordIsAskedForAndNotPassedOn) {
  const std::string users = folder.write("users", "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
  Proxy& proxy = start("{basic_auth: {users: \"file:" + users + "\", realm: shop, forward: x-user}}");
  Message answer = ask();
  EXPECT_EQ(answer.status(), 401);
  EXPECT_EQ(answer.field("www-authenticate"), "Basic realm=\"shop\", charset=\"UTF-8\"");
  EXPECT_EQ(answer.field("x-outrider-reason"), "no_credentials");
  const std::string right = "Authorization: Basic " + encode_base64("anna:secret", Base64::Padded) + "\r\n";
  answer = ask(right + "X-User: root\r\n");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_NE(answer.body.find("x-user: anna\n"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("uthorization"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("root"), std::string::npos) << answer.body;
  EXPECT_EQ(ask("Authorization: Basic " + encode_base64("anna:guess", Base64::Padded) + "\r\n").status(), 401);
  proxy.expect_metric(1, "outrider_filter_denied_total", "filter=\"basic_auth\",reason=\"wrong_credentials\"");
  proxy.expect_metric(1, "outrider_requests_total", "code=\"200\"");
}

TEST_F(Access, AKeyThatIsTakenAwayCountsNoMore) {
  const std::string keys = folder.write("keys", "shop 0123456789abcdef\n");
  start("{api_key: {keys: \"file:" + keys + "\"}}");
  EXPECT_EQ(ask().status(), 401);
  Message answer = ask("X-Api-Key: 0123456789abcdef\r\n");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body.find("0123456789abcdef"), std::string::npos) << answer.body;
  folder.write("keys", "shop another-key-of-someone\n");
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (ask("X-Api-Key: 0123456789abcdef\r\n").status() != 401)
    ASSERT_LT(std::chrono::steady_clock::now(), limit) << "the file was not read again";
  EXPECT_EQ(ask("X-Api-Key: another-key-of-someone\r\n").status(), 200);
}

}  // namespace
}  // namespace outrider::test
