#pragma once
// The host of a URL that the control loop asks, as a cluster of its own.

#include <memory>
#include <string>
#include <vector>

#include "filter/url.h"
#include "net/lookup.h"
#include "server/tls_files.h"
#include "upstream/attempt.h"
#include "upstream/cluster.h"

namespace outrider::server {

class UrlHostEvents {
 public:
  // `failure` is null where cluster() has its addresses, else what it is: lookup. May come from inside find().
  virtual void on_host(const char* failure, const std::string& why) = 0;

 protected:
  ~UrlHostEvents() = default;
};

// Looks the host up, which is remembered for a while and until something goes wrong. Owned by whoever asks; control loop.
class UrlHost final : net::LookupEvents {
 public:
  UrlHost(const upstream::Context& context, filter::Url url, std::shared_ptr<const upstream::ClusterPlan> plan,
          UrlHostEvents& events);
  void find();                          // again before on_host(): one answer
  void forget() { fresh_until_ = {}; }  // what was found: it did not answer
  const filter::Url& url() const { return url_; }
  const Ref<upstream::Cluster>& cluster() const { return cluster_; }

 private:
  void on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) override;
  void found(const std::vector<net::Address>& at);
  net::Loop& control_;
  const filter::Url url_;
  UrlHostEvents& events_;
  Ref<upstream::Cluster> cluster_;
  std::shared_ptr<const upstream::EndpointSet> set_;
  TimePoint fresh_until_{};
  bool looking_ = false;
  net::Lookup lookup_;
};

// `tls` is null for http://. One try to connect takes no longer than `connect`.
std::shared_ptr<upstream::ClusterPlan> plan_of(const filter::Url& url, TlsFiles::Slot tls, milliseconds connect);

}  // namespace outrider::server
