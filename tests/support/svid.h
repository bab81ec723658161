#pragma once
// What an agent's Workload API answers, made of certificates of our own.

#include <openssl/pem.h>

#include "base/protobuf.h"
#include "identity/authority.h"
#include "identity/openssl.h"

namespace outrider::test {

struct Svid {  // message X509SVID
  std::string id, certificates, key, bundle;
  static Svid of(const identity::Issued& issued, const identity::Certificate& root) {
    identity::Bio der = identity::writing();
    i2d_PKCS8PrivateKey_bio(der.get(), issued.key.raw(), nullptr, nullptr, 0, nullptr, nullptr);
    return {issued.certificate.workload_id()->text(), issued.certificate.der(), identity::written(der), root.der()};
  }
  std::string bytes() const {
    using protobuf::write_bytes;
    return write_bytes(1, id) + write_bytes(2, certificates) + write_bytes(3, key) + write_bytes(4, bundle);
  }
};

// X509SVIDResponse; `foreign`: trust domains and their bundles.
inline std::string svid_response(const std::vector<Svid>& svids,
                                 const std::vector<std::pair<std::string, std::string>>& foreign = {}) {
  using protobuf::write_bytes;
  std::string message;
  for (const Svid& svid : svids) message += write_bytes(1, svid.bytes());
  for (const auto& [domain, bundle] : foreign) message += write_bytes(3, write_bytes(1, domain) + write_bytes(2, bundle));
  return message;
}

}  // namespace outrider::test
