#pragma once
// The page /explain: why requests went where they went, and ended as they did.

#include <memory>
#include <vector>

#include "admin/admin_server.h"
#include "server/view.h"
#include "server/worker.h"

namespace outrider::server {

// GET: ?id=, ?limit=. Asks every worker for what it has kept, and answers when all have, or for those that have not in time. On
// the control loop; workers and state outlive it.
std::unique_ptr<admin::Page> decision_page(net::Loop& control, const std::vector<std::unique_ptr<Worker>>& workers,
                                           const State& state);

}  // namespace outrider::server
