#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/text.h"
#include "identity/files.h"
#include "net/client_hello.h"
#include "net/loop.h"
#include "net/ticket_keys.h"
#include "net/tls_engine.h"

namespace outrider::net {

namespace {

// Mozilla's "intermediate" for TLS 1.2: forward secrecy and AEAD only (RFC 9325 4.2).
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kCurves = "X25519:P-256:P-384";

std::string first_reason() {
  const unsigned long code = ERR_peek_error();  // the first says most
  ERR_clear_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "unknown error";
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in, unsigned in_length,
                    void* context) {
  const std::string& ours = static_cast<const TlsContext*>(context)->protocols();
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, reinterpret_cast<const unsigned char*>(ours.data()), unsigned(ours.size()), in,
                            in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 3.2
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

identity::Failure wrong(const std::string& file) { return identity::Failure{file + ": " + first_reason()}; }

// A file that cannot be read says so better than OpenSSL does.
std::optional<identity::Failure> missing(const std::string& file) {
  if (file.empty()) return {};
  if (const auto there = identity::read_file(file); !there) return there.failure();
  return {};
}

// Those of TLS 1.3, or the others; `usual` where there are none.
std::string ciphers_of(const TlsTerms& terms, bool tls13, const char* usual) {
  std::string list;
  for (const std::string_view name : split(terms.ciphers, ':'))
    if (!name.empty() && name.starts_with("TLS_") == tls13) list.append(list.empty() ? "" : ":").append(name);
  return list.empty() ? usual : list;
}

std::string curves_of(const TlsTerms& terms) { return terms.curves.empty() ? kCurves : terms.curves; }

SSL_CTX* make(const SSL_METHOD* method, const TlsTerms& terms) {
  SSL_CTX* context = SSL_CTX_new(method);
  SSL_CTX_set_min_proto_version(context, terms.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_cipher_list(context, ciphers_of(terms, false, kCiphers12).c_str());
  SSL_CTX_set_ciphersuites(context, ciphers_of(terms, true, kCiphers13).c_str());
  SSL_CTX_set1_groups_list(context, curves_of(terms).c_str());
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

void serve(SSL_CTX* context, const std::string& session_name) {
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets alone
  SSL_CTX_set_num_tickets(context, 0);                          // by the handshake: see TlsEngine::write()
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(session_name.data()),
                                 unsigned(session_name.size()));
}

void originate(SSL_CTX* context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, TlsEngine::keep_session);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TlsEngine::verify);
}

std::optional<identity::Failure> show_files(SSL_CTX* context, const std::string& cert, const std::string& key) {
  for (const auto& file : {cert, key})
    if (const auto why = missing(file)) return why;
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) return wrong(cert);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) return wrong(key);
  if (SSL_CTX_check_private_key(context) != 1) return wrong(key);
  return {};
}

}  // namespace

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

identity::Outcome<std::shared_ptr<TlsContext>> TlsContext::site(const TlsServerSettings& settings,
                                                                const std::string& session_name) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  SSL_CTX* context = made->context_ = make(TLS_server_method(), settings.terms);
  made->curves_ = curves_of(settings.terms);
  serve(context, session_name);
  for (size_t i = 0; i < settings.cert.size(); ++i) {
    if (const auto why = show_files(context, settings.cert[i], settings.key[i])) return *why;
    if (!settings.staple) continue;
    auto staple = Staple::beside(settings.cert[i], SSL_CTX_get0_certificate(context), Loop::wall());
    if (!staple) made->remarks_.push_back(staple.why() + ", and is not shown");
    else if (!staple->empty()) made->staples_.push_back(std::move(*staple));
  }
  if (!made->staples_.empty()) {
    SSL_CTX_set_tlsext_status_cb(context, TlsContext::staple);
    SSL_CTX_set_tlsext_status_arg(context, made.get());
  }
  if (!settings.client_ca.empty()) {
    if (const auto why = missing(settings.client_ca)) return *why;
    ERR_clear_error();
    if (SSL_CTX_load_verify_locations(context, settings.client_ca.c_str(), nullptr) != 1) return wrong(settings.client_ca);
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings.client_ca.c_str()));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  made->choose(settings.alpn);
  return made;
}

identity::Outcome<std::shared_ptr<const TlsContext>> TlsContext::server(const std::vector<TlsServerSettings>& settings,
                                                                        const TlsContext* before) {
  std::vector<std::shared_ptr<TlsContext>> sites;
  for (const auto& each : settings) {
    // What has been agreed on with one of them is not resumed with another.
    auto made = site(each, "outrider " + std::to_string(sites.size()));
    if (!made) return made.failure();
    sites.push_back(std::move(*made));
  }
  const auto unnamed = std::find_if(settings.begin(), settings.end(), [](const auto& each) { return each.names.empty(); });
  const std::shared_ptr<TlsContext> first = sites[unnamed == settings.end() ? 0 : size_t(unnamed - settings.begin())];
  const bool vouched = std::any_of(settings.begin(), settings.end(), [](const auto& each) { return !each.client_ca.empty(); });
  first->tickets_ = before && !vouched ? before->tickets_ : std::make_shared<TicketKeys>(Loop::clock);
  first->tickets_stay_ = vouched;
  for (size_t i = 0; i < sites.size(); ++i) {
    first->tickets_->seal_for(sites[i]->context_);
    if (sites[i] == first) continue;
    first->add_site(settings[i], sites[i]);
    first->remarks_.insert(first->remarks_.end(), sites[i]->remarks_.begin(), sites[i]->remarks_.end());
  }
  if (sites.size() > 1) SSL_CTX_set_client_hello_cb(first->context_, choose_site, first.get());
  return std::shared_ptr<const TlsContext>(first);
}

void TlsContext::add_site(const TlsServerSettings& settings, const std::shared_ptr<TlsContext>& site) {
  for (const std::string& name : settings.names) sites_.emplace(name.starts_with("*.") ? name.substr(1) : name, site);
}

const TlsContext& TlsContext::site_of(std::string_view name) const {
  const std::string wanted = to_lower(name);
  if (const auto exact = sites_.find(wanted); exact != sites_.end()) return *exact->second;
  for (size_t dot = wanted.find('.'); dot != std::string::npos; dot = wanted.find('.', dot + 1))
    if (const auto it = sites_.find(std::string_view(wanted).substr(dot)); it != sites_.end()) return *it->second;
  return *this;
}

// Before anything is agreed on, so that of another site everything counts, its oldest version and its authorities, too.
int TlsContext::choose_site(SSL* ssl, int*, void* context) {
  const unsigned char* extension = nullptr;
  size_t length = 0;
  std::string_view name;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &length) == 1)
    (void)read_server_name({reinterpret_cast<const char*>(extension), length}, name);  // OpenSSL refuses what is malformed
  const auto& first = *static_cast<const TlsContext*>(context);
  const TlsContext& chosen = first.site_of(name);
  SSL_CTX* const site = chosen.context_;
  SSL_set_SSL_CTX(ssl, site);
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(site), nullptr);
  SSL_set_min_proto_version(ssl, int(SSL_CTX_get_min_proto_version(site)));
  if (chosen.curves_ != first.curves_) SSL_set1_groups_list(ssl, chosen.curves_.c_str());
  return SSL_CLIENT_HELLO_SUCCESS;
}

int TlsContext::staple(SSL* ssl, void* context) {
  for (const Staple& staple : static_cast<const TlsContext*>(context)->staples_)
    if (staple.is_for(SSL_get_certificate(ssl), Loop::wall())) return staple.show(ssl);
  return SSL_TLSEXT_ERR_NOACK;
}

identity::Outcome<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsClientSettings& settings) {
  if (const auto why = missing(settings.ca)) return *why;
  std::shared_ptr<TlsContext> made(new TlsContext);
  SSL_CTX* context = made->context_ = make(TLS_client_method(), settings.terms);
  originate(context);
  ERR_clear_error();
  if (settings.ca.empty()) SSL_CTX_set_default_verify_paths(context);
  else if (SSL_CTX_load_verify_locations(context, settings.ca.c_str(), nullptr) != 1) return wrong(settings.ca);
  if (!settings.cert.empty())
    if (const auto why = show_files(context, settings.cert, settings.key)) return *why;
  made->identities_ = settings.identities;
  made->home_ = settings.home;
  return std::shared_ptr<const TlsContext>(std::move(made));
}

std::shared_ptr<const TlsContext> TlsContext::trusting_client() {
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->context_ = make(TLS_client_method(), {});
  originate(made->context_);
  SSL_CTX_set_verify(made->context_, SSL_VERIFY_NONE, nullptr);
  return made;
}

std::shared_ptr<const TlsContext> TlsContext::workload_server(const identity::Identity& identity,
                                                              const std::vector<std::string>& protocols, const TlsTerms& terms) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->context_ = make(TLS_server_method(), terms);
  made->server_ = true;
  serve(made->context_, "outrider");
  made->tickets_ = std::make_shared<TicketKeys>(Loop::clock);
  made->tickets_->seal_for(made->context_);
  made->show(identity);
  SSL_CTX_set_verify(made->context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, TlsEngine::verify);
  for (const auto& root : identity.trust.roots()) SSL_CTX_add_client_CA(made->context_, root.raw());
  made->choose(protocols);
  return made;
}

std::shared_ptr<const TlsContext> TlsContext::workload_client(const identity::Identity& identity, const TlsTerms& terms) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->context_ = make(TLS_client_method(), terms);
  originate(made->context_);
  made->show(identity);
  return made;
}

void TlsContext::show(const identity::Identity& identity) {
  trust_ = identity.trust;
  home_ = identity.id.trust_domain();
  SSL_CTX_use_certificate(context_, identity.leaf.raw());
  for (const auto& link : identity.chain) SSL_CTX_add1_chain_cert(context_, link.raw());
  SSL_CTX_use_PrivateKey(context_, identity.key.raw());
  SSL_CTX_set1_cert_store(context_, identity.trust.raw());
  const auto verify = [](X509_STORE_CTX* chain, void* trust) {
    static_cast<const identity::Trust*>(trust)->prepare(chain);
    return std::max(0, X509_verify_cert(chain));
  };
  SSL_CTX_set_cert_verify_callback(context_, verify, &*trust_);
}

void TlsContext::choose(const std::vector<std::string>& protocols) {
  for (const std::string& protocol : protocols) protocols_ += char(protocol.size()) + protocol;
  if (!protocols_.empty()) SSL_CTX_set_alpn_select_cb(context_, choose_protocol, this);
}

bool TlsContext::accepts(const identity::Certificate& peer, std::string_view expected) const {
  const auto id = peer.workload_id();
  if (!id) return false;
  if (expected.ends_with("/*")) return identity::matches(expected, *id, home_);
  if (!expected.empty()) return id->text() == expected;
  if (identities_.empty()) return id->trust_domain() == home_ || (trust_ && trust_->knows(id->trust_domain()));
  return std::any_of(identities_.begin(), identities_.end(),
                     [&](const std::string& pattern) { return identity::matches(pattern, *id, home_); });
}

bool TlsContext::would_take(const identity::Certificate& peer, STACK_OF(X509) * between, std::string_view expected) const {
  return trust_ && accepts(peer, expected) && trust_->vouches_for(peer.raw(), between, server_ ? "ssl_client" : "ssl_server");
}

}  // namespace outrider::net
