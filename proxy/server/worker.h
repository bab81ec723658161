#pragma once
// A thread and everything in it.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "exchange/door.h"
#include "exchange/site.h"

namespace outrider::server {

enum class Drain : uint8_t { Inbound, All };  // Inbound: what comes to the app; the app's own calls go on

// What a worker asks of the control thread. Called on the worker's thread; each returns at once.
class WorkerEvents {
 public:
  virtual std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view service) = 0;
  virtual std::shared_ptr<upstream::Limits> limits_for(std::string_view service) = 0;
  virtual void on_watch(int worker, const std::string& service) = 0;
  virtual void on_unwatch(int worker, const std::string& service) = 0;
  virtual void on_ejected(const std::string& cluster) = 0;
  virtual void on_drained(int worker, Drain what) = 0;  // after drain(): no session of these is left

 protected:
  ~WorkerEvents() = default;
};

// One thread, one loop, its own listeners (SO_REUSEPORT), seats, pools, timers, buffers and counters. Everything it owns
// is touched by its thread alone between start() and join(); it hears from the control thread only through post. Made,
// joined and destroyed by the supervisor.
class Worker final : upstream::ServiceSource, upstream::Cluster::Ejections {
 public:
  Worker(int index, stats::Catalog& catalog, stats::Shard& shard, milliseconds service_idle,
         std::shared_ptr<exchange::PeerNames> peers, WorkerEvents& events);
  ~Worker();
  struct Opened {  // for a listener of the snapshot
    std::string listener;
    net::Address address;  // as it is configured
    int fd;                // listening; the worker's from here on
  };
  void trace_to(exchange::SpanSink& sink) { site_->spans.send_to(&sink); }                     // before start(); outlives this
  void know(const net::VirtualAddresses* addresses) { site_->virtual_addresses = addresses; }  // likewise; null: there are none
  // From the control thread, at any time, before start() as well: what is served from now on. Doors whose addresses it does not
  // have are shut; connections that its plans cannot go on with are drained, the others go on by them.
  void adopt(std::shared_ptr<const exchange::Snapshot> snapshot, std::vector<Opened> opened);
  void start();
  void hold();  // before start(): nobody is let in until let_in()
  void let_in();
  void adopt(const std::string& cluster, std::shared_ptr<const upstream::EndpointSet> set);
  void refresh(const std::string& cluster);  // health or an ejection changed
  void drain(Drain what);                    // stop accepting, finish what runs, then on_drained()
  // As drain(All), but doors and clients that wait for a request go on in another process: `heir` hears of these, on its thread.
  void hand_over(exchange::Heir& heir);
  void take_over(const std::string& listener, int fd, uint32_t requests, milliseconds age);  // such a client; owns it
  void review_trust(milliseconds grace);  // others are trusted than before: who is not has so long to end
  void watch(std::shared_ptr<const exchange::Watches> all, std::function<void()> adopted);  // these; then calls it, on its thread
  void ask(std::function<void(exchange::Site&)> question);                                  // on its thread
  void cut();  // the drain's deadline: what is left ends now; counted in cut_streams()
  void join();
  milliseconds longest_turn() const { return milliseconds(longest_turn_.load(std::memory_order_relaxed)); }  // of the last second
  uint32_t cut_streams() const { return cut_.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view service) override { return events_.plan_for(service); }
  std::shared_ptr<upstream::Limits> limits_for(std::string_view service) override { return events_.limits_for(service); }
  void watch(const std::string& service) override { events_.on_watch(index_, service); }
  void unwatch(const std::string& service) override { events_.on_unwatch(index_, service); }
  void on_ejected(const std::string& cluster) override { events_.on_ejected(cluster); }
  std::vector<upstream::Cluster*> all_named(const std::string& cluster);
  void serve(std::shared_ptr<const exchange::Snapshot> snapshot, const std::vector<Opened>& opened);
  void lead_doors(const exchange::Snapshot& to, const std::vector<Opened>& opened);
  void cut_all();
  void on_drain_check();
  void on_review();
  void on_lag_check();
  bool drains(const exchange::ListenerPlan& plan) const;
  const int index_;
  WorkerEvents& events_;
  net::Loop loop_;
  std::unique_ptr<exchange::Site> site_;
  std::vector<std::unique_ptr<exchange::Door>> doors_;
  std::atomic<uint32_t> cut_{0};
  std::atomic<int64_t> longest_turn_{0};  // milliseconds
  Drain draining_ = Drain::All;
  stats::Slot lag_, blocks_;
  milliseconds grace_{0};
  net::BoundTimer<Worker, &Worker::on_drain_check> drain_check_{*this};
  net::BoundTimer<Worker, &Worker::on_review> review_{*this};
  net::BoundTimer<Worker, &Worker::on_lag_check> lag_check_{*this};
  std::thread thread_;
};

}  // namespace outrider::server
