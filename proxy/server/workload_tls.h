#pragma once
// Mutual TLS with the identity there is now.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "identity/identity.h"
#include "net/tls_slot.h"

namespace outrider::server {

// Hands out slots, and puts new contexts into them when the identity is another. Owned by the supervisor; control loop.
class WorkloadTls {
 public:
  explicit WorkloadTls(identity::Identity identity);
  std::shared_ptr<const net::TlsSlot> client() const { return client_; }
  std::shared_ptr<const net::TlsSlot> server(std::vector<std::string> protocols);  // by ALPN, in our order
  const std::string& id() const { return identity_.id.text(); }
  void renew(identity::Identity identity);

 private:
  struct Server {
    std::vector<std::string> protocols;
    std::shared_ptr<net::TlsSlot> slot;
  };
  identity::Identity identity_;
  std::shared_ptr<net::TlsSlot> client_;
  std::vector<Server> servers_;
};

}  // namespace outrider::server
