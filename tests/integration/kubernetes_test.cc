// Endpoints from Kubernetes' EndpointSlices, by an API server that does everything wrong that one can do.

#include <gtest/gtest.h>

#include <set>

#include "tests/support/api_server.h"
#include "tests/support/mutual_tls.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: cart\r\nConnection: close\r\n\r\n";

class Kubernetes : public testing::Test {
 protected:
  Kubernetes() {
    Proxy::file_look = milliseconds(20);
    say_token("first");
    api_->expect_token("first");
  }
  ~Kubernetes() { Proxy::file_look = identity::kFileLook; }

  void say_token(const std::string& token) { EXPECT_TRUE(identity::write_file(folder_.file("t"), token + "\n", 0600)); }
  // `keys` are more of registry.kubernetes.
  std::string registry(const std::string& keys = {}) {
    const std::string backoff = keys.find("backoff") == keys.npos ? ", backoff: {base: 5ms, max: 20ms}" : "";
    return "registry: {kind: kubernetes, kubernetes: {server: \"" + api_->url() + "\", token_file: " + folder_.file("t") +
           ", ca: " + certificates_.ca() + ", namespace: shop" + backoff + (keys.empty() ? "" : ", " + keys) + "}}\n";
  }
  void start(const std::string& keys = {}, std::vector<std::string> set = {}) {
    set.push_back("overload.threads=1");
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\n" + registry(keys) +
            "listeners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: cart}]}\n"
            "defaults: {cluster: {lb: round_robin, slow_start: 0, outlier_detection: {consecutive_local: 0, "
            "consecutive_gateway: 0}}}\n",
        std::move(set));
  }
  // A slice of cart with these.
  TestSlice slice(const std::string& name, const std::vector<std::string>& endpoints, const Origin& at) {
    return {name, "cart", endpoints, at.address().port()};
  }
  TestSlice only(const std::string& name, const Origin& at) { return slice(name, {endpoint("127.0.0.1")}, at); }
  template <class Condition>
  void until(const std::string& what, Condition done) {
    for (const auto end = net::Loop::clock() + seconds(60); !done();) {
      if (net::Loop::clock() > end)
        FAIL() << "waited in vain for " << what << "\n" << proxy_->get("/registry").body << proxy_->get("/clusters").body;
      std::this_thread::sleep_for(milliseconds(5));  // between looks: who is looked at has to come to its turn
    }
  }
  // Waits until requests are answered by exactly these.
  void until_served_by(const std::set<std::string>& names) {
    std::set<std::string> seen;
    until("answers of " + testing::PrintToString(names), [&] {
      seen.clear();
      for (size_t i = 0; i < 2 * names.size() + 2; ++i) {
        const auto answer = request(proxy_->address(), kGet);
        seen.insert(answer.status() == 200 ? answer.body : std::to_string(answer.status()));
      }
      return seen == names;
    });
  }
  double failures(const std::string& reason) {
    return proxy_->metric("outrider_registry_failures_total", "reason=\"" + reason + "\"");
  }
  void until_failed(const std::string& reason) {
    until("a failure: " + reason, [&] { return failures(reason) > 0; });
  }
  void until_watched(int watches = 1) {
    until("a watch", [&] { return api_->open_watches() == watches; });
  }
  bool shows(const std::string& what, const std::string& page = "/clusters") {
    return proxy_->get(page).body.find(what) != std::string::npos;
  }
  // The last question that has that in it.
  std::string last_asked(const std::string& what) {
    std::string last;
    for (const auto& path : api_->asked())
      if (path.find(what) != path.npos) last = path;
    return last;
  }

  TemporaryDirectory folder_;
  Certificates certificates_;
  std::unique_ptr<ApiServer> api_ = std::make_unique<ApiServer>(&certificates_);
  std::unique_ptr<Origin> a_ = Origin::answering("a"), b_ = Origin::answering("b"), c_ = Origin::answering("c");
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Kubernetes, ExactlyWhatIsListedIsServed) {
  api_->put(only("cart-1", *a_));
  api_->put(only("cart-2", *b_));
  api_->put({"web-1", "web", {endpoint("127.0.0.1")}, c_->address().port()});
  start();
  until_served_by({"a", "b"});
  EXPECT_EQ(c_->requests(), 0);
  const std::string first = last_asked("resourceVersion=0");
  EXPECT_NE(first.find("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?"), first.npos) << first;
  until_watched();
  EXPECT_TRUE(shows("\"from\": \"EndpointSlices of shop/cart\""));
  EXPECT_TRUE(shows("\"known\": \"yes\""));
  EXPECT_TRUE(shows("\"kind\": \"kubernetes\"", "/registry"));
  EXPECT_TRUE(shows("\"ready\": true", "/registry"));
  EXPECT_TRUE(shows("\"name\": \"shop/cart\"", "/services"));
  EXPECT_EQ(proxy_->metric("outrider_registry_services"), 1);
  EXPECT_EQ(proxy_->metric("outrider_registry_records", "state=\"valid\""), 2);
  EXPECT_EQ(proxy_->metric("outrider_registry_lookup_duration_seconds_count"), 1);
  EXPECT_GT(proxy_->metric("outrider_registry_bytes_total", "way=\"in\""), 100);
}

TEST_F(Kubernetes, ListsComeInPages) {
  for (int i = 0; i < 5; ++i) api_->put(only("cart-" + std::to_string(i), i == 4 ? *b_ : *a_));
  start("page: 2");
  until_served_by({"a", "b"});
  EXPECT_NE(last_asked("labelSelector").find("watch=1"), std::string::npos);
  EXPECT_NE(last_asked("continue=2").find("limit=2"), std::string::npos);
  EXPECT_NE(last_asked("continue=4"), "");
  EXPECT_EQ(last_asked("continue=4").find("resourceVersion"), std::string::npos) << "the server knows of which version it is";
}

TEST_F(Kubernetes, WhatIsAddedChangedAndRemovedIsFollowed) {
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  const int lists = api_->lists();
  api_->put(only("cart-2", *b_));
  until_served_by({"a", "b"});
  api_->put(only("cart-1", *c_));
  until_served_by({"b", "c"});
  api_->put(slice("cart-2", {endpoint("127.0.0.1", "\"ready\": false")}, *b_));
  until_served_by({"c"});
  api_->put(slice("cart-2", {endpoint("127.0.0.1")}, *b_));
  until_served_by({"b", "c"});
  api_->erase("cart-1");
  until_served_by({"b"});
  api_->put(slice("cart-2", {}, *b_));
  until_served_by({"503"});
  api_->put(only("cart-2", *a_));
  until_served_by({"a"});
  EXPECT_EQ(api_->lists(), lists) << "all of that was in one watch";
  EXPECT_EQ(api_->watches(), 1);
  EXPECT_EQ(proxy_->metric("outrider_registry_events_total", "type=\"added\""), 1);
  EXPECT_EQ(proxy_->metric("outrider_registry_events_total", "type=\"modified\""), 5);
  EXPECT_EQ(proxy_->metric("outrider_registry_events_total", "type=\"deleted\""), 1);
}

TEST_F(Kubernetes, AnEndpointThatMovesBetweenSlicesIsAlwaysThereOnce) {
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  api_->put(only("cart-2", *a_));
  api_->put(only("cart-3", *b_));
  until_served_by({"a", "b"});
  EXPECT_EQ(proxy_->metric("outrider_cluster_endpoints", "state=\"ready\""), 2);
  api_->erase("cart-1");
  api_->put(only("cart-4", *c_));
  until_served_by({"a", "b", "c"});
}

TEST_F(Kubernetes, AWatchGoesOnFromTheLastBookmark) {
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  api_->bookmark();
  until("the bookmark", [&] { return proxy_->metric("outrider_registry_events_total", "type=\"bookmark\"") == 1; });
  const std::string version = std::to_string(api_->version());
  const int lists = api_->lists();
  api_->end_watches();
  until("another watch", [&] { return api_->watches() == 2 && api_->open_watches() == 1; });
  const std::string path = last_asked("watch=1");
  EXPECT_NE(path.find("&resourceVersion=" + version + "&"), path.npos) << path;
  EXPECT_NE(path.find("allowWatchBookmarks=true"), path.npos) << path;
  EXPECT_NE(path.find("timeoutSeconds="), path.npos) << path;
  api_->put(only("cart-2", *b_));
  until_served_by({"a", "b"});
  EXPECT_EQ(api_->lists(), lists);
}

TEST_F(Kubernetes, WhatHappenedWhileAWatchWasCutIsNotMissed) {
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  api_->refuse(500);
  api_->cut_watches();
  until_failed("status");
  api_->erase("cart-1");
  api_->put(only("cart-2", *b_));
  const int lists = api_->lists();
  api_->refuse(0);
  until_served_by({"b"});
  EXPECT_EQ(api_->lists(), lists) << "the watch went on where it was";
}

class Gone : public Kubernetes, public testing::WithParamInterface<bool> {};

TEST_P(Gone, AVersionThatIsForgottenMeansAnotherList) {
  const bool as_event = GetParam();
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  api_->refuse(503);
  api_->cut_watches();
  until("that it is stale", [&] { return shows("\"known\": \"stale\""); });
  api_->erase("cart-1");
  api_->put(only("cart-2", *b_));
  api_->compact(as_event);
  const int lists = api_->lists();
  api_->refuse(0);
  until_served_by({"b"});
  EXPECT_EQ(api_->lists(), lists + 1);
  EXPECT_GE(failures("expired"), 1);
  EXPECT_EQ(proxy_->metric("outrider_registry_events_total", "type=\"error\""), as_event ? 1 : 0);
  const std::string list = last_asked("limit=");
  EXPECT_EQ(list.find("resourceVersion"), list.npos) << "nothing but the newest: " << list;
}

INSTANTIATE_TEST_SUITE_P(, Gone, testing::Bool(), [](const auto& info) { return info.param ? "AsAnEvent" : "AsAStatus"; });

TEST_F(Kubernetes, ATokenThatIsRefusedIsReadAnewAsSoonAsItIsAnother) {
  api_->put(only("cart-1", *a_));
  start("backoff: {base: 1h, max: 1h}");
  until_served_by({"a"});
  until_watched();
  api_->bookmark();
  until("the bookmark", [&] { return proxy_->metric("outrider_registry_events_total", "type=\"bookmark\"") == 1; });
  api_->expect_token("second");
  api_->end_watches();
  until_failed("unauthorized");
  api_->put(only("cart-1", *b_));
  until_served_by({"a"});
  say_token("second");
  until_served_by({"b"});
  until_watched();
  EXPECT_EQ(failures("unauthorized"), 1);
}

TEST_F(Kubernetes, ATokenThatIsRenewedInTimeIsUsedFromThenOn) {
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  say_token("second");
  api_->expect_token("second");
  api_->end_watches();
  until("another watch", [&] { return api_->watches() == 2 && api_->open_watches() == 1; });
  EXPECT_EQ(failures("unauthorized"), 0);
}

TEST_F(Kubernetes, ALineMayComeInPieces) {
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
  until_watched();
  const std::string line = "{\"type\": \"ADDED\", \"object\": " + only("cart-2", *b_).json("shop", 900, true) + "}\n";
  constexpr size_t kSent = 22;
  for (const char byte : line.substr(0, kSent)) {
    until_served_by({"a"});
    api_->send(std::string(1, byte));
  }
  api_->send(line.substr(kSent));
  until_served_by({"a", "b"});
  EXPECT_EQ(api_->watches(), 1);
}

TEST_F(Kubernetes, HalfALineIsSilence) {
  api_->put(only("cart-1", *a_));
  start("silence: 300ms");
  until_served_by({"a"});
  until_watched();
  const int lists = api_->lists();
  api_->send("{\"type\": \"ADDED\", \"obj");
  until_failed("silent");
  until("another watch", [&] { return api_->watches() >= 2; });
  until("that it is confirmed", [&] { return shows("\"known\": \"yes\""); });
  api_->put(only("cart-2", *b_));
  until_served_by({"a", "b"});
  EXPECT_EQ(api_->lists(), lists);
}

TEST_F(Kubernetes, WhoNeverAnswersIsAskedAgain) {
  api_->put(only("cart-1", *a_));
  api_->be_mute(true);
  start("timeout: 300ms");
  until_failed("timeout");
  EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
  until("why", [&] { return shows("no whole answer in 300 ms"); });  // and not that the machine was too busy to connect
  EXPECT_TRUE(shows("\"ready\": false", "/registry"));
  api_->be_mute(false);
  until_served_by({"a"});
}

TEST_F(Kubernetes, WhatIsKnownStaysWhileTheServerIsAwayAndIsCorrectedAfterwards) {
  api_->put(only("cart-1", *a_));
  api_->put(only("cart-2", *b_));
  start();
  until_served_by({"a", "b"});
  until_watched();
  std::atomic<bool> running{true};
  std::atomic<int> good{0};
  std::set<std::string> bad;
  std::thread traffic([&] {
    while (running) {
      const auto answer = request(proxy_->address(), kGet);
      if (answer.status() == 200) ++good;
      else bad.insert(answer.start);
    }
  });
  api_->be_away(true);
  until("that it is stale", [&] { return shows("\"known\": \"stale\""); });
  EXPECT_TRUE(shows("the API server (" + api_->url().substr(8) + "): "));
  EXPECT_EQ(proxy_->metric("outrider_registry_records", "state=\"stale\""), 2);
  EXPECT_EQ(proxy_->metric("outrider_cluster_endpoints", "state=\"stale\""), 2);
  until("more failures", [&] { return failures("connection") > 10; });
  const int before = good;
  until("traffic meanwhile", [&] { return good > before + 20; });
  EXPECT_GT(proxy_->metric("outrider_registry_staleness_seconds", "cluster=\"shop/cart\""), 0);
  api_->erase("cart-2");
  api_->put(only("cart-3", *c_));
  api_->compact(false);
  api_->be_away(false);
  until_served_by({"a", "c"});
  running = false;
  traffic.join();
  EXPECT_EQ(bad, std::set<std::string>{});
  EXPECT_TRUE(shows("\"known\": \"yes\""));
  proxy_->expect_metric(0, "outrider_registry_records", "state=\"stale\"");
}

TEST_F(Kubernetes, WhatIsTooOldIsNotServed) {
  api_->put(only("cart-1", *a_));
  start({}, {"registry.stale.serve=100ms"});
  until_served_by({"a"});
  until_watched();
  api_->be_away(true);
  until_served_by({"503"});
  api_->be_away(false);
  until_served_by({"a"});
}

TEST_F(Kubernetes, WhatMakesNoSenseChangesNothing) {
  api_->put(only("cart-1", *a_));
  start("max_size: 64KiB");
  until_served_by({"a"});
  until_watched();
  int failed = 0;
  for (const std::string line : {"{\"type\": \"ADDED\"}", "no JSON", "{\"type\": \"NEW\", \"object\": {}}",
                                 "{\"type\": \"ADDED\", \"object\": {\"kind\": \"Pod\", \"metadata\": {\"name\": \"x\"}}}"}) {
    api_->send(line + "\n");
    ++failed;
    until("that it is not believed", [&] { return failures("malformed") == failed; });
    until("another watch", [&] { return api_->watches() == failed + 1 && api_->open_watches() == 1; });
    until_served_by({"a"});
  }
  api_->send("{\"type\": \"ADDED\", \"object\": \"" + std::string(70 * 1024, 'x') + "\"}\n");
  until_failed("oversized");
  EXPECT_EQ(proxy_->metric("outrider_registry_rejected_total", "reason=\"oversized\""), 1);
  EXPECT_EQ(proxy_->metric("outrider_registry_rejected_total", "reason=\"malformed\""), 4);
  until_watched();
  api_->put(only("cart-2", *b_));
  until_served_by({"a", "b"});
}

TEST_F(Kubernetes, AListThatMakesNoSenseIsNone) {
  api_->put(only("cart-1", *a_));
  api_->list_as("{\"kind\": \"EndpointSliceList\"}");
  start("max_size: 64KiB");
  until_failed("malformed");
  api_->list_as(std::string(70 * 1024, ' '));
  until_failed("oversized");
  EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
  api_->list_as("");
  api_->cut_lists(true);
  until_failed("connection");
  EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
  api_->cut_lists(false);
  until_served_by({"a"});
}

TEST_F(Kubernetes, AServerThatTheAuthorityDoesNotVouchForIsToldNothing) {
  const Certificates others;
  api_ = std::make_unique<ApiServer>(&others);
  api_->put(only("cart-1", *a_));
  start();
  until_failed("tls");
  EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
  EXPECT_EQ(api_->asked().size(), 0);
  EXPECT_TRUE(shows("its certificate is of an authority that is not trusted here")) << proxy_->get("/clusters").body;
  certificates_.become(others);
  until_served_by({"a"});
}

TEST_F(Kubernetes, WhatIsForbiddenIsSaid) {
  api_->refuse(403);
  start();
  until_failed("forbidden");
  until("why", [&] { return shows("it answers 403: no: 403", "/registry"); });
  until("why, for a request", [&] { return shows("it answers 403: no: 403"); });
  EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
}

TEST_F(Kubernetes, WhoIsAskedTooMuchIsLeftAlone) {
  api_->refuse(429, "Retry-After: 3600\r\n");
  start("backoff: {base: 1ms, max: 1h}");
  until_failed("throttled");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
  EXPECT_LE(api_->asked().size(), 2u) << "one for the service, one for whether we may ask at all";
}

TEST_F(Kubernetes, AServiceThatIsNotThereIsFoundOnceItIs) {
  start();
  until("that it is absent", [&] { return shows("\"known\": \"absent\""); });
  EXPECT_TRUE(shows("there is no Service cart in the namespace shop"));
  EXPECT_EQ(request(proxy_->address(), kGet).status(), 503);
  api_->put(only("cart-1", *a_));
  until_served_by({"a"});
}

TEST_F(Kubernetes, APortIsChosenByItsName) {
  auto grpc = only("cart-1", *a_);
  grpc.port_name = "grpc";
  api_->put(grpc);
  proxy_ = std::make_unique<Proxy>("version: 1\nmode: edge\n" + registry() +
                                   "listeners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: \"cart:grpc\"}]}\n");
  until_served_by({"a"});
  auto http = only("cart-1", *b_);
  api_->put(http);
  until_served_by({"503"});
  EXPECT_TRUE(shows("it has no port grpc"));
}

TEST_F(Kubernetes, ServicesThatNobodyCallsAreNotWatched) {
  api_->put(only("cart-1", *a_));
  proxy_ = std::make_unique<Proxy>(
      "version: 1\nmode: sidecar\n" + registry("max_services: 2"),
      std::vector<std::string>{"listeners.outbound.address=127.0.0.1:0", "registry.idle_timeout=1s", "overload.threads=1"});
  const auto ask = [&](const std::string& host) {
    return request(proxy_->address("outbound"), "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  };
  EXPECT_EQ(ask("cart").body, "a");
  EXPECT_EQ(ask("cart.shop").body, "a");
  EXPECT_EQ(ask("other").status(), 503);
  EXPECT_EQ(ask("third").status(), 503);
  until("what it says", [&] { return shows("2 services are watched already"); });
  until_watched(2);
  EXPECT_EQ(ask("Bad_Name").status(), 503);
  until_watched(0);
  EXPECT_EQ(ask("cart").body, "a");
  until_watched(1);
}

TEST_F(Kubernetes, AProxyOfKubectlNeedsNoToken) {
  api_ = std::make_unique<ApiServer>(nullptr);
  api_->put(only("cart-1", *a_));
  start();
  until_served_by({"a"});
}

// A sidecar with an identity in front of an app, and one that calls it: what is between them is mutual TLS, or nothing.
class KubernetesTls : public Kubernetes {
 protected:
  KubernetesTls() {
    const WallTime now = net::Loop::wall();
    EXPECT_TRUE(identity::make_dev_ca(pki_.path("ca"), now));
    for (const auto& [folder, id] : {std::pair{"web", "shop/sa/web"}, {"cart", "shop/sa/cart"}, {"other", "ops/sa/cart"}})
      EXPECT_TRUE(identity::issue_into(pki_.path("ca"), {identity::id_of(std::string("spiffe://mesh.local/ns/") + id), {}, {}},
                                       pki_.path(folder), now));
  }
  std::unique_ptr<Proxy> sidecar(const std::string& account) {
    return std::make_unique<Proxy>(
        "version: 1\nmode: sidecar\nregistry: {kind: none}\n",
        std::vector<std::string>{"service.name=cart", std::string("service.namespace=") + (account == "other" ? "ops" : "shop"),
                                 "service.port=" + std::to_string(a_->address().port()), "identity.dir=" + pki_.path(account),
                                 "listeners.inbound.address=127.0.0.1:0", "listeners.outbound.address=127.0.0.1:0",
                                 "lifecycle.drain.delay=0"});
  }
  void list(Proxy& inbound, const std::string& label = {}) {
    api_->put({"cart-1", "cart", {endpoint("127.0.0.1")}, inbound.address("inbound").port(), "http", "IPv4", label});
  }
  Message ask() { return request(proxy_->address(), kGet); }
  identity::TemporaryFolder pki_;
};

TEST_F(KubernetesTls, EndpointsOfTheNamespaceAreSpokenToByMutualTls) {
  const auto cart = sidecar("cart");
  list(*cart);
  start({}, {"identity.dir=" + pki_.path("web")});
  until_served_by({"a"});
  EXPECT_TRUE(shows("\"identity\": \"shop/*\""));
}

TEST_F(KubernetesTls, WhoIsOfAnotherNamespaceIsNoEndpoint) {
  const auto cart = sidecar("other");
  list(*cart);
  start({}, {"identity.dir=" + pki_.path("web")});
  until("a refusal", [&] {
    return ask().status() >= 502 && proxy_->metric("outrider_cluster_connect_failures_total", "cluster=\"cart\"") > 0;
  });
  EXPECT_EQ(a_->requests(), 0);
}

TEST_F(KubernetesTls, ClearTextIsNotTheWayOut) {
  api_->put(only("cart-1", *a_));  // an app without a sidecar
  start({}, {"identity.dir=" + pki_.path("web")});
  until("a refusal", [&] {
    return ask().status() >= 502 && proxy_->metric("outrider_cluster_connect_failures_total", "cluster=\"cart\"") > 0;
  });
  EXPECT_EQ(a_->requests(), 0);
  auto labelled = only("cart-1", *a_);
  labelled.label = "\"outrider.dev/tls\": \"clear\"";
  api_->put(labelled);  // that it has none
  until_served_by({"a"});
}

TEST_F(KubernetesTls, WhereItIsWantedOfAllNoLabelHelps) {
  auto labelled = only("cart-1", *a_);
  labelled.label = "\"outrider.dev/tls\": \"clear\"";
  api_->put(labelled);
  start("tls: identity", {"identity.dir=" + pki_.path("web")});
  until("a refusal", [&] {
    return ask().status() >= 502 && proxy_->metric("outrider_cluster_connect_failures_total", "cluster=\"cart\"") > 0;
  });
  EXPECT_EQ(a_->requests(), 0);
}

TEST_F(KubernetesTls, WhoHasNoIdentityDoesNotCallThoseThatAskForOne) {
  const auto cart = sidecar("cart");
  list(*cart, "\"outrider.dev/tls\": \"identity\"");
  start();
  until("why", [&] { return shows("1 endpoint takes mutual TLS alone, and this proxy has no identity to show"); });
  EXPECT_EQ(ask().status(), 503);
}

}  // namespace
}  // namespace outrider::test
