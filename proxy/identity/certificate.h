#pragma once
// X.509 certificates as we use them: what one says.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "identity/key_pair.h"
#include "identity/outcome.h"
#include "identity/workload_id.h"

struct x509_st;

namespace outrider::identity {

// One parsed certificate. Copies share one OpenSSL object, which nobody changes; any thread.
class Certificate {
 public:
  // `name` is for the reason: a file, or what the bytes are.
  static Outcome<Certificate> from_der(std::string_view der, std::string_view name);               // trailing bytes: an error
  static Outcome<std::vector<Certificate>> from_pem(std::string_view pem, std::string_view name);  // one at least
  static Outcome<std::vector<Certificate>> load(const std::string& path);
  explicit Certificate(std::shared_ptr<x509_st> certificate) : x509_(std::move(certificate)) {}

  std::string der() const;
  std::string pem() const;
  WallTime not_before() const;
  WallTime not_after() const;
  std::string fingerprint() const;  // SHA-256 of the DER, 64 hex digits
  std::string subject() const;      // "CN=..., O=..." (RFC 2253)
  std::string issuer() const;
  std::string serial() const;  // hex
  bool is_ca() const;
  bool may_sign() const;                  // key usage allows digital signatures, or there is none
  std::vector<std::string> uris() const;  // subject alternative names, by kind
  std::vector<std::string> dns_names() const;
  std::vector<std::string> addresses() const;
  std::optional<WorkloadId> workload_id() const;  // the only URI name, and one of ours (X509-SVID section 2)
  PublicKey public_key() const;                   // Algorithm::None: of a kind we do not accept
  x509_st* raw() const { return x509_.get(); }

 private:
  std::shared_ptr<x509_st> x509_;
};

}  // namespace outrider::identity
