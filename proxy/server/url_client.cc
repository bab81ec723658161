#include "server/url_client.h"

namespace outrider::server {

UrlClient::UrlClient(const upstream::Context& context, upstream::AttemptPool& attempts, filter::Url url, TlsFiles::Slot tls,
                     milliseconds connect, UrlEvents& events)
    : events_(events), host_(context, url, plan_of(url, std::move(tls), connect), *this), fetch_(context.loop, attempts, *this) {}

void UrlClient::ask(filter::Subrequest& what) {
  what_ = &what;
  const filter::Url& url = host_.url();
  http::RequestHead& head = what.head;
  head.scheme = url.https ? "https" : "http";
  head.authority = url.authority;
  head.path = url.path;
  head.headers.set("Host", url.authority);
  head.headers.set("User-Agent", "outrider");
  host_.find();
}

void UrlClient::on_host(const char* failure, const std::string& why) {
  if (failure) return events_.on_answered(failure, why);
  fetch_.start(host_.cluster(), *what_);
}

void UrlClient::on_fetched() {
  const char* const error = what_->error;
  if (!error) return events_.on_answered(nullptr, {});
  host_.forget();
  events_.on_answered(std::string_view(error) == "timeout" ? "timeout" : "connection", error);
}

identity::Outcome<TlsFiles::Slot> tls_for(const filter::Url& url, const std::string& owner, const std::string& ca,
                                          TlsFiles& files) {
  if (!url.https) return TlsFiles::Slot();
  return files.client(owner, {.ca = ca});
}

}  // namespace outrider::server
