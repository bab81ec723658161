#pragma once
// Mutual TLS with the identity there is now.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/document.h"
#include "identity/identity.h"
#include "net/tls_slot.h"

namespace outrider::server {

inline net::TlsTerms terms_of(const config::TlsTerms& terms) { return {terms.tls12, terms.ciphers, terms.curves}; }

// Hands out slots, and puts new contexts into them when the identity is another. Owned by the supervisor; control loop.
class WorkloadTls {
 public:
  WorkloadTls(identity::Identity identity, net::TlsTerms terms);
  std::shared_ptr<const net::TlsSlot> client() const { return client_; }
  std::shared_ptr<const net::TlsSlot> server(std::vector<std::string> protocols);  // by ALPN, in our order; asked again: the same
  const std::string& id() const { return identity_.id.text(); }
  void renew(identity::Identity identity);

 private:
  struct Server {
    std::vector<std::string> protocols;
    std::shared_ptr<net::TlsSlot> slot;
  };
  identity::Identity identity_;
  const net::TlsTerms terms_;
  std::shared_ptr<net::TlsSlot> client_;
  std::vector<Server> servers_;
};

}  // namespace outrider::server
