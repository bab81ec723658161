#pragma once
// May one service ask another for something? For `outrider authz` and its page.

#include <optional>

#include "admin/facts.h"
#include "config/document.h"
#include "identity/workload_id.h"

namespace outrider::server {

// By what judges requests, over one side's configuration. FROM is a SPIFFE ID, "namespace/account", or an account of the
// service's own namespace; "-" is somebody without an identity. TO is the service of this configuration.
std::optional<identity::WorkloadId> workload_of(const config::Document& document, std::string_view from);
// What keeps somebody from connecting by mutual TLS, whatever they ask for: a key of the configuration, or null. Nothing:
// somebody without an identity.
const char* kept_out_by(const config::Identity& rules, const std::optional<identity::WorkloadId>& who);
admin::AuthorizationView judge(const config::Document& document, const admin::AuthorizationQuestion& question);

}  // namespace outrider::server
