#include "net/tls_engine.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

#include "net/loop.h"
#include "net/tls_sessions.h"

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

// SSL_get_error() looks at what others left in the thread's queue, too. To empty it is dear, and it nearly always is.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

void join(SSL* ssl, TlsEngine& engine) {
  BIO* bio = BIO_new(records());
  BIO_set_data(bio, &engine);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
}

// What a stranger wrote, fit for a line of a log.
std::string printable(std::string text) {
  constexpr size_t kLongest = 200;
  for (char& c : text)
    if (c < 0x20 || c > 0x7e) c = '?';
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMost = 4;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i) text += (i ? ", " : "") + printable(names[i]);
  return names.empty() ? "nobody" : names.size() > kMost ? text + " ..." : text;
}

std::string day_of(WallTime at) {
  const time_t seconds_since = std::chrono::system_clock::to_time_t(at);
  tm utc{};
  gmtime_r(&seconds_since, &utc);
  char text[32];
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// What to make of an error: a word for counters, and for a client the sentence a person reads.
struct Meaning {
  const char* what;
  const char* sentence;
};

Meaning meaning_of(int reason, bool client) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST: return {"tls_plain_http", ""};
    case SSL_R_WRONG_VERSION_NUMBER: return {"tls_not_tls", "it does not speak TLS"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return {"tls_version", "it speaks no version of TLS that we do"};
    case SSL_R_NO_SHARED_CIPHER: return {"tls_no_shared_cipher", ""};
    case SSL_R_NO_SUITABLE_KEY_SHARE: return {"tls_no_shared_curve", ""};
    case SSL_R_WRONG_CURVE: return {"tls_no_shared_curve", "its certificate's key is on a curve that is not accepted here"};
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
      return {"tls_no_agreement", "it accepts none of the ciphers or curves offered, or asks for a certificate of ours"};
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return {"tls_no_shared_protocol", "it speaks no protocol that was offered by ALPN"};
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return {"tls_no_certificate", ""};
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return {"tls_no_certificate", "it asks for a certificate of ours"};
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return {"tls_certificate_refused", "its certificate is refused"};
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return client ? Meaning{"tls_refused_by_endpoint", "it refuses our certificate"} : Meaning{"tls_refused_by_client", ""};
    default: return {nullptr, ""};
  }
}

}  // namespace

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, BlockPool& blocks)
    : input(blocks), output(blocks), context_(std::move(context)), ssl_(SSL_new(context_->raw())), client_(false) {
  join(ssl_, *this);
  SSL_set_app_data(ssl_, this);
  SSL_set_accept_state(ssl_);
}

TlsEngine::TlsEngine(const TlsPeer& peer, BlockPool& blocks)
    : input(blocks), output(blocks), context_(peer.context), ssl_(SSL_new(context_->raw())), client_(true),
      sessions_(peer.sessions), name_(peer.name), expected_(peer.identity) {
  join(ssl_, *this);
  SSL_set_connect_state(ssl_);
  SSL_set_app_data(ssl_, this);
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_);
  const bool address = X509_VERIFY_PARAM_set1_ip_asc(wanted, name_.c_str()) == 1;  // not for SNI (RFC 6066 3)
  if (!address) SSL_set_tlsext_host_name(ssl_, name_.c_str());
  if (context_->checks_identity()) {
    X509_VERIFY_PARAM_set1_ip(wanted, nullptr, 0);
  } else if (!address) {
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set1_host(wanted, name_.data(), name_.size());
  }
  if (!peer.protocols.empty())
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(peer.protocols.data()), unsigned(peer.protocols.size()));
  SSL_SESSION* const session = sessions_ ? sessions_->take(context_) : nullptr;
  if (!session) return;
  SSL_set_session(ssl_, session);
  SSL_SESSION_free(session);
}

// A connection that ends without a word of TLS does not make its session a bad one (RFC 8446 6.1).
TlsEngine::~TlsEngine() {
  if (established_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

int TlsEngine::keep_session(SSL* ssl, SSL_SESSION* session) {
  const auto& engine = *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  if (engine.sessions_) engine.sessions_->add(engine.context_, session);
  return engine.sessions_ ? 1 : 0;
}

bool TlsEngine::has_input() const { return broken_ || !input.empty() || SSL_pending(ssl_) > 0; }

Result<bool> TlsEngine::handshake() {
  forget_errors();
  if (began_ == TimePoint{}) began_ = Loop::clock();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    if (context_->checks_identity()) note_peer();
    owes_ticket_ = !client_ && SSL_version(ssl_) == TLS1_3_VERSION;
    return established_ = true;
  }
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return false;
  return error_of(result);
}

Result<size_t> TlsEngine::read(std::span<char> into) {
  size_t got = 0;
  while (got < into.size() && has_input()) {  // to ask OpenSSL for what it cannot have costs as much as a small record
    forget_errors();
    const int result = SSL_read(ssl_, into.data() + got, int(std::min<size_t>(into.size() - got, 1 << 30)));
    if (result > 0) {
      got += size_t(result);
      continue;
    }
    const int why = SSL_get_error(ssl_, result);
    ended_ = why == SSL_ERROR_ZERO_RETURN;
    broken_ = !ended_ && why != SSL_ERROR_WANT_READ;
    if (broken_ && got == 0) return error_of(result);
    break;  // what was whole goes first
  }
  return got;
}

// A ticket of TLS 1.3 goes in one piece with the first answer: nobody waits for it, and of its own it would wake the client
// for nothing. Who is never answered needs none.
Result<Done> TlsEngine::write(std::string_view bytes) {
  forget_errors();
  if (std::exchange(owes_ticket_, false)) SSL_new_session_ticket(ssl_);
  const int result = SSL_write(ssl_, bytes.data(), int(bytes.size()));
  if (result <= 0) return error_of(result);
  return Done{};
}

void TlsEngine::finish() {
  if (!established_ || std::exchange(finished_, true)) return;
  forget_errors();
  SSL_shutdown(ssl_);
}

std::string_view TlsEngine::version() const { return SSL_get_version(ssl_); }

std::string_view TlsEngine::server_name() const {
  const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name ? std::string_view(name) : std::string_view();
}

bool TlsEngine::peer_certified() const { return SSL_get0_peer_certificate(ssl_) && SSL_get_verify_result(ssl_) == X509_V_OK; }

void TlsEngine::note_peer() {
  const identity::Certificate certificate(std::shared_ptr<X509>(SSL_get1_peer_certificate(ssl_), X509_free));
  if (!certificate.raw()) return;
  if (const auto id = certificate.workload_id()) peer_ = id->text();
}

bool TlsEngine::trusts_still(const std::shared_ptr<const TlsContext>& now) {
  if (has_asked(now)) return trusted_;
  judged_by_ = now;
  const identity::Certificate peer(std::shared_ptr<X509>(SSL_get1_peer_certificate(ssl_), X509_free));
  return trusted_ = peer.raw() && now->would_take(peer, SSL_get_peer_cert_chain(ssl_), expected_);
}

bool TlsEngine::resumed() const { return SSL_session_reused(ssl_); }

std::string_view TlsEngine::protocol() const {
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &chosen, &length);
  return {reinterpret_cast<const char*>(chosen), length};
}

// --- what went wrong -----------------------------------------------------------------------------------------------

Error TlsEngine::closed_early() {
  if (!client_) return {Code::Closed, Side::Local, Retry::No, 0, "closed"};
  trouble_ = "it closed the connection in the handshake";
  return {Code::Tls, Side::Upstream, Retry::No, 0, "tls_closed"};
}

Error TlsEngine::error_of(int result) {
  Error error{Code::Tls, client_ ? Side::Upstream : Side::Downstream, Retry::No, 0,
              established_ ? "tls_broken" : "tls_handshake"};
  if (SSL_get_error(ssl_, result) != SSL_ERROR_SSL) return error;
  const unsigned long code = ERR_peek_error();
  const Meaning meaning = meaning_of(ERR_GET_REASON(code), client_);
  if (meaning.what) error.what = meaning.what;
  if (refusal_) {
    error.what = refusal_;  // and its sentence is there
    return error;
  }
  const char* reason = ERR_reason_error_string(code);
  trouble_ = std::string(meaning.what ? meaning.sentence : "TLS failed") + (reason ? std::string(": ") + reason : "");
  return error;
}

int TlsEngine::verify(int ok, X509_STORE_CTX* chain) {
  const auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& engine = *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  if (ok && (X509_STORE_CTX_get_error_depth(chain) > 0 || !engine.context_->checks_identity())) return 1;
  return engine.refuse(chain) ? 0 : 1;
}

// Asked about the first fault of a chain, and about a leaf without one where its identity matters. False: it is accepted.
bool TlsEngine::refuse(X509_STORE_CTX* chain) {
  X509* const raw = X509_STORE_CTX_get_current_cert(chain);
  const bool leaf = X509_STORE_CTX_get_error_depth(chain) == 0;
  if (raw) X509_up_ref(raw);
  const identity::Certificate certificate(std::shared_ptr<X509>(raw, X509_free));
  const std::string whose =
      leaf ? "its certificate" : "the certificate of its authority (" + printable(certificate.subject()) + ")";
  const int error = X509_STORE_CTX_get_error(chain);
  switch (error) {
    case X509_V_OK:
      if (context_->accepts(certificate, expected_)) return false;
      X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
      refusal_ = "tls_wrong_identity";
      trouble_ = "its certificate is of " + listed(certificate.uris()) + ", which is none of those expected";
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: {
      auto names = certificate.dns_names();
      for (auto& address : certificate.addresses()) names.push_back(std::move(address));
      refusal_ = "tls_wrong_name";
      trouble_ = "its certificate is for " + listed(names) + ", not for " + name_;
      break;
    }
    case X509_V_ERR_CERT_HAS_EXPIRED:
      refusal_ = "tls_expired";
      trouble_ = whose + " expired at " + day_of(certificate.not_after());
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      refusal_ = "tls_not_yet_valid";
      trouble_ = whose + " is valid from " + day_of(certificate.not_before());
      break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      refusal_ = "tls_unknown_ca";
      trouble_ = whose + " is of an authority that is not trusted here (" + printable(certificate.issuer()) + ")";
      break;
    default: refusal_ = "tls_certificate_refused"; trouble_ = whose + " is refused: " + X509_verify_cert_error_string(error);
  }
  return true;
}

}  // namespace outrider::net
