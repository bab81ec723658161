#pragma once
// From one configuration to what is served.

#include <memory>
#include <string>
#include <vector>

#include "config/document.h"
#include "exchange/snapshot.h"
#include "identity/outcome.h"
#include "server/workload_tls.h"

namespace outrider::server {

// The whole of it. Everything that can be wrong with a Document has been found by config::load() with filters::check: what
// may fail is the files it names. `workload` is null where nobody speaks mutual TLS.
identity::Outcome<std::shared_ptr<const exchange::Snapshot>> compile(const config::Document& document, uint64_t version,
                                                                     WorkloadTls* workload);

}  // namespace outrider::server
