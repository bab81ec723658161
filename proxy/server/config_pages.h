#pragma once
// POST /config, /config/history, POST /config/rollback.

#include "admin/admin_server.h"
#include "server/reloader.h"

namespace outrider::server {

// What changes something answers this machine only. Both outlive the server's last request.
void add_config_pages(admin::AdminServer& server, Reloader& reloader);

}  // namespace outrider::server
