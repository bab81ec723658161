#pragma once
// Facts that a test can set.

#include "admin/facts.h"

namespace outrider::admin {

struct SomeFacts final : Facts {
  bool live() const override { return alive; }
  std::vector<Part> readiness() const override { return parts; }
  std::string config() const override { return "version: 1\n"; }
  std::vector<ClusterView> clusters() const override { return cluster_views; }
  std::vector<ServiceView> services() const override { return service_views; }
  bool services_complete() const override { return services_read; }
  RegistryView registry() const override { return registry_view; }
  AuthorizationView authorization(const AuthorizationQuestion& question) const override {
    if (question.to.empty()) return {.error = "to whom?"};
    return {.allowed = question.method == "GET", .rule = "allow[0]", .file = "web.yaml", .line = 7};
  }
  RouteView route(const RouteQuestion& question) const override {
    if (question.url.empty()) return {.error = "which URL?"};
    RouteView view{.listener = "edge", .route = "edge-1", .file = "web.yaml", .line = 9, .cluster = "cart", .path = "/"};
    for (const auto& [name, value] : question.headers) view.host += name + "=" + value + ";";
    view.endpoints = {{.address = "10.0.0.1:80", .state = EndpointState::Ready}};
    return view;
  }
  ProcessView process() const override { return process_view; }
  Build build() const override { return {"0.1.0", "abc123"}; }
  std::string name() const override { return "web"; }
  double uptime_s() const override { return 3725.25; }
  void drain() override { ++drains; }
  void quit() override { ++quits; }

  bool alive = true;
  int drains = 0, quits = 0;
  std::vector<Part> parts = {{.name = "listeners", .ok = true, .detail = "2 of 2"}};
  std::vector<ClusterView> cluster_views;
  std::vector<ServiceView> service_views;
  bool services_read = true;
  RegistryView registry_view;
  ProcessView process_view{.mode = "edge", .config = "abc"};
};

inline std::vector<ClusterView> two_clusters() {
  EndpointView one{.address = "10.0.0.1:8080", .state = EndpointState::Ready, .since_s = 12.34567, .zone = "a"};
  one.requests = 42;
  one.in_flight = 3;
  one.ewma_ms = 1.25;
  one.lease_left_s = 9.5;
  EndpointView two{.address = "10.0.0.2:8080", .state = EndpointState::Unhealthy, .why = "said \"no\"", .weight = 0};
  return {{.name = "cart", .lb = "ewma", .known = "yes", .endpoints = {one, two}},
          {.name = "billing", .lb = "random", .known = "absent"}};
}

}  // namespace outrider::admin
