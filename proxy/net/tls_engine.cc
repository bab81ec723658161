#include "net/tls_engine.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

namespace outrider::net {

namespace {

// OpenSSL's way to its records: the engine's two buffers.
int read_records(BIO* bio, char* into, int size) {
  auto& engine = *static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  int got = 0;
  while (got < size && !engine.input.empty()) {
    const std::string_view run = engine.input.front();
    const size_t n = std::min(run.size(), size_t(size - got));
    std::memcpy(into + got, run.data(), n);
    engine.input.drop(n);
    got += int(n);
  }
  if (got > 0) return got;
  BIO_set_retry_read(bio);
  return -1;
}

int write_records(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<TlsEngine*>(BIO_get_data(bio))->output.append(std::string_view(from, size_t(size)));
  return size;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* records() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outrider");
    BIO_meth_set_read(made, read_records);
    BIO_meth_set_write(made, write_records);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  return method;
}

}  // namespace

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, BlockPool& blocks)
    : input(blocks), output(blocks), context_(std::move(context)), ssl_(SSL_new(context_->raw())) {
  BIO* bio = BIO_new(records());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsEngine::~TlsEngine() { SSL_free(ssl_); }

bool TlsEngine::has_input() const { return !input.empty() || SSL_pending(ssl_) > 0; }

Result<bool> TlsEngine::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return established_ = true;
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return false;
  return error_of(result);
}

Result<size_t> TlsEngine::read(std::span<char> into) {
  size_t got = 0;
  while (got < into.size()) {
    ERR_clear_error();
    const int result = SSL_read(ssl_, into.data() + got, int(std::min<size_t>(into.size() - got, 1 << 30)));
    if (result > 0) {
      got += size_t(result);
      continue;
    }
    const int why = SSL_get_error(ssl_, result);
    ended_ = why == SSL_ERROR_ZERO_RETURN;
    if (!ended_ && why != SSL_ERROR_WANT_READ && got == 0) return error_of(result);
    break;
  }
  return got;
}

Result<Done> TlsEngine::write(std::string_view bytes) {
  ERR_clear_error();
  const int result = SSL_write(ssl_, bytes.data(), int(bytes.size()));
  if (result <= 0) return error_of(result);
  return Done{};
}

void TlsEngine::finish() {
  ERR_clear_error();
  if (established_) SSL_shutdown(ssl_);
}

std::string_view TlsEngine::version() const { return SSL_get_version(ssl_); }

Error TlsEngine::error_of(int result) const {
  Error error{Code::Tls, Side::Downstream, Retry::No, 0, established_ ? "tls_broken" : "tls_handshake"};
  if (SSL_get_error(ssl_, result) != SSL_ERROR_SSL) return error;
  switch (ERR_GET_REASON(ERR_peek_error())) {
    case SSL_R_HTTP_REQUEST: error.what = "tls_plain_http"; break;
    case SSL_R_WRONG_VERSION_NUMBER: error.what = "tls_not_tls"; break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: error.what = "tls_version"; break;
    case SSL_R_NO_SHARED_CIPHER: error.what = "tls_no_shared_cipher"; break;
    case SSL_R_NO_APPLICATION_PROTOCOL: error.what = "tls_no_shared_protocol"; break;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: error.what = "tls_no_certificate"; break;
    case SSL_R_CERTIFICATE_VERIFY_FAILED: error.what = "tls_certificate_refused"; break;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: error.what = "tls_refused_by_client"; break;
    default: break;
  }
  return error;
}

}  // namespace outrider::net
