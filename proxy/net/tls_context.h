#pragma once
// What a TLS server shows and accepts: certificate, key, versions, ALPN.

#include <memory>
#include <string>
#include <vector>

#include "identity/outcome.h"

struct ssl_ctx_st;

namespace outrider::net {

struct TlsServerSettings {
  std::string cert, key;          // PEM files; `cert` begins with the leaf
  std::string client_ca;          // PEM; not empty: clients must have a certificate of one of them
  bool tls12 = true;              // else 1.3 alone
  std::vector<std::string> alpn;  // the first of them that a client offers, too, is spoken; empty: whatever it offers
};

// Immutable; shared by every worker, and with it the keys of session tickets: a client may resume at any of them. Any
// thread.
class TlsContext {
 public:
  // Reads the files. The reason names the one at fault.
  static identity::Outcome<std::shared_ptr<const TlsContext>> server(const TlsServerSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* raw() const { return context_; }
  const std::string& protocols() const { return protocols_; }  // as ALPN carries them (RFC 7301 3.1)

 private:
  TlsContext() = default;
  ssl_ctx_st* context_ = nullptr;
  std::string protocols_;
};

}  // namespace outrider::net
