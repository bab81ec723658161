#pragma once
// One service's EndpointSlices, listed once and watched from there on.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "discovery/kubernetes/api.h"
#include "discovery/kubernetes/lines.h"
#include "discovery/kubernetes/slice_set.h"
#include "net/loop.h"

namespace outrider::discovery {

struct KubernetesOptions {
  std::string server;      // for people
  std::string name_space;  // our own
  std::string zone;        // our own
  bool v6_first = false;   // the cluster's first family
  SliceRules::Tls tls = SliceRules::Tls::Auto;
  bool tls_expected = false, identified = false;  // as SliceRules has it
  milliseconds timeout{10000};                    // of a page of a list; of a watch until it begins
  milliseconds watch{300000};                     // a watch is asked for so long, up to twice of it
  milliseconds silence{120000};                   // without a line for so long a watch is begun anew
  milliseconds backoff_base{1000}, backoff_max{30000};
  milliseconds stale_serve{3600000};
  milliseconds hold_down{100};    // between two publications of one service
  milliseconds patience{2000};    // how long a first look-up may take until watchers hear that nothing answers
  milliseconds token_look{1000};  // while the one that was shown is refused
  uint32_t page = 100;            // slices of one page
  size_t max_size = 16 << 20;     // of a page, or of a line of a watch
  size_t max_endpoints = 10000;   // of a service
  size_t max_services = 500;      // watched at a time
};

class KubernetesEvents {
 public:
  virtual void on_lookup(milliseconds took) = 0;         // the first list of a service has come
  virtual void on_event(const char* type) = 0;           // of a watch
  virtual void on_failure(const char* reason) = 0;       // as the metric's label has it
  virtual void on_not_believed(const char* reason) = 0;  // malformed, oversized

 protected:
  ~KubernetesEvents() = default;
};

// Lists page by page, watches from the list's version on, and goes on from the last version that it has seen when a watch ends,
// breaks or falls silent. A version that the server has forgotten (410) means another list. Whatever is known stays while nobody
// answers, as Known::Stale, for `stale_serve`; tries come with exponential pauses and full jitter. Without a service in its name
// it asks for one slice of the namespace, until that is answered: whether we may ask at all. Owned by the registry; control loop.
class ServiceWatch final : ApiEvents {
 public:
  struct Name {
    std::string space, service, port;
  };
  struct Owner {
    virtual void on_known(ServiceWatch& watch) = 0;  // known() or all() is another, or why

   protected:
    ~Owner() = default;
  };
  ServiceWatch(net::Loop& loop, Api& api, KubernetesEvents& events, const KubernetesOptions& options, std::string key, Name name,
               Owner& owner);
  void start();
  void stop();  // no event follows
  const std::string& key() const { return key_; }
  Known known() const { return known_; }
  const std::vector<std::shared_ptr<const Instance>>& all() const { return endpoints_.all; }
  const std::string& trouble() const { return endpoints_.trouble; }
  bool answered() const { return listed_ && !stale_; }  // and goes on doing so
  std::optional<milliseconds> age() const;              // since it was last confirmed; none: never
  Name name() const { return name_; }

 private:
  enum class Doing : uint8_t { Resting, Listing, Watching };
  void on_head(uint16_t status, milliseconds retry_after) override;
  void on_body(std::string_view bytes) override;
  void on_over(const char* failure, const std::string& why) override;
  void list();
  void watch();
  void ask(std::string path);
  void refused();  // its status says so
  void too_long(const std::string& what);
  void take_page();
  bool take_line(std::string_view line);
  void on_late();
  void fail(const char* reason, std::string why);
  void on_again();
  void rest();
  void go_stale();
  void confirm();
  void on_too_old();
  void on_patience();
  void publish_soon();
  void publish();
  std::string base() const;
  net::Loop& loop_;
  Api& api_;
  KubernetesEvents& events_;
  const KubernetesOptions& options_;
  const std::string key_;
  const Name name_;
  Owner& owner_;
  SliceSet slices_;
  Endpoints endpoints_;  // as published
  Known known_ = Known::NotYet;
  std::string trouble_;  // with the API server

  Doing doing_ = Doing::Resting;
  std::unique_ptr<ApiCall> call_;
  uint16_t status_ = 0;
  milliseconds retry_after_{0};
  std::string body_, next_;
  std::vector<Slice> gathered_;  // of the pages so far
  size_t gathered_endpoints_ = 0;
  Lines lines_;
  std::string version_;     // the last that was seen
  bool forgotten_ = false;  // by the server: whatever is newest
  bool resume_ = false;     // what comes next is a watch from version_
  bool listed_ = false, stale_ = false, dropped_ = false, token_refused_ = false, heard_ = false;
  uint32_t failures_ = 0;  // in a row
  TimePoint began_{}, confirmed_{}, published_at_{}, due_{};
  std::optional<TimePoint> opened_;  // a watch is
  net::BoundTimer<ServiceWatch, &ServiceWatch::on_late> limit_{*this};
  net::BoundTimer<ServiceWatch, &ServiceWatch::on_again> again_{*this};
  net::BoundTimer<ServiceWatch, &ServiceWatch::on_too_old> too_old_{*this};
  net::BoundTimer<ServiceWatch, &ServiceWatch::on_patience> patience_{*this};
  net::BoundTimer<ServiceWatch, &ServiceWatch::publish> publish_{*this};
};

}  // namespace outrider::discovery
