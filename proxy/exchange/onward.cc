// Where a redirected connection was meant for: when that is where it goes, and when it is not.

#include "exchange/onward.h"

#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/service_name.h"
#include "net/original_dst.h"
#include "net/virtual_addresses.h"

namespace outrider::exchange {

const char* meaning_of(std::string_view why) {
  if (why == kNotRedirected)
    return "it came here directly and has no other destination; only what the kernel redirects here has (the listener's "
           "transparent: redirect, and rules of nft or iptables)";
  if (why == kOwnListener)
    return "it was meant for a listener of this proxy itself; leave that port out of what is redirected, or call what is behind it";
  if (why == kVirtualAddress)
    return "it was meant for a virtual address that stands for no service here; only addresses that this proxy's own server of DNS "
           "has given stand for one (registry.dns): ask it for the name again";
  if (why != kOwnConnection) return "";
  return "it is a connection of this proxy's own, redirected back to it; leave the user it runs as out of the redirecting rules "
         "(nft: meta skuid, iptables: -m owner --uid-owner)";
}

std::string_view Exchange::asked_service() {
  const Snapshot& snapshot = *serving_->snapshot;
  return service_name(request_.authority, snapshot.default_namespace, snapshot.mesh_domain, arena_);
}

// For the rule that was found, which leads to `chosen` otherwise.
bool Exchange::goes_onward(uint32_t chosen) {
  const net::Address* const meant_for = session_->meant_for();
  if (!meant_for) return false;
  if (route_->home_port != 0) return meant_for->port() != route_->home_port;
  return chosen != kByHost || raw_ || asked_service().empty();
}

// A virtual address was called: the service is as good as named. Null: it was another, or stands for nothing.
Ref<upstream::Cluster> Exchange::called_service() {
  const net::VirtualAddresses* const all = site_.virtual_addresses;
  if (!all || !session_->meant_for() || !all->covers(*session_->meant_for())) return {};
  const std::string service = all->service_of(*session_->meant_for());
  if (service.empty()) return {};
  by_address_ = true;
  if (raw_) chain_ = &kNoFilters;  // they see requests
  return site_.by_name.find(service);
}

// Of a service that was found by its name, or was not. Who is not in the registry may be somewhere else: to where the connection
// was meant for it goes without us, too.
bool Exchange::goes_onward_after_all() const {
  return route_->onward && session_->meant_for() && !by_address_ && route_->home_port == 0 && !cluster_->plan().by_destination &&
         (cluster_->known() == upstream::Known::Absent || cluster_->known() == upstream::Known::NotYet);
}

void Exchange::lead_to(Ref<upstream::Cluster> cluster, const upstream::TryPlan* tries) {
  cluster_ = std::move(cluster);
  cluster_name_ = cluster_->plan().name;
  trying_ = tries ? tries : &cluster_->plan().tries;
  request_pipe_.keeping = trying_->retries > 0 || hedging().on;
  request_pipe_.most_kept = trying_->buffer;
}

// The way to nowhere and the ways that are circles. False: refused.
bool Exchange::may_go_onward() {
  if (raw_) chain_ = &kNoFilters;  // they see requests
  const net::Address* const meant_for = session_->meant_for();
  const auto is_own = [&] {
    return cluster_->limits().own->has(upstream::OwnConnections::key_of(session_->remote(), *meant_for));
  };
  const char* why = nullptr;
  if (!meant_for) why = kNotRedirected;
  else if (net::is_one_of(*meant_for, site_.listening)) why = kOwnListener;
  else if (is_own()) why = kOwnConnection;
  else if (site_.virtual_addresses && site_.virtual_addresses->covers(*meant_for)) why = kVirtualAddress;
  if (!why) return true;
  session_->note_not_passed_on(why);
  fail({Code::NoEndpoint, Side::Local, Retry::No, 0, why});
  return false;
}

// To where it was meant for, and no choice of endpoints: for somebody else, or for the app beside us in its client's name.
bool Exchange::goes_by_address() const {
  if (cluster_->plan().by_destination) return true;
  return session_->keeps_source() && route_ && route_->home_port != 0 && route_->home_port == session_->meant_for()->port();
}

// Who is let in to our service is not let in to all that listens beside it, nor the other way round.
uint16_t Exchange::other_port() const {
  const net::Address* const meant_for = session_->meant_for();
  return meant_for && meant_for->port() != session_->plan().authorization->port ? meant_for->port() : 0;
}

}  // namespace outrider::exchange
