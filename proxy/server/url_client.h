#pragma once
// Requests of the control loop's own to one URL.

#include <memory>
#include <string>

#include "exchange/fetch.h"
#include "server/url_host.h"

namespace outrider::server {

class UrlEvents {
 public:
  // `failure` is null where there is an answer in the Subrequest; else lookup, timeout or connection. At the end of a turn.
  virtual void on_answered(const char* failure, const std::string& why) = 0;

 protected:
  ~UrlEvents() = default;
};

// Asks by a connection that is kept. One request at a time. Owned by whoever asks; control loop.
class UrlClient final : UrlHostEvents, exchange::FetchEvents {
 public:
  // `tls` is null for http://. One try to connect takes no longer than `connect`.
  UrlClient(const upstream::Context& context, upstream::AttemptPool& attempts, filter::Url url, TlsFiles::Slot tls,
            milliseconds connect, UrlEvents& events);
  // Fills in where it goes to; all else of `what` is the caller's, who keeps it until the end.
  void ask(filter::Subrequest& what);

 private:
  void on_host(const char* failure, const std::string& why) override;
  void on_fetched() override;
  UrlEvents& events_;
  filter::Subrequest* what_ = nullptr;
  UrlHost host_;
  exchange::Fetch fetch_;
};

// "https://..." of a configuration, with the context for it; a failure says what is wrong with `ca`.
identity::Outcome<TlsFiles::Slot> tls_for(const filter::Url& url, const std::string& owner, const std::string& ca,
                                          TlsFiles& files);

}  // namespace outrider::server
