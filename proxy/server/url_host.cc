#include "server/url_host.h"

#include <utility>

namespace outrider::server {

namespace {

constexpr seconds kFresh{30};  // so long an address is taken for its host's

}  // namespace

std::shared_ptr<upstream::ClusterPlan> plan_of(const filter::Url& url, TlsFiles::Slot tls, milliseconds connect) {
  auto plan = std::make_shared<upstream::ClusterPlan>();
  plan->name = url.authority;
  plan->protocol = url.https ? upstream::Protocol::Either : upstream::Protocol::Http1;
  plan->tls.files = std::move(tls);
  plan->tls.name = url.host;
  plan->pool.connect_timeout = connect;
  return plan;
}

UrlHost::UrlHost(const upstream::Context& context, filter::Url url, std::shared_ptr<const upstream::ClusterPlan> plan,
                 UrlHostEvents& events)
    : control_(context.loop), url_(std::move(url)), events_(events),
      cluster_(new upstream::Cluster(context, std::move(plan), std::make_shared<upstream::Limits>())), lookup_(control_, *this) {}

void UrlHost::find() {
  if (control_.now() < fresh_until_) return events_.on_host(nullptr, {});
  if (looking_) return;
  const bool v6 = url_.host.find(':') != std::string::npos;
  const auto literal = net::Address::parse((v6 ? "[" + url_.host + "]" : url_.host) + ":" + std::to_string(url_.port));
  if (literal) return found({*literal});
  looking_ = true;
  lookup_.start(url_.host, url_.port);
}

void UrlHost::on_looked_up(const std::vector<net::Address>& at, const std::string& trouble) {
  looking_ = false;
  if (at.empty()) return events_.on_host("lookup", trouble);
  found(at);
}

void UrlHost::found(const std::vector<net::Address>& at) {
  std::vector<std::shared_ptr<const discovery::Instance>> endpoints;
  for (const net::Address& address : at) {
    auto endpoint = std::make_shared<discovery::Instance>();
    endpoint->address = address.text();
    endpoints.push_back(std::move(endpoint));
  }
  if (auto next = upstream::next_set(set_, upstream::Known::Yes, endpoints)) cluster_->adopt(set_ = std::move(next));
  fresh_until_ = control_.now() + kFresh;
  events_.on_host(nullptr, {});
}

}  // namespace outrider::server
