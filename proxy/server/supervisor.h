#pragma once
// The whole proxy: what there is, in what order it begins, and in what order it ends.

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "server/access_logs.h"
#include "server/app.h"
#include "server/app_end.h"
#include "server/credentials.h"
#include "server/downloads.h"
#include "server/endpoint_sources.h"
#include "server/memory_return.h"
#include "server/mesh.h"
#include "server/reloader.h"
#include "server/samples.h"
#include "server/services.h"
#include "server/shared_limits.h"
#include "server/signals.h"
#include "server/tls_files.h"
#include "server/trace_export.h"
#include "server/upgrade.h"
#include "server/view.h"
#include "server/watchers.h"
#include "server/worker.h"
#include "stats/collector.h"

namespace outrider::dns {
class Server;
}
namespace outrider::net {
class VirtualAddresses;
}

namespace outrider::server {

class Autoscale;
class OverloadWatch;

struct Settings {
  config::Document document;
  std::vector<std::string> command;               // the app to start beside the proxy; empty: none
  bool signals = true;                            // TERM, INT and those to pass on are ours to handle
  bool own_process = false;                       // there is nothing else in it: lifecycle.sandbox may close around all of it
  milliseconds file_look = identity::kFileLook;   // how often files are asked whether they are others
  std::string cgroup;                             // folder with memory.max and memory.current; empty: this process's own
  std::optional<config::Sources> sources = {};    // of `document`, with its text, to load it again; none: it stays
  std::string started_from;                       // another version than the file's: why; empty: the file's
  std::string no_upgrade;                         // why another process cannot be started as this one was; empty: it can
  int keeper = -1;                                // of start_keeper(); -1: there is none
  std::unique_ptr<Inheritance> inheritance = {};  // of the process whose place we take; null: there is none
};

// Owns the control loop, the workers and everything between them; runs on the thread that calls start() and run().
// The way out: withdraw, wait lifecycle.drain.delay, drain what is inbound, end the app or wait until it is gone, drain the rest,
// stop; each step has a limit, and a second signal or the deadline cuts what is left. Or another process takes our place, and
// what is left here drains.
class Supervisor final : public WorkerEvents,
                         public SignalEvents,
                         public AppEvents,
                         AppEndEvents,
                         public Services::Listener,
                         public ReloadTarget,
                         UpgradeEvents,
                         SuccessionEvents,
                         exchange::Heir {
 public:
  explicit Supervisor(Settings settings);
  ~Supervisor();
  // Opens every address, starts the workers, the registry and the app. Empty, or what could not be done and by what key.
  std::string start();
  int run();   // until it has ended; the exit code
  void end();  // any thread: as SIGTERM
  // After start(), any thread, for tests and messages: the address a listener has in fact; admin, health and metrics are names
  // too.
  net::Address address_of(std::string_view listener) const;
  State& state() { return state_; }
  // On the control loop: serves `next` in place of what there is, all of it or nothing. Empty, or why not. Connections stay, and
  // what runs ends as it began.
  std::string apply(config::Document next) override;
  const config::Document& document() const override { return *document_; }

 private:
  struct Bound {
    std::string listener;
    net::Address asked, local;
    bool is_for(const net::Address& address, const std::string& of) const {  // as exchange::Door has it
      return address == asked && (address.is_unix() || address.port() != 0 || of == listener);
    }
  };
  struct Opening {  // what a configuration listens on beyond what is open
    std::vector<Bound> bound;
    std::vector<std::vector<Worker::Opened>> by_worker;
    ~Opening();
  };
  std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view service) override;
  std::shared_ptr<upstream::Limits> limits_for(std::string_view service) override;
  void on_watch(int worker, const std::string& service) override;
  void on_unwatch(int worker, const std::string& service) override;
  void on_ejected(const std::string& cluster) override;
  void on_drained(int worker, Drain what) override;
  void on_signal(int number) override;
  void on_app_exit(int code) override;
  void on_app_gone(const std::string& how) override;
  void on_cluster_changed(const std::string& cluster) override;

  // upgrades: upgrade.h, handed_over.cc
  std::string why_not() override;
  Bequest bequest() override;
  int silence_registry(const std::string& bind) override;
  void on_failed_upgrade(bool registry_silent) override;
  void on_successor() override;
  void on_passed_signal(int number) override;
  void on_released(int fd, const exchange::ListenerPlan& from, uint32_t requests, milliseconds age) override;
  bool ready() override;
  void on_turn_come() override;
  void on_inherited(const Handed& connection, int fd) override;
  void on_left_alone() override;
  void on_all_inherited(size_t connections) override;
  bool awaits_turn() const { return succession_ && succession_->waiting(); }
  void count_upgrade(const char* result, uint64_t times);

  static void configure_log(const config::Log& log);
  std::string start_all();
  std::string start_mesh();
  std::string open_listeners(const exchange::Snapshot& of, Opening& opening);
  std::string open_pages();
  void make_virtual_addresses();  // dns_listener.cc, and the next
  std::string open_dns();
  void serve_dns();
  void serve(std::shared_ptr<const exchange::Snapshot> snapshot, Opening& opening);
  void update_services(const config::Document* before);  // null: there are none yet
  std::string set_log(config::Log::Level level);
  std::string set_weight(uint32_t weight);
  void announce_anew(const config::Document& before);
  void announce();  // or withdraw, as the app is up or down
  void say_hello() const;
  void look_after_feeds();
  void watch_overload();
  void watch_app();  // that is not ours, for exit_with

  enum class Step : uint8_t { Running, Leaving, DrainingInbound, EndingApp, DrainingAll, HandingOver, Cutting, Stopped };
  void leave(milliseconds delay);
  void withdraw();
  void on_step_over();  // the limit of the step that runs
  void ask_to_leave(int number);
  void drain_inbound();
  Drain first_drain() const;  // inbound alone, or all of it
  void end_app();
  void drain_all();
  void on_look_for_app();
  bool looks_for_app() const;  // it may call others until it is gone
  bool nobody_calls() const;
  std::string app_address() const;  // empty: it is not known where it listens
  void stop();
  void cut();

  Settings settings_;
  std::shared_ptr<const config::Document> document_;  // in force
  std::shared_ptr<stats::Catalog> catalog_;
  net::Loop control_;                    // its end waits for a scrape that is being rendered, of the catalog
  std::unique_ptr<stats::Shard> shard_;  // the control thread's
  std::vector<std::unique_ptr<stats::Shard>> worker_shards_;
  std::shared_ptr<stats::Collector> collector_;
  AccessLogs access_logs_;
  Credentials credentials_;
  TlsFiles tls_files_;
  std::shared_ptr<const exchange::Snapshot> snapshot_;
  EndpointSources endpoints_;
  Mesh mesh_;
  TraceExport traces_{control_, *catalog_, *shard_};
  std::unique_ptr<net::VirtualAddresses> virtual_addresses_;  // null: none are given
  std::unique_ptr<dns::Server> dns_;                          // null: nobody is answered
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Services> services_;
  State state_;
  View view_{state_};
  Watchers watchers_;
  std::unique_ptr<admin::AdminServer> admin_, health_, metrics_;
  std::unique_ptr<TurnWatch> turns_;
  std::unique_ptr<MemoryReturn> memory_;
  std::unique_ptr<OverloadWatch> overload_;
  std::unique_ptr<Autoscale> autoscale_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<App> app_;
  std::vector<std::pair<std::string, net::Address>> pages_;
  std::vector<Bound> bound_;
  mutable std::mutex bound_mutex_;  // the control thread writes, and whoever asks address_of() reads
  Step step_ = Step::Running;
  size_t drained_ = 0;  // workers that have finished the step
  bool announced_ = false, killed_ = false, inbound_drained_ = false;
  bool assumed_up_ = false;  // the app was when our place was another's, and has not been asked since
  std::string instance_;     // in the registry
  struct Opened {            // a listening socket, as another process is to find it
    Handed::Kind kind;
    std::string name, address;
    uint64_t worker;
    int fd;
  };
  std::vector<Opened> opened_;
  std::optional<TimePoint> deadline_;  // of all that is left, where the app is not ours to end
  std::array<int, 2> asked_{};         // to leave: by a signal of our own, and by one that was passed on
  int looks_left_ = 250;               // whether everything that is handed over has gone
  AppEnd app_end_{control_, *this};
  std::optional<TimePoint> withdrawn_at_;
  std::unique_ptr<Upgrade> upgrade_;
  std::unique_ptr<Succession> succession_;
  net::BoundTimer<Supervisor, &Supervisor::on_look_for_app> app_look_{*this};
  std::optional<int> app_code_;
  std::optional<uint32_t> weight_;  // of the registration, where somebody has said so since the start
  net::BoundTimer<Supervisor, &Supervisor::on_step_over> step_limit_{*this};
  net::BoundTimer<Supervisor, &Supervisor::look_after_feeds> feeds_{*this};
  std::unique_ptr<Downloads> downloads_;
  std::unique_ptr<SharedLimits> shared_limits_;
  std::unique_ptr<Reloader> reloader_;
};

}  // namespace outrider::server
