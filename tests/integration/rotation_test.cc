// Another certificate and another authority while requests and connections are under way.

#include <gtest/gtest.h>

#include "identity/files.h"
#include "tests/support/h2_peer.h"
#include "tests/support/mesh.h"

namespace outrider::test {
namespace {

const http::Fields kAsk2{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "shop"}};

constexpr uint32_t kBody = 3;  // "one", "two"

// Requests over one connection of HTTP/2, one after another, for as long as it lives.
class Traffic2 {
 public:
  explicit Traffic2(const net::Address& to) : client_(to), thread_([this] { call(); }) {}
  ~Traffic2() { stop(); }
  void stop() {
    running_ = false;
    if (thread_.joinable()) thread_.join();
  }
  int answers() const { return answers_; }
  const std::string& failure() const { return failure_; }  // after stop()

 private:
  void call() {
    for (uint32_t stream = 1; running_ && failure_.empty(); stream += 2) {
      client_.send(http::headers(stream, kAsk2));
      const auto end = "DATA " + std::to_string(stream) + " end";
      const auto lines = client_.read_until(end);
      if (has(lines, end) && has(lines, ":status: 200")) ++answers_;
      else failure_ = lines;
      client_.forget();
      client_.send(http::frame(NGHTTP2_WINDOW_UPDATE, 0, 0, http::number(kBody)));
    }
  }
  H2Peer client_;
  std::atomic<bool> running_{true};
  std::atomic<int> answers_{0};
  std::string failure_;
  std::thread thread_;
};

// Two replicas of a service of HTTP, one of bytes, and who calls them; an authority, and the one that comes after it.
class Rotation : public Mesh {
 protected:
  Rotation() {
    Proxy::file_look = milliseconds(20);
    const WallTime now = net::Loop::wall();
    EXPECT_TRUE(identity::make_dev_ca(folder.path("next"), now));
    old_ = identity::contents(folder.path("ca/ca.crt"));
    new_ = identity::contents(folder.path("next/ca.crt"));
    for (const char* account : kAll) {
      EXPECT_TRUE(identity::make_folder(folder.path(account)));
      trust(account, old_);
      issue(account, "ca");
    }
  }
  ~Rotation() { Proxy::file_look = identity::kFileLook; }
  // Of the two files neither is of use without the other: one renewal, whenever they are looked at.
  void issue(const std::string& account, const std::string& authority) {
    const auto made = identity::Authority::load(folder.path(authority))
                          ->issue({identity::id_of("spiffe://mesh.local/ns/default/sa/" + account), {}, {}}, net::Loop::wall());
    EXPECT_TRUE(made->key.save(folder.path(account + "/tls.key")));
    EXPECT_TRUE(identity::write_file(folder.path(account + "/tls.crt"), made->certificate.pem(), 0644));
  }
  void trust(const std::string& account, const std::string& bundle) {
    EXPECT_TRUE(identity::write_file(folder.path(account + "/ca.crt"), bundle, 0644));
  }
  void start(const std::vector<std::string>& more = {}) {
    auto set = more;
    for (const char* each :
         {"listeners.bytes.address=127.0.0.1:0", "listeners.bytes.protocol=tcp", "routes.bytes=[{cluster: db}]"})
      set.push_back(each);
    web = caller("web", "web", set);
    seed = registry_of(*web);
    const auto beside = [&](const std::string& account, const std::string& service) {
      auto all = replica(account, "", account);
      all.pop_back();
      std::erase(all, "service.name=shop");
      all.push_back(service);
      for (const auto& each : more) all.push_back(each);
      return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", all);
    };
    one = beside("one", "service={name: shop, port: " + std::to_string(app_one->address().port()) + "}");
    two = beside("two", "service={name: shop, port: " + std::to_string(app_two->address().port()) + "}");
    db = beside("db", "service={name: db, ports: [{port: " + std::to_string(bytes.address().port()) + ", protocol: tcp}]}");
    until_served_by(*web, {"one", "two"});
    until("the service of bytes", [&] { return has(web->get("/clusters?cluster=db").body, "\"state\": \"ready\""); });
  }
  std::vector<std::pair<std::string, Proxy*>> all() {
    return {{"web", web.get()}, {"one", one.get()}, {"two", two.get()}, {"db", db.get()}};
  }
  static void expect_renewals(Proxy& proxy, int count) {
    proxy.expect_metric(count, "outrider_identity_rotations_total", "result=\"success\"");
  }
  Stream open_bytes() {
    Stream stream;
    until("an echo", [&] {
      stream = Stream::connect(web->address("bytes"));
      stream.send("ping");
      return stream.read_exactly(4) == "ping";
    });
    return stream;
  }
  static bool echoes(Stream& stream) { return stream.send("ping") && stream.read_exactly(4) == "ping"; }

  static constexpr const char* kAll[] = {"web", "one", "two", "db"};
  std::string old_, new_;
  std::unique_ptr<Origin> app_one = app("one"), app_two = app("two");
  Origin bytes{[](Stream& connection) {
    for (std::string some; !(some = connection.read_some(100)).empty();) connection.send(some);
  }};
  std::unique_ptr<Proxy> web, one, two, db;
};

// Both authorities are believed everywhere, then each sidecar in turn shows a certificate of the new one, then it alone is
// believed. Nobody notices.
TEST_F(Rotation, ToAnotherAuthorityFailsNoRequestAndDropsNoConnection) {
  start();
  Traffic traffic(web->address("outbound"));
  Traffic2 traffic2(web->address("outbound"));
  Stream open = open_bytes();
  const auto under_load = [&](const std::string& step) {
    const int then = traffic.answers(), then2 = traffic2.answers();
    until("answers after " + step, [&] { return traffic.answers() > then + 100 && traffic2.answers() > then2 + 20; });
    EXPECT_TRUE(echoes(open)) << step;
  };
  under_load("the start");
  for (const auto& [account, proxy] : all()) {
    trust(account, old_ + new_);
    expect_renewals(*proxy, 1);
    under_load(account + " trusts both");
  }
  for (const auto& [account, proxy] : all()) {
    issue(account, "next");
    expect_renewals(*proxy, 2);
    under_load(account + " shows the new one");
  }
  for (const auto& [account, proxy] : all()) {
    trust(account, new_);
    expect_renewals(*proxy, 3);
    under_load(account + " trusts the new one alone");
  }
  until_served_by(*web, {"one", "two"});
  under_load("it all");
  traffic.stop();
  traffic2.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(traffic2.failure(), "");
  for (const char* listener : {"outbound", "bytes"}) {
    const std::string label = std::string("listener=\"") + listener + "\"";
    EXPECT_EQ(web->metric("outrider_connections_closed_total", label),
              web->metric("outrider_connections_closed_total", label + ",reason=\"client\""))
        << web->scrape();
  }
  EXPECT_TRUE(echoes(open)) << "it was there before, and its time is not over";
}

// The sidecar of the bytes shows a certificate of the old authority for as long as it can: when that is believed no more, what
// is open to it ends, and no more than that.
TEST_F(Rotation, WhoIsTrustedNoMoreHasSoLongToEndAndOthersStay) {
  start({"identity.drain=300ms"});
  Stream open = open_bytes();
  for (const auto& [account, proxy] : all()) {
    trust(account, old_ + new_);
    expect_renewals(*proxy, 1);
  }
  for (const auto& account : {"web", "one", "two"}) issue(account, "next");
  for (const auto& proxy : {web.get(), one.get(), two.get()}) expect_renewals(*proxy, 2);
  Stream later = open_bytes();
  Traffic traffic(web->address("outbound"));
  Traffic2 traffic2(web->address("outbound"));
  until("load", [&] { return traffic.by("one") > 0 && traffic.by("two") > 0 && traffic2.answers() > 0; });
  const auto distrusted = [](Proxy& proxy, double count, const std::string& side) {
    proxy.expect_metric(count, "outrider_identity_distrusted_total", "side=\"" + side + "\"");
  };
  distrusted(*web, 0, "endpoint");
  trust("web", new_);
  expect_renewals(*web, 3);
  EXPECT_TRUE(open.at_end());
  EXPECT_TRUE(later.at_end());
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 100; });
  traffic.stop();
  traffic2.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(traffic2.failure(), "");
  distrusted(*web, web->metric("outrider_identity_distrusted_total"), "endpoint");
  EXPECT_GE(web->metric("outrider_identity_distrusted_total"), 2);
}

// The other side: what came by an old certificate ends at the sidecar of the app.
TEST_F(Rotation, WhoCameByACertificateThatIsTrustedNoMoreHasSoLongToo) {
  start({"identity.drain=300ms"});
  Stream open = open_bytes();
  trust("db", old_ + new_);
  expect_renewals(*db, 1);
  issue("db", "next");
  expect_renewals(*db, 2);
  trust("db", new_);
  expect_renewals(*db, 3);
  EXPECT_TRUE(open.at_end());
  db->expect_metric(1, "outrider_identity_distrusted_total", "side=\"client\"");
  db->expect_metric(1, "outrider_connections_closed_total", "listener=\"inbound\",reason=\"distrusted\"");
}

}  // namespace
}  // namespace outrider::test
