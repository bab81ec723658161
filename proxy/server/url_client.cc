#include "server/url_client.h"

namespace outrider::server {

namespace {

constexpr seconds kFresh{30};  // so long an address is taken for its host's

std::shared_ptr<const upstream::ClusterPlan> plan_of(const filter::Url& url, TlsFiles::Slot tls, milliseconds connect) {
  auto plan = std::make_shared<upstream::ClusterPlan>();
  plan->name = url.authority;
  plan->protocol = url.https ? upstream::Protocol::Either : upstream::Protocol::Http1;
  plan->tls.files = std::move(tls);
  plan->tls.name = url.host;
  plan->pool.connect_timeout = connect;
  return plan;
}

}  // namespace

UrlClient::UrlClient(const upstream::Context& context, upstream::AttemptPool& attempts, filter::Url url, TlsFiles::Slot tls,
                     milliseconds connect, UrlEvents& events)
    : control_(context.loop), url_(std::move(url)), events_(events),
      cluster_(new upstream::Cluster(context, plan_of(url_, std::move(tls), connect), std::make_shared<upstream::Limits>())),
      lookup_(control_, *this), fetch_(control_, attempts, *this) {}

void UrlClient::ask(filter::Subrequest& what) {
  what_ = &what;
  http::RequestHead& head = what.head;
  head.scheme = url_.https ? "https" : "http";
  head.authority = url_.authority;
  head.path = url_.path;
  head.headers.set("Host", url_.authority);
  head.headers.set("User-Agent", "outrider");
  if (control_.now() < fresh_until_) return fetch_.start(cluster_, what);
  const bool v6 = url_.host.find(':') != std::string::npos;
  const auto literal = net::Address::parse((v6 ? "[" + url_.host + "]" : url_.host) + ":" + std::to_string(url_.port));
  if (literal) ask_at({*literal});
  else lookup_.start(url_.host, url_.port);
}

void UrlClient::on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) {
  if (found.empty()) return events_.on_answered("lookup", trouble);
  ask_at(found);
}

void UrlClient::ask_at(const std::vector<net::Address>& at) {
  std::vector<std::shared_ptr<const discovery::Instance>> endpoints;
  for (const net::Address& address : at) {
    auto endpoint = std::make_shared<discovery::Instance>();
    endpoint->address = address.text();
    endpoints.push_back(std::move(endpoint));
  }
  if (auto next = upstream::next_set(set_, upstream::Known::Yes, endpoints)) cluster_->adopt(set_ = std::move(next));
  fresh_until_ = control_.now() + kFresh;
  fetch_.start(cluster_, *what_);
}

void UrlClient::on_fetched() {
  const char* const error = what_->error;
  if (!error) return events_.on_answered(nullptr, {});
  fresh_until_ = {};
  events_.on_answered(std::string_view(error) == "timeout" ? "timeout" : "connection", error);
}

identity::Outcome<TlsFiles::Slot> tls_for(const filter::Url& url, const std::string& owner, const std::string& ca,
                                          TlsFiles& files) {
  if (!url.https) return TlsFiles::Slot();
  return files.client(owner, {.ca = ca});
}

}  // namespace outrider::server
