#pragma once
// Sidecars with identities, and clients that show one to whomever.

#include "tests/support/h2_peer.h"
#include "tests/support/mesh.h"
#include "tests/support/tls.h"

namespace outrider::test {

inline constexpr const char* kShop = "spiffe://mesh.local/ns/default/sa/shop";
inline constexpr const char* kWeb = "spiffe://mesh.local/ns/default/sa/web";

class MutualTls : public Mesh {
 protected:
  // A certificate of this folder's authority, or of a stranger's of the same name, over what is there.
  void issue(const std::string& account, const std::string& as, const std::string& authority = "ca") {
    const WallTime now = net::Loop::wall();
    if (authority != "ca") {
      EXPECT_TRUE(identity::make_dev_ca(folder.path(authority), now));
    }
    EXPECT_TRUE(identity::issue_into(folder.path(authority), {identity::id_of("spiffe://mesh.local/ns/default/sa/" + as), {}, {}},
                                     folder.path(account), now));
  }
  std::string metric_of(const std::string& result) { return "result=\"" + result + "\""; }
  // A client that shows that identity to whomever.
  Stream connect_as(const std::string& account, const net::Address& to, const std::string& offers = {}) {
    contexts_.emplace_back(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX* const context = contexts_.back().get();
    if (!account.empty()) {
      SSL_CTX_use_certificate_chain_file(context, folder.path(account + "/tls.crt").c_str());
      SSL_CTX_use_PrivateKey_file(context, folder.path(account + "/tls.key").c_str(), SSL_FILETYPE_PEM);
    }
    Stream stream = Stream::connect(to);
    SSL* const ssl = SSL_new(context);
    SSL_set_fd(ssl, stream.fd());
    if (!offers.empty()) SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(offers.data()), unsigned(offers.size()));
    handshaken_ = SSL_connect(ssl) == 1;
    ERR_clear_error();
    stream.encrypt(ssl);
    return stream;
  }
  bool handshaken_ = false;

 private:
  std::vector<std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>> contexts_;
};

// Echoes the head it got as a body.
inline std::unique_ptr<Origin> mirror() {
  return std::make_unique<Origin>([](Stream& connection) {
    while (const auto head = connection.read_message()) {
      std::string said = head->start + "\n";
      for (const auto& [name, value] : head->fields) said += name + ": " + value + "\n";
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(said.size()) + "\r\n\r\n" + said);
    }
  });
}

}  // namespace outrider::test
