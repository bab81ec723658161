#include "exchange/site.h"

#include "exchange/decisions.h"
#include "exchange/exchange.h"
#include "exchange/foreword.h"
#include "exchange/http_session.h"
#include "stats/names.h"

namespace outrider::exchange {

namespace names = stats::names;

namespace {
constexpr size_t kNames = 1000;
constexpr size_t kKept = 1024;
}  // namespace

Site::Site(net::Loop& l, stats::Catalog& c, stats::Shard& s, upstream::ServiceSource& services, milliseconds service_idle,
           std::shared_ptr<PeerNames> peer_names)
    : loop(l), catalog(c), shard(s), context{l, c, s}, attempts(l), by_name(context, services, kNames, service_idle),
      codecs(l.blocks()), counters(c), authorizations(c), denials(c, names::kFilterDenied, "filter", "reason"),
      filter_actions(c, names::kFilterActions, "filter", "action"), mirrored(c, names::kMirrored, "cluster", "result"),
      sheds(c, names::kServiceShed, "priority", "reason"), peers(c, std::move(peer_names)), access_log(l), taps(l, c, s),
      spans(l, c, s) {}

Site::~Site() {
  while (Foreword* foreword = forewords.front()) foreword->cut();
  while (Shadow* shadow = shadows.front()) delete shadow;
  for (Exchange* exchange : free_) delete exchange;
}

Exchange* Site::take_exchange() {
  if (free_.empty()) return new Exchange(*this);
  Exchange* exchange = free_.back();
  free_.pop_back();
  return exchange;
}

void Site::recycle(Exchange* exchange) {
  exchange->reset_for_reuse();
  if (free_.size() < kKept) free_.push_back(exchange);
  else delete exchange;
}

}  // namespace outrider::exchange
