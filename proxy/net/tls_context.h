#pragma once
// What one side of TLS shows and accepts: certificates, authorities, versions, ALPN.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "identity/identity.h"
#include "identity/outcome.h"

struct ssl_ctx_st;

namespace outrider::net {

struct TlsServerSettings {
  std::string cert, key;          // PEM files; `cert` begins with the leaf
  std::string client_ca;          // PEM; not empty: clients must have a certificate of one of them
  bool tls12 = true;              // else 1.3 alone
  std::vector<std::string> alpn;  // the first of them that a client offers, too, is spoken; empty: whatever it offers
};

struct TlsClientSettings {
  std::string ca;         // PEM; empty: the system's authorities
  std::string cert, key;  // PEM files, shown where the server asks; empty: none
  bool tls12 = true;      // else 1.3 alone
  // Patterns (identity/workload_id.h): the server's SPIFFE ID must match one of them, and its name then need not. Empty:
  // its name must.
  std::vector<std::string> identities;
  std::string home;  // the trust domain that short patterns speak of
};

// Offered between sidecars beside what else may be spoken, so that who listens knows a sidecar by it; where it is all that is
// offered, what follows is a stream of bytes (RFC 7301 6 leaves private names to us).
inline constexpr std::string_view kMeshProtocol = "outrider";

// Immutable; shared by every worker, and of a server with it the keys of session tickets: a client may resume at any of
// them. Any thread.
class TlsContext {
 public:
  // Both read the files. The reason names the one at fault.
  static identity::Outcome<std::shared_ptr<const TlsContext>> server(const TlsServerSettings& settings);
  static identity::Outcome<std::shared_ptr<const TlsContext>> client(const TlsClientSettings& settings);
  // Mutual TLS 1.3 between workloads: each shows its identity, and takes whom its trust vouches for, of its own trust domain.
  // `protocols` are a server's, as above.
  static std::shared_ptr<const TlsContext> workload_server(const identity::Identity& identity,
                                                           const std::vector<std::string>& protocols);
  static std::shared_ptr<const TlsContext> workload_client(const identity::Identity& identity);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* raw() const { return context_; }
  const std::string& protocols() const { return protocols_; }  // a server's, as ALPN carries them (RFC 7301 3.1)
  bool checks_identity() const { return mutual_ || !identities_.empty(); }
  // Whether a peer's certificate that has a chain is of somebody it may be; `expected` is his id, where that is known.
  bool accepts(const identity::Certificate& peer, std::string_view expected) const;

 private:
  TlsContext() = default;
  ssl_ctx_st* context_ = nullptr;
  void show(const identity::Identity& identity);
  void choose(const std::vector<std::string>& protocols);
  bool mutual_ = false;
  std::string protocols_;
  std::vector<std::string> identities_;
  std::string home_;
};

class TlsSessions;

// Whom a client means to reach.
struct TlsPeer {
  std::shared_ptr<const TlsContext> context;
  std::string name;                 // a host's or an IP address: what the certificate must be for; names are asked for by SNI
  std::string_view protocols;       // offered by ALPN, as that carries them; empty: none
  TlsSessions* sessions = nullptr;  // null: handshakes are whole
  std::string identity{};           // SPIFFE ID that its certificate must say; empty: whoever the context accepts
};

}  // namespace outrider::net
