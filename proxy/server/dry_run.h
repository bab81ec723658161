#pragma once
// What would become of a request? For `outrider route` and its page.

#include "admin/facts.h"
#include "config/document.h"

namespace outrider::server {

// By what checks, authorizes and routes requests, over one configuration; filters are named and not run. Endpoints are those
// that are written there.
admin::RouteView dry_run(const config::Document& document, const admin::RouteQuestion& question);

// Who takes requests first, by state, priority and zone, in the order in which they are known.
void in_order(std::vector<admin::EndpointView>& endpoints, const std::string& zone);

}  // namespace outrider::server
