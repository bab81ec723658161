#include "net/tls_sessions.h"

#include <openssl/ssl.h>

namespace outrider::net {

TlsSessions::~TlsSessions() {
  for (SSL_SESSION* session : kept_) SSL_SESSION_free(session);
}

void TlsSessions::keep_to(const std::shared_ptr<const TlsContext>& of) {
  if (of_ == of) return;
  of_ = of;
  for (SSL_SESSION* session : kept_) SSL_SESSION_free(session);
  kept_.clear();
}

void TlsSessions::add(const std::shared_ptr<const TlsContext>& of, SSL_SESSION* session) {
  keep_to(of);
  if (kept_.size() == kMost) {
    SSL_SESSION_free(kept_.front());
    kept_.erase(kept_.begin());
  }
  kept_.push_back(session);
}

SSL_SESSION* TlsSessions::take(const std::shared_ptr<const TlsContext>& of) {
  keep_to(of);
  if (kept_.empty()) return nullptr;
  SSL_SESSION* const newest = kept_.back();
  if (SSL_SESSION_get_protocol_version(newest) < TLS1_3_VERSION) SSL_SESSION_up_ref(newest);
  else kept_.pop_back();
  return newest;
}

}  // namespace outrider::net
