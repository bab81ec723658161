#include "server/app_probes.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "stats/names.h"
#include "upstream/probe.h"

namespace outrider::server {

namespace {

using config::Probe;
constexpr int kRedirects = 10;              // as many as the kubelet follows
constexpr const char* kHere = "127.0.0.1";  // where there is no service
// The request's own frame and connection are ours, as they are the kubelet's.
constexpr std::string_view kOurs[] = {"host", "connection", "content-length", "transfer-encoding", "trailer", "upgrade", "te"};

std::string with_port(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != host.npos && !host.starts_with('[');
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// One probe. Owned by the server.
class ProbePage final : public admin::Page, upstream::ProbeEvents {
 public:
  ProbePage(net::Loop& loop, const Probe& probe, const std::string& address, const std::string& asked_as, stats::Catalog& catalog,
            stats::Shard& shard)
      : probe_(probe), name_(probe.container + "/" + config::name_of(probe.kind)), at_(with_port(address, probe.port)),
        to_(net::Address::parse(at_)), catalog_(catalog), shard_(shard), asking_(loop, *this) {
    question_.kind = probe.by == Probe::By::Http   ? upstream::HealthPlan::Kind::Http
                     : probe.by == Probe::By::Grpc ? upstream::HealthPlan::Kind::Grpc
                                                   : upstream::HealthPlan::Kind::Tcp;
    if (probe.by == Probe::By::Grpc) question_.protocol = upstream::Protocol::Http2;
    question_.path = probe.path;
    question_.authority = with_port(probe.host.empty() ? asked_as : probe.host, probe.port);
    question_.agent = "kube-probe/outrider";  // what applications know, and leave out of their logs
    question_.expect_high = 399;
    question_.timeout = probe.timeout;
    bool accepts = false;
    for (const auto& [name, value] : probe.headers) {
      if (equals_ignore_case(name, "host")) question_.authority = value;
      if (std::any_of(std::begin(kOurs), std::end(kOurs), [&](auto one) { return equals_ignore_case(one, name); })) continue;
      accepts |= equals_ignore_case(name, "accept");
      question_.headers.emplace_back(name, value);
    }
    if (!accepts && probe.by == Probe::By::Http) question_.headers.emplace_back("accept", "*/*");
    if (probe.tls)
      tls_ = net::TlsPeer{net::TlsContext::trusting_client(), probe.host.empty() ? address : probe.host, "\x08http/1.1"};
  }

 private:
  void on_visit(admin::Visit& visit) override {
    waiting_.push_back(&visit);
    if (!asking_.asking()) ask(probe_.path, 0);
  }

  // Nobody is left who wants to know.
  void on_gone(admin::Visit& visit) override {
    std::erase(waiting_, &visit);
    if (waiting_.empty()) asking_.hang_up();
  }

  void ask(const std::string& path, int hops) {
    hops_ = hops;
    question_.path = path;
    if (!to_) return asking_.fail("unreachable", "bad_address");
    asking_.ask(*to_, question_, tls_ ? &*tls_ : nullptr);
  }

  void on_probed(const upstream::ProbeFailure* failure) override {
    const uint16_t status = asking_.status();
    const bool redirects = !failure && probe_.by == Probe::By::Http && status >= 300 && status != 304;
    if (const auto path = redirects ? redirected_path(asking_.location(), probe_.tls, question_.authority, question_.path) : "";
        !path.empty()) {
      if (hops_ < kRedirects) return ask(path, hops_ + 1);
      const upstream::ProbeFailure circle{"status", "it was redirected more than 10 times"};
      return tell(&circle, 0);
    }
    tell(failure, status);
  }

  std::string what_was_asked() const {
    switch (probe_.by) {
      case Probe::By::Http: return std::string("GET ") + (probe_.tls ? "https://" : "http://") + at_ + question_.path;
      case Probe::By::Grpc:
        return "grpc.health.v1.Health/Check" + (probe_.path.empty() ? "" : " of " + probe_.path) + " at " + at_;
      case Probe::By::Tcp: break;
    }
    return "a connection to " + at_;
  }

  void tell(const upstream::ProbeFailure* failure, uint16_t status) {
    const char* const result = failure ? failure->reason : "success";
    shard_.add(catalog_.slot(stats::names::kProbes,
                             {{"container", probe_.container}, {"kind", config::name_of(probe_.kind)}, {"result", result}}));
    note(failure);
    admin::Reply reply;
    reply.status = status > 0 && probe_.by == Probe::By::Http ? status : failure ? 503 : 200;
    if (failure && reply.status < 400) reply.status = 503;
    reply.body = name_ + ": " + (failure ? failure->why : "well") + ": " + what_was_asked() + "\n";
    if (!http::may_have_body(reply.status) || reply.status == 205) reply.body.clear();
    for (admin::Visit* visit : std::exchange(waiting_, {})) visit->reply(reply);
  }

  // The kubelet's events say no more than a status: why is in our log, once for each reason.
  void note(const upstream::ProbeFailure* failure) {
    const std::string why = failure ? failure->why : "";
    if (std::exchange(said_, why) == why) return;
    if (!failure) return log::info("a probe is answered again", {{"probe", name_}});
    const auto say = probe_.kind == Probe::Kind::Liveness ? log::warn : log::info;
    say("a probe fails", {{"probe", name_}, {"reason", why}, {"asked", what_was_asked()}});
  }

  const Probe probe_;
  const std::string name_, at_;
  const Result<net::Address> to_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  upstream::ProbeQuestion question_;
  std::optional<net::TlsPeer> tls_;
  std::vector<admin::Visit*> waiting_;
  std::string said_;  // why it failed the last time; empty: it did not
  int hops_ = 0;      // redirects of this question
  upstream::Probe asking_;
};

}  // namespace

std::string redirected_path(std::string_view location, bool tls, std::string_view authority, std::string_view from) {
  if (const size_t fragment = location.find('#'); fragment != location.npos) location = location.substr(0, fragment);
  if (location.empty()) return {};
  const std::string_view scheme = tls ? "https:" : "http:";
  if (location.size() > scheme.size() + 2 && equals_ignore_case(location.substr(0, scheme.size()), scheme))
    location.remove_prefix(scheme.size());
  if (location.starts_with("//")) {
    location.remove_prefix(2);
    const std::string_view host = location.substr(0, location.find_first_of("/?"));
    const std::string usual = std::string(host) + (tls ? ":443" : ":80");
    if (!equals_ignore_case(host, authority) && !equals_ignore_case(usual, authority)) return {};
    location.remove_prefix(host.size());
    return location.starts_with('/') ? std::string(location) : "/" + std::string(location);
  }
  if (location.starts_with('/')) return std::string(location);
  const std::string_view path = from.substr(0, from.find('?'));
  if (location.starts_with('?')) return std::string(path) + std::string(location);
  if (location.substr(0, location.find_first_of("/?")).find(':') != location.npos) return {};  // another scheme
  return std::string(path.substr(0, path.rfind('/') + 1)) + std::string(location);
}

void add_probe_pages(admin::AdminServer& server, const config::Document& document, stats::Catalog& catalog, stats::Shard& shard) {
  const std::string address = document.service ? document.service.address : kHere;
  const std::string& asked_as = document.node.address.empty() ? address : document.node.address;  // as the kubelet calls it
  for (const Probe& probe : document.admin.probes)
    server.page("/probe/" + probe.container + "/" + config::name_of(probe.kind), http::Method::Get,
                std::make_unique<ProbePage>(server.loop(), probe, address, asked_as, catalog, shard));
}

}  // namespace outrider::server
