#include "server/workload_tls.h"

namespace outrider::server {

using net::TlsContext;
using net::TlsSlot;

WorkloadTls::WorkloadTls(identity::Identity identity, net::TlsTerms terms)
    : identity_(std::move(identity)), terms_(std::move(terms)),
      client_(std::make_shared<TlsSlot>(TlsContext::workload_client(identity_, terms_))) {}

std::shared_ptr<const TlsSlot> WorkloadTls::server(std::vector<std::string> protocols) {
  for (const auto& server : servers_)
    if (server.protocols == protocols) return server.slot;
  auto slot = std::make_shared<TlsSlot>(TlsContext::workload_server(identity_, protocols, terms_));
  servers_.push_back({std::move(protocols), slot});
  return slot;
}

void WorkloadTls::renew(identity::Identity identity) {
  identity_ = std::move(identity);
  client_->set(TlsContext::workload_client(identity_, terms_));
  for (auto& server : servers_) server.slot->set(TlsContext::workload_server(identity_, server.protocols, terms_));
}

}  // namespace outrider::server
