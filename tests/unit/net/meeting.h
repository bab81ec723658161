#pragma once
// Two ends of TLS in memory, the far one in OpenSSL's own words.

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace outrider::net {

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;
using Session = std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)>;

inline Context any_client() { return {SSL_CTX_new(TLS_client_method()), SSL_CTX_free}; }

// One handshake, and the server's first words behind it, by which its tickets are with the client.
class Meeting {
 public:
  Meeting(SSL_CTX* servers, SSL_CTX* clients, const std::string& name = {}, SSL_SESSION* session = nullptr)
      : server(SSL_new(servers)), client(SSL_new(clients)) {
    BIO *near = nullptr, *far = nullptr;
    BIO_new_bio_pair(&near, 1 << 16, &far, 1 << 16);
    SSL_set_bio(server, near, near);
    SSL_set_bio(client, far, far);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    if (!name.empty()) SSL_set_tlsext_host_name(client, name.c_str());
    SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
    if (session) SSL_set_session(client, session);
    for (int i = 0; i < 10 && !established; ++i) {
      const int there = SSL_do_handshake(client), here = SSL_do_handshake(server);
      established = there == 1 && here == 1;
    }
    char word[4]{};
    if (established && SSL_version(server) == TLS1_3_VERSION) SSL_new_session_ticket(server);  // as TlsEngine::write() does
    established = established && SSL_write(server, "word", 4) == 4 && SSL_read(client, word, 4) == 4;
  }
  ~Meeting() {
    for (SSL* ssl : {client, server}) {
      SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      SSL_free(ssl);
    }
  }
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;
  bool resumed() const { return established && SSL_session_reused(client) == 1; }
  Session session() const { return {SSL_get1_session(client), SSL_SESSION_free}; }
  std::string staple() const {
    const unsigned char* bytes = nullptr;
    const long n = SSL_get_tlsext_status_ocsp_resp(client, &bytes);
    return n > 0 ? std::string(reinterpret_cast<const char*>(bytes), size_t(n)) : std::string();
  }
  SSL *const server, *const client;
  bool established = false;
};

}  // namespace outrider::net
