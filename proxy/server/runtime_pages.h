#pragma once
// What is changed in a running proxy without its configuration: POST /log, POST /weight.

#include <cstdint>
#include <functional>
#include <string>

#include "admin/admin_server.h"
#include "config/document.h"

namespace outrider::server {

struct RuntimeActions {
  std::function<std::string(config::Log::Level)> log;  // from now on; empty, or why not
  std::function<std::string(uint32_t)> weight;         // of the registration; likewise
};

// For this machine only. What is changed lasts until the process ends, or the configuration says something new of it.
void add_runtime_pages(admin::AdminServer& server, RuntimeActions actions);

}  // namespace outrider::server
