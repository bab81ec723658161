#pragma once
// The kubelet's probes of the containers beside us, asked in its place (admin.probes): GET /probe/CONTAINER/KIND. The kubelet has
// no certificate, and a port whose connections are redirected always answers; we ask the application itself.

#include <string>

#include "admin/admin_server.h"
#include "config/document.h"
#include "stats/stats.h"

namespace outrider::server {

// A page for each probe; nothing else can be asked, and nobody but the address of the application, whatever it answers. One
// question of each is under way at a time: who comes meanwhile gets its answer, too. On the control loop, and by no limit of
// requests. The document, catalog and shard outlive the server.
void add_probe_pages(admin::AdminServer& server, const config::Document& document, stats::Catalog& catalog, stats::Shard& shard);

// Where a redirect leads, if that is the same scheme, host and port: a path with its query; else empty. `authority`: "host:port".
std::string redirected_path(std::string_view location, bool tls, std::string_view authority, std::string_view from);

}  // namespace outrider::server
