#include "exchange/snapshot.h"

#include <tuple>

namespace outrider::exchange {

bool ListenerPlan::serves_connections_of(const ListenerPlan& before) const {
  const auto spoken = [](const ListenerPlan& plan) {
    return std::tie(plan.name, plan.direction, plan.inbound, plan.wire, plan.tls, plan.mutual_tls, plan.permissive, plan.detect,
                    plan.tcp_too, plan.redirected_too, plan.by_server_name, plan.tls_alone, plan.bytes_alone, plan.transparent,
                    plan.tproxy);
  };
  return spoken(*this) == spoken(before);
}

}  // namespace outrider::exchange
