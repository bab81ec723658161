#pragma once
// An authority's word that a certificate stands, which a server shows with it (RFC 6066 8, OCSP stapling).

#include <string>

#include "base/time.h"
#include "identity/outcome.h"

struct ssl_st;
struct x509_st;

namespace outrider::net {

// From a file that others keep fresh. Nobody is shown one that has expired. Immutable; any thread.
class Staple {
 public:
  // CERT.ocsp, a DER response. Empty where there is no such file; one that says nothing of `leaf`, or is out of date, is a
  // failure. Its signature is for clients to verify.
  static identity::Outcome<Staple> beside(const std::string& cert, x509_st* leaf, WallTime now);
  static std::string path(const std::string& cert) { return cert + ".ocsp"; }
  bool empty() const { return der_.empty(); }
  bool is_for(const x509_st* leaf, WallTime now) const { return leaf == leaf_ && now < until_; }
  int show(ssl_st* ssl) const;  // what OpenSSL is to make of it

 private:
  std::string der_;
  const x509_st* leaf_ = nullptr;
  WallTime until_{};
};

}  // namespace outrider::net
