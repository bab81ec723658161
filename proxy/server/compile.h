#pragma once
// From one configuration to what is served.

#include <memory>
#include <string>
#include <vector>

#include "config/document.h"
#include "exchange/snapshot.h"
#include "identity/outcome.h"
#include "server/access_logs.h"
#include "server/tls_files.h"
#include "server/workload_tls.h"

namespace outrider::server {

// The whole of it. Everything that can be wrong with a Document has been found by config::load() with filters::check: what
// may fail is the files it names. `workload` is null where nobody speaks mutual TLS; `files` is
// handed what it is to keep fresh, `logs` open what is written to. What is as it was in `before` is the same object: counts of
// connections, clusters with their limits, filters with what they know; null: there is none.
identity::Outcome<std::shared_ptr<const exchange::Snapshot>> compile(const config::Document& document, WorkloadTls* workload,
                                                                     TlsFiles& files, AccessLogs& logs,
                                                                     const exchange::Snapshot* before = nullptr);

// Parts of it, for those who answer questions about it.
std::shared_ptr<const filter::Authorization> authorization_of(const config::Document& document);  // null: there are no rules
// A listener as its requests meet it, without sockets and contexts of TLS. `clusters` says what its rules' numbers mean.
std::shared_ptr<const exchange::ListenerPlan> plan_of(const config::Document& document, const config::Listener& listener,
                                                      exchange::ClusterIds& clusters);
exchange::Slash slash_of(config::Listener::Slash rule);

}  // namespace outrider::server
