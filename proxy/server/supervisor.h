#pragma once
// The whole proxy: what there is, in what order it begins, and in what order it ends.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "server/app.h"
#include "server/credentials.h"
#include "server/downloads.h"
#include "server/endpoint_sources.h"
#include "server/memory_return.h"
#include "server/mesh.h"
#include "server/samples.h"
#include "server/services.h"
#include "server/shared_limits.h"
#include "server/signals.h"
#include "server/tls_files.h"
#include "server/trace_export.h"
#include "server/view.h"
#include "server/watchers.h"
#include "server/worker.h"
#include "stats/collector.h"

namespace outrider::server {

class OverloadWatch;

struct Settings {
  config::Document document;
  std::vector<std::string> command;              // the app to start beside the proxy; empty: none
  bool signals = true;                           // TERM, INT and those to pass on are ours to handle
  bool own_process = false;                      // there is nothing else in it: lifecycle.sandbox may close around all of it
  milliseconds file_look = identity::kFileLook;  // how often files are asked whether they are others
  std::string cgroup;                            // folder with memory.max and memory.current; empty: this process's own
};

// Owns the control loop, the workers and everything between them; runs on the thread that calls start() and run().
// The way out: withdraw, wait lifecycle.drain.delay, drain what is inbound, end the app, drain the rest, stop; each step
// has a limit, and a second signal or the deadline cuts what is left.
class Supervisor final : public WorkerEvents, public SignalEvents, public AppEvents, public Services::Listener {
 public:
  explicit Supervisor(Settings settings);
  ~Supervisor();
  // Opens every address, starts the workers, the registry and the app. Empty, or what could not be done and by what key.
  std::string start();
  int run();   // until it has ended; the exit code
  void end();  // any thread: as SIGTERM
  // After start(), for tests and messages: the address a listener has in fact; admin, health and metrics are names too.
  net::Address address_of(std::string_view listener) const;
  State& state() { return state_; }

 private:
  std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view service) override;
  std::shared_ptr<upstream::Limits> limits_for(std::string_view service) override;
  void on_watch(int worker, const std::string& service) override;
  void on_unwatch(int worker, const std::string& service) override;
  void on_ejected(const std::string& cluster) override;
  void on_drained(int worker, Drain what) override;
  void on_signal(int number) override;
  void on_app_exit(int code) override;
  void on_cluster_changed(const std::string& cluster) override;

  std::string start_mesh();
  std::string open_listeners();
  std::string open_pages();
  void add_services();
  void announce();  // or withdraw, as the app is up or down
  void say_hello() const;
  void look_after_feeds();
  void watch_overload();

  enum class Step : uint8_t { Running, Leaving, DrainingInbound, EndingApp, DrainingAll, Cutting, Stopped };
  void leave(milliseconds delay);
  void withdraw();
  void on_step_over();  // the limit of the step that runs
  void drain_inbound();
  void end_app();
  void drain_all();
  void stop();
  void cut();

  Settings settings_;
  const config::Document& document_;
  std::shared_ptr<stats::Catalog> catalog_;
  net::Loop control_;                    // its end waits for a scrape that is being rendered, of the catalog
  std::unique_ptr<stats::Shard> shard_;  // the control thread's
  std::vector<std::unique_ptr<stats::Shard>> worker_shards_;
  std::shared_ptr<stats::Collector> collector_;
  std::unique_ptr<exchange::AccessLogWriter> access_log_;
  Credentials credentials_;
  TlsFiles tls_files_;
  std::shared_ptr<const exchange::Snapshot> snapshot_;
  EndpointSources endpoints_;
  Mesh mesh_;
  TraceExport traces_{control_, *catalog_, *shard_};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Services> services_;
  State state_;
  View view_{state_};
  Watchers watchers_;
  std::unique_ptr<admin::AdminServer> admin_, health_, metrics_;
  std::unique_ptr<TurnWatch> turns_;
  std::unique_ptr<MemoryReturn> memory_;
  std::unique_ptr<OverloadWatch> overload_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<App> app_;
  std::vector<std::pair<std::string, net::Address>> addresses_;
  Step step_ = Step::Running;
  size_t drained_ = 0;  // workers that have finished the step
  bool announced_ = false, killed_ = false;
  std::optional<int> app_code_;
  net::BoundTimer<Supervisor, &Supervisor::on_step_over> step_limit_{*this};
  net::BoundTimer<Supervisor, &Supervisor::look_after_feeds> feeds_{*this};
  std::unique_ptr<Downloads> downloads_;
  std::unique_ptr<SharedLimits> shared_limits_;
};

}  // namespace outrider::server
