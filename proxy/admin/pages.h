#pragma once
// What the pages say. Functions from facts to text, so that they can be tested without a socket.

#include "admin/admin_server.h"
#include "admin/facts.h"
#include "stats/stats.h"

namespace outrider::admin {

// Facts and catalog outlive the server.
void add_health_pages(AdminServer& server, Facts& facts);                                // /live /ready
void add_admin_pages(AdminServer& server, Facts& facts, const stats::Catalog& catalog);  // those and all below
void keep_health_alone(AdminServer& server);  // admin.debug: off; pages that are added later are closed as well

bool is_asked(const std::string& name, const std::string& only);  // "cart" is also "shop/cart"; "" is all

double short_of(double number);                              // three decimals are enough for people
void parts(class Json& json, const std::vector<Part>& all);  // "ready" and "parts" of an object

Reply live_page(const Facts& facts);                   // 200, or 503
Reply ready_page(const Facts& facts, const Ask& ask);  // 200 or 503 with every part; ?json
Reply index_page(const Facts& facts);
Reply config_page(const Facts& facts);
Reply clusters_page(const Facts& facts, const Ask& ask);       // ?cluster=NAME, ?times: how long their answers took
Reply services_page(const Facts& facts, const Ask& ask);       // ?service=NAME
Reply authorization_page(const Facts& facts, const Ask& ask);  // ?from=&to=, and for HTTP &method=&path=
std::string authorization_json(const AuthorizationView& view);
Reply route_page(const Facts& facts, const Ask& ask);  // ?method=&url=&from=&listener=&headers=, the last a line each
std::string route_json(const RouteView& view);
Reply registry_page(const Facts& facts);
Reply version_page(const Facts& facts);
Reply drain_page(Facts& facts);
Reply quit_page(Facts& facts);

// stat_page.cc: counters and quantiles since the start, per direction and cluster, per rule, and per peer; ?cluster=NAME. Who
// wants rates asks twice and divides by the difference of uptime_s; with ?buckets, of latencies, too (stats/histogram.h).
Reply stat_page(const Facts& facts, const stats::Catalog& catalog, const Ask& ask);

// overview_page.cc: process, readiness, and counters since the start with the histograms they were counted into; `pages` are
// those there are.
Reply overview_page(const Facts& facts, const stats::Catalog& catalog, const std::vector<std::string>& pages);

}  // namespace outrider::admin
