#pragma once
// TLS from the seats of a client and of a server, and the certificates for it.

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "identity/authority.h"
#include "identity/files.h"
#include "tests/support/origin.h"
#include "tests/support/sockets.h"
#include "tests/support/stream.h"

namespace outrider::test {

// An authority, and what it issued for 127.0.0.1, as files that go with it.
class Certificates {
 public:
  struct Wish {
    std::vector<std::string> names{"localhost"}, addresses{"127.0.0.1"};
    WallTime at = std::chrono::system_clock::now();
  };
  Certificates() : Certificates(Wish{}) {}
  explicit Certificates(const Wish& wish) {
    auto authority = identity::Authority::create(wish.at);
    const auto id = identity::WorkloadId::parse("spiffe://test/ns/default/sa/web");
    const auto issued = authority->issue({*id, wish.names, wish.addresses}, wish.at);
    (void)identity::write_file(ca(), authority->certificate().pem(), 0600);
    (void)identity::write_file(cert(), issued->certificate.pem(), 0600);
    (void)identity::write_file(key(), issued->key.pem(), 0600);
  }
  // What another one has, in our files.
  void become(const Certificates& other) {
    for (const auto& [from, to] : {std::pair{other.ca(), ca()}, {other.cert(), cert()}, {other.key(), key()}})
      (void)identity::write_file(to, *identity::read_file(from), 0600);
  }
  std::string ca() const { return folder_.file("a"); }
  std::string cert() const { return folder_.file("b"); }
  std::string key() const { return folder_.file("c"); }
  // For Proxy::edge().
  std::string cluster(const std::string& more = "sni: localhost") const {
    return "tls: {ca: " + ca() + (more.empty() ? "" : ", " + more) + "}";
  }
  std::string listener(const std::string& more = {}) const {
    return "tls: {cert: " + cert() + ", key: " + key() + (more.empty() ? "" : ", " + more) + "}";
  }

 private:
  TemporaryDirectory folder_;
};

// For the far side of a cluster with TLS.
class TlsServer {
 public:
  explicit TlsServer(const Certificates& certificates) : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
    SSL_CTX_use_certificate_chain_file(context(), certificates.cert().c_str());
    SSL_CTX_use_PrivateKey_file(context(), certificates.key().c_str(), SSL_FILETYPE_PEM);
  }
  SSL_CTX* context() { return context_.get(); }
  // `serve` behind a handshake; nothing where that fails.
  Origin::Serve behind(Origin::Serve serve) {
    return [this, serve = std::move(serve)](Stream& connection) {
      SSL* ssl = SSL_new(context());
      SSL_set_fd(ssl, connection.fd());
      const bool done = SSL_accept(ssl) == 1;
      ERR_clear_error();
      if (!done) return SSL_free(ssl);
      if (SSL_session_reused(ssl)) ++resumed;
      if (SSL_get0_peer_certificate(ssl)) ++clients;
      connection.encrypt(ssl);
      serve(connection);
    };
  }
  std::atomic<int> resumed{0}, clients{0};  // handshakes that were short; clients that showed a certificate

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
};

// What a client is like; a stream it makes must not outlive it.
class TlsClient {
 public:
  explicit TlsClient(const Certificates& certificates) : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_load_verify_locations(context_.get(), certificates.ca().c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  }
  ~TlsClient() { SSL_SESSION_free(session); }
  SSL_CTX* context() { return context_.get(); }
  // Null where the handshake fails. `first`: said before it, in clear text.
  std::optional<Stream> connect(const net::Address& to, std::string_view alpn = {}, std::string_view first = {}) {
    Stream stream = Stream::connect(to);
    if (!first.empty()) stream.send(first);
    SSL* ssl = SSL_new(context_.get());
    SSL_set_fd(ssl, stream.fd());
    SSL_set1_host(ssl, name.c_str());
    if (!server_name.empty()) SSL_set_tlsext_host_name(ssl, server_name.c_str());
    if (session) SSL_set_session(ssl, session);
    const std::string protocols = char(alpn.size()) + std::string(alpn);
    if (!alpn.empty())
      SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(protocols.data()), unsigned(protocols.size()));
    const bool done = SSL_connect(ssl) == 1;
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &length);
    protocol.assign(reinterpret_cast<const char*>(chosen), length);
    resumed = SSL_session_reused(ssl);
    last = ssl;
    stream.encrypt(ssl);
    refusal = done ? "" : ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    if (!done) return {};
    return stream;
  }
  // Of the last connection, with the tickets that have come: for the next ones.
  void keep_session() {
    SSL_SESSION_free(session);
    session = SSL_get1_session(last);
  }
  std::string name = "localhost";  // whom the certificate must be for
  std::string server_name;         // to be asked for; empty: none
  std::string protocol;            // by ALPN
  std::string refusal;             // why the last handshake failed, in OpenSSL's words
  bool resumed = false;
  SSL* last = nullptr;
  SSL_SESSION* session = nullptr;

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
};

}  // namespace outrider::test
