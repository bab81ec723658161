#pragma once
// The injector as an admission webhook: a proxy whose one rule ends in the filter `inject`.

#include <string>
#include <vector>

#include "config/load.h"
#include "inject/settings.h"

namespace outrider::server {

struct WebhookSettings {
  std::string listen = ":8443", cert, key;
  std::string failure = "ignore", max_body = "3MiB", max_held = "64MiB";  // as the filter's options
  inject::Settings plan;
};

// What of a configuration is the webhook's; the rest of it is the user's.
std::vector<config::Setting> webhook_flags(const WebhookSettings& settings);

}  // namespace outrider::server
