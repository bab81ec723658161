#pragma once
// What the admin pages show, gathered from where it is.

#include <functional>
#include <optional>
#include <string>

#include "admin/facts.h"
#include "config/document.h"
#include "identity/identity.h"
#include "server/mesh.h"
#include "server/services.h"

namespace outrider::server {

class OverloadWatch;
class Reloader;
class TlsFiles;

// What the supervisor knows of itself. Owned and kept up to date by it; control loop.
struct State {
  const config::Document* document = nullptr;
  std::optional<identity::Identity> identity;
  const Mesh* mesh = nullptr;
  Services* services = nullptr;
  const OverloadWatch* overload = nullptr;
  const Reloader* reloader = nullptr;  // null: the configuration stays as it is
  uint64_t version = 1;                // of the configuration, since the start
  const TlsFiles* files = nullptr;
  std::string local_cluster;  // of the app beside us; empty: there is none
  std::string announced_as;   // service in the registry; empty: not announced
  size_t listeners = 0, listening = 0;
  bool started = false, draining = false;
  bool app_up = false;
  TimePoint since{};
  WallTime since_wall{};
  std::function<void()> drain, quit;
};

// Per trust domain, when the last of its authorities expires.
std::vector<std::pair<std::string, WallTime>> authority_ends(const identity::Identity& identity);

// Owned by the supervisor beside its State; control loop.
class View final : public admin::Facts {
 public:
  explicit View(const State& state) : state_(state) {}
  std::vector<admin::Part> readiness() const override;
  std::string config() const override;
  std::vector<admin::ClusterView> clusters() const override;
  std::vector<admin::ServiceView> services() const override;
  bool services_complete() const override;
  admin::RegistryView registry() const override;
  admin::AuthorizationView authorization(const admin::AuthorizationQuestion& question) const override;
  admin::RouteView route(const admin::RouteQuestion& question) const override;
  admin::ProcessView process() const override;
  admin::Build build() const override;
  std::string name() const override;
  double uptime_s() const override;
  void drain() override { state_.drain(); }
  void quit() override { state_.quit(); }

 private:
  const State& state_;
};

}  // namespace outrider::server
