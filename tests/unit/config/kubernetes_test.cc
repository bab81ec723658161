// registry.kind: kubernetes, as far as a configuration says it.

#include <filesystem>
#include <fstream>

#include "loading.h"

namespace outrider::config {
namespace {

std::string asks(const std::string& registry, const std::string& cluster = "cart") {
  return "version: 1\nmode: edge\nregistry: " + registry +
         "\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: \"" + cluster + "\"}]}\n";
}

TEST(Kubernetes, IsAskedAsAPodWouldWhereNothingIsSaid) {
  const auto d = must_load({asks("{kind: kubernetes}")});
  EXPECT_EQ(d.registry.kind, Registry::Kind::Kubernetes);
  EXPECT_EQ(d.registry.kubernetes.server, "");
  EXPECT_EQ(d.registry.kubernetes.token_file, "/var/run/secrets/kubernetes.io/serviceaccount/token");
  EXPECT_EQ(d.registry.kubernetes.timeout, seconds(10));
  EXPECT_EQ(d.registry.kubernetes.max_size, 16u << 20);
  ASSERT_TRUE(d.cluster("cart"));
  EXPECT_EQ(d.cluster("cart")->service, "default/cart");
  EXPECT_EQ(said({asks("{kind: kubernetes}")}), "");
}

TEST(Kubernetes, NamesMeanServicesOfItsNamespace) {
  EXPECT_EQ(must_load({asks("{kind: kubernetes, kubernetes: {namespace: shop}}")}).cluster("cart")->service, "shop/cart");
  EXPECT_EQ(must_load({asks("{kind: kubernetes}"), {}, {{"POD_NAMESPACE", "pods"}}}).cluster("cart")->service, "pods/cart");
  EXPECT_EQ(must_load({asks("{kind: kubernetes}", "ops/cart")}).cluster("ops/cart")->service, "ops/cart");
}

TEST(Kubernetes, TheNamespaceIsThePodsWhereNobodySaysIt) {
  const auto folder = std::filesystem::temp_directory_path() / ("outrider-account-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "namespace") << "mounted";
  for (const auto& [kind, space] : {std::pair{"kubernetes", "mounted"}, {"dht", "default"}}) {
    if (!OUTRIDER_DHT && std::string(kind) == "dht") continue;
    Sources sources = sources_of({asks(std::string("{kind: ") + kind + "}")});
    sources.service_account = folder.string();
    const auto outcome = load(sources);
    ASSERT_TRUE(outcome.document) << print(outcome.complaints);
    EXPECT_EQ(outcome.document->service.name_space, space);
  }
  std::filesystem::remove_all(folder);
}

TEST(Kubernetes, AReferenceMayNameAPort) {
  EXPECT_EQ(must_load({asks("{kind: kubernetes}", "cart:grpc")}).cluster("cart:grpc")->service, "default/cart:grpc");
  EXPECT_EQ(must_load({asks("{kind: kubernetes}", "ops/cart:8080")}).cluster("ops/cart:8080")->service, "ops/cart:8080");
  EXPECT_NE(said({asks("{kind: kubernetes}", "cart:")}).find("expected a service or namespace/service"), std::string::npos);
  EXPECT_NE(said({asks("{kind: kubernetes}", "cart:a:b")}).find("expected a service or namespace/service"), std::string::npos);
  if (OUTRIDER_DHT) {
    EXPECT_NE(said({asks("{kind: dht, bootstrap: \"a:1\"}", "cart:grpc")}).find("expected a service or namespace/service"),
              std::string::npos);
  }
}

TEST(Kubernetes, AServerIsAUrlWithoutAPath) {
  for (const char* good :
       {"https://10.96.0.1:443", "https://[fd00::1]:6443", "https://kubernetes.default.svc", "http://127.0.0.1:8001/"})
    EXPECT_EQ(said({asks(std::string("{kind: kubernetes, kubernetes: {server: \"") + good + "\"}}")}), "") << good;
  for (const char* bad : {"10.96.0.1:443", "https://", "https://a/b", "ftp://a:1", "https://a:0"})
    EXPECT_EQ(said({asks(std::string("{kind: kubernetes, kubernetes: {server: \"") + bad + "\"}}")}),
              std::string("test.yaml:3:51: error: registry.kubernetes.server: expected https://host:port of the API server, like "
                          "https://10.96.0.1:443, got \"") +
                  bad + "\"\n");
}

TEST(Kubernetes, MutualTlsNeedsAnIdentity) {
  EXPECT_EQ(
      said({asks("{kind: kubernetes, kubernetes: {tls: identity}}")}),
      "test.yaml:3:48: error: registry.kubernetes.tls: nobody can be spoken to by mutual TLS: it needs identity.dir, and identity.mtls "
      "not off\n");
}

TEST(Kubernetes, WhatIsSaidOfAnotherRegistryHasNoEffect) {
  EXPECT_EQ(said({edge("registry: {kind: none, kubernetes: {namespace: shop}}\n")}),
            "test.yaml:6:36: warning: registry.kubernetes: has no effect: registry.kind is not kubernetes\n");
}

TEST(Kubernetes, NobodyRegistersThere) {
  EXPECT_EQ(said({"version: 1\nservice: {name: web, port: 1}\nregistry: {kind: kubernetes}\n"}), "");
  Sources sources = sources_of({"version: 1\nregistry: {kind: kubernetes}\n"});
  sources.registry_only = true;
  EXPECT_NE(print(load(sources).complaints).find("a registry node needs a registry: expected dht"), std::string::npos);
}

}  // namespace
}  // namespace outrider::config
