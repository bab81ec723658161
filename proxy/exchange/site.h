#pragma once
// What a worker gives to everything on this floor, and the exchanges it recycles.

#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "exchange/access_log.h"
#include "exchange/counters.h"
#include "exchange/pressure.h"
#include "exchange/serving.h"
#include "exchange/shadow.h"
#include "exchange/spans.h"
#include "exchange/tap.h"
#include "http/vacant_codecs.h"
#include "upstream/attempt.h"
#include "upstream/cluster_table.h"
#include "wire/relay.h"

namespace outrider::net {
class VirtualAddresses;
}

namespace outrider::exchange {

class Decisions;
class Exchange;
class Foreword;
class HttpSession;

// Another process that goes on with clients' connections which wait for a request. Called on workers' threads; takes the
// descriptor.
class Heir {
 public:
  virtual void on_released(int fd, const ListenerPlan& from, uint32_t requests, milliseconds age) = 0;

 protected:
  ~Heir() = default;
};

// Owned by a worker; one thread. Everything that lives on the data path holds a reference to it.
struct Site {
  Site(net::Loop& l, stats::Catalog& c, stats::Shard& s, upstream::ServiceSource& services, milliseconds service_idle,
       std::shared_ptr<PeerNames> peer_names);
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  Exchange* take_exchange();
  void recycle(Exchange* exchange);

  net::Loop& loop;
  stats::Catalog& catalog;
  stats::Shard& shard;
  upstream::Context context;
  upstream::AttemptPool attempts;
  upstream::ClusterTable by_name;
  wire::PipePool pipes;
  http::VacantCodecs codecs;
  RequestCounterTable counters;
  AuthorizationCounters authorizations;
  PairCounters<std::string, std::string> denials;                   // by filter and reason
  PairCounters<std::string_view, std::string_view> filter_actions;  // what filters have done to calls
  PairCounters<std::string, std::string_view> mirrored;             // copies of requests, by cluster and result
  PairCounters<std::string_view, std::string_view> sheds;           // what was refused so that others are served
  PeerCounters peers;
  AccessLog access_log;
  Taps taps;
  std::unique_ptr<Decisions> decisions;  // null: nobody wants to know why
  Spans spans;
  Ref<Serving> serving;                                                     // the newest
  std::shared_ptr<const Pressure> pressure = std::make_shared<Pressure>();  // of the process
  std::vector<net::Address> listening;                                      // where the doors are
  const net::VirtualAddresses* virtual_addresses = nullptr;                 // of services; null: there are none
  IntrusiveList<HttpSession> sessions;                                      // for draining
  IntrusiveList<Foreword> forewords;                                        // of who is to become one
  IntrusiveList<Shadow> shadows;                                            // that have been sent; nobody waits for them
  bool draining = false;
  Heir* heir = nullptr;  // there is one: with draining

 private:
  std::vector<Exchange*> free_;
};

}  // namespace outrider::exchange
