#pragma once
// Requests of the control loop's own to one URL.

#include <memory>
#include <string>
#include <vector>

#include "exchange/fetch.h"
#include "filter/url.h"
#include "net/lookup.h"
#include "server/tls_files.h"
#include "upstream/attempt.h"

namespace outrider::server {

class UrlEvents {
 public:
  // `failure` is null where there is an answer in the Subrequest; else lookup, timeout or connection. At the end of a turn.
  virtual void on_answered(const char* failure, const std::string& why) = 0;

 protected:
  ~UrlEvents() = default;
};

// Looks the host up, which is remembered for a while and until something goes wrong, and asks by a connection that is kept. One
// request at a time. Owned by whoever asks; control loop.
class UrlClient final : net::LookupEvents, exchange::FetchEvents {
 public:
  // `tls` is null for http://. One try to connect takes no longer than `connect`.
  UrlClient(const upstream::Context& context, upstream::AttemptPool& attempts, filter::Url url, TlsFiles::Slot tls,
            milliseconds connect, UrlEvents& events);
  // Fills in where it goes to; all else of `what` is the caller's, who keeps it until the end.
  void ask(filter::Subrequest& what);

 private:
  void on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) override;
  void on_fetched() override;
  void ask_at(const std::vector<net::Address>& at);
  net::Loop& control_;
  const filter::Url url_;
  UrlEvents& events_;
  Ref<upstream::Cluster> cluster_;
  std::shared_ptr<const upstream::EndpointSet> set_;
  filter::Subrequest* what_ = nullptr;
  TimePoint fresh_until_{};
  net::Lookup lookup_;
  exchange::Fetch fetch_;
};

// "https://..." of a configuration, with the context for it; a failure says what is wrong with `ca`.
identity::Outcome<TlsFiles::Slot> tls_for(const filter::Url& url, const std::string& owner, const std::string& ca,
                                          TlsFiles& files);

}  // namespace outrider::server
