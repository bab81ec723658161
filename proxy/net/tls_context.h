#pragma once
// What one side of TLS shows and accepts: certificates, authorities, versions, ALPN.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/identity.h"
#include "identity/outcome.h"
#include "net/tls_staple.h"

struct ssl_ctx_st;
struct ssl_st;
struct x509_st;
struct stack_st_X509;

namespace outrider::net {

// What is agreed to. Names are OpenSSL's, with ':' between, and have been checked: config/parse_tls.cc. Of a version of which
// no cipher is named, the usual ones are.
struct TlsTerms {
  bool tls12 = true;  // else 1.3 alone
  std::string ciphers, curves;
  bool operator==(const TlsTerms&) const = default;
};

struct TlsServerSettings {
  // PEM files; each of `cert` begins with a leaf, and has its key at the same place. Several: of different kinds (ECDSA, RSA),
  // each for those clients that can verify no other.
  std::vector<std::string> cert, key;
  bool staple = true;     // FILE.ocsp beside a certificate, where there is one, is shown with it
  std::string client_ca;  // PEM; not empty: clients must have a certificate of one of them
  TlsTerms terms;
  std::vector<std::string> alpn;   // the first of them that a client offers, too, is spoken; empty: whatever it offers
  std::vector<std::string> names;  // that clients ask for by SNI, in lower case: exact, or "*.suffix"; empty: all others
  bool operator==(const TlsServerSettings&) const = default;
};

struct TlsClientSettings {
  std::string ca;         // PEM; empty: the system's authorities
  std::string cert, key;  // PEM files, shown where the server asks; empty: none
  TlsTerms terms;
  // Patterns (identity/workload_id.h): the server's SPIFFE ID must match one of them, and its name then need not. Empty:
  // its name must.
  std::vector<std::string> identities;
  std::string home;  // the trust domain that short patterns speak of
  bool operator==(const TlsClientSettings&) const = default;
};

// Offered between sidecars beside what else may be spoken, so that who listens knows a sidecar by it; where it is all that is
// offered, what follows is a stream of bytes (RFC 7301 6 leaves private names to us).
inline constexpr std::string_view kMeshProtocol = "outrider";

class TicketKeys;

// Immutable; shared by every worker, and of a server with it the keys of session tickets: a client may resume at any of
// them. Any thread.
class TlsContext {
 public:
  // Both read the files. The reason names the one at fault.
  // One at least; who asks for a name of none of them gets the one that has no names, else the first. `before` is what this
  // one is to take the place of: its clients may resume, unless they had to show certificates.
  static identity::Outcome<std::shared_ptr<const TlsContext>> server(const std::vector<TlsServerSettings>& settings,
                                                                     const TlsContext* before = nullptr);
  static identity::Outcome<std::shared_ptr<const TlsContext>> client(const TlsClientSettings& settings);
  // Takes whatever it is shown.
  static std::shared_ptr<const TlsContext> trusting_client();
  // Mutual TLS between workloads, 1.3 alone unless told otherwise: each shows its identity, and takes whom its trust vouches for,
  // of its own trust domain and of those it has bundles of. `protocols` are a server's, as above.
  static std::shared_ptr<const TlsContext> workload_server(const identity::Identity& identity,
                                                           const std::vector<std::string>& protocols,
                                                           const TlsTerms& terms = {.tls12 = false});
  static std::shared_ptr<const TlsContext> workload_client(const identity::Identity& identity,
                                                           const TlsTerms& terms = {.tls12 = false});
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* raw() const { return context_; }
  const std::string& protocols() const { return protocols_; }           // a server's, as ALPN carries them (RFC 7301 3.1)
  const std::vector<std::string>& remarks() const { return remarks_; }  // what a person should know of the files
  // What opens a client's session at a process that takes our place; null: none may be resumed there, as behind a renewal.
  TicketKeys* tickets_to_hand_over() const { return tickets_stay_ ? nullptr : tickets_.get(); }
  bool checks_identity() const { return is_mutual() || !identities_.empty(); }
  bool is_mutual() const { return trust_.has_value(); }  // of workloads
  // Whether a peer's certificate that has a chain is of somebody it may be; `expected` is his id or "namespace/*", if known.
  bool accepts(const identity::Certificate& peer, std::string_view expected) const;
  // Mutual: whether one who has been taken before would be taken by this context, too, but for dates. `between` came with him.
  bool would_take(const identity::Certificate& peer, stack_st_X509* between, std::string_view expected) const;

 private:
  TlsContext() = default;
  ssl_ctx_st* context_ = nullptr;
  void show(const identity::Identity& identity);
  void choose(const std::vector<std::string>& protocols);
  static identity::Outcome<std::shared_ptr<TlsContext>> site(const TlsServerSettings& settings, const std::string& session_name);
  void add_site(const TlsServerSettings& settings, const std::shared_ptr<TlsContext>& site);
  const TlsContext& site_of(std::string_view name) const;
  static int choose_site(ssl_st* ssl, int* alert, void* context);
  static int staple(ssl_st* ssl, void* context);
  std::shared_ptr<TicketKeys> tickets_;  // a server's
  bool tickets_stay_ = true;
  std::vector<Staple> staples_;
  std::vector<std::string> remarks_;
  // By the name that is asked for; "*.suffix" by ".suffix". Not those that are this one.
  std::map<std::string, std::shared_ptr<const TlsContext>, std::less<>> sites_;
  std::optional<identity::Trust> trust_;  // mutual
  bool server_ = false;
  std::string curves_;
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
  std::string identity{};  // SPIFFE ID or "namespace/*" that its certificate must say; empty: whoever the context accepts
};

}  // namespace outrider::net
