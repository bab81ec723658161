#pragma once
// Who we are: what lies in identity.dir.

#include <string>
#include <vector>

#include "base/time.h"
#include "identity/authority.h"
#include "identity/certificate.h"
#include "identity/key_pair.h"
#include "identity/outcome.h"
#include "identity/trust.h"
#include "identity/workload_id.h"

namespace outrider::identity {

// tls.crt (leaf first, then what fills the chain), tls.key, ca.crt, read together. Immutable; copies are cheap and may
// go to any thread. A newer one replaces it whole when the files change.
struct Identity {
  WorkloadId id;
  KeyPair key;
  Certificate leaf;
  std::vector<Certificate> chain;  // behind the leaf; often empty
  Trust trust;

  // The key must be the certificate's and the certificate must name a workload. Dates and the chain are not looked at:
  // a sidecar with an expired certificate starts and says so (problem()).
  static Outcome<Identity> load(const std::string& folder);
  static Outcome<Identity> of(const Issued& issued, const Certificate& root);  // without files
  std::string problem(WallTime now) const;  // "expired 2026-01-02T03:04:05Z" ...; empty: fit for use
  // What ends soon, when no more than `share` of its life is left; empty: nothing does. The same words until something changes.
  std::string warning(WallTime now, double share) const;
};

// For `identity show DIR`.
struct Description {
  std::string folder, id, subject, issuer, serial, fingerprint, key_kind, problem;
  std::vector<std::string> dns, addresses;
  WallTime not_before{}, not_after{};
  bool key_open = false;  // others than the owner may read tls.key
  struct Root {
    std::string subject, fingerprint;
    WallTime not_after{};
  };
  std::vector<Root> roots;
  std::string text(WallTime now) const;  // some lines for people
  std::string json() const;              // one object; times in RFC 3339
};
Outcome<Description> describe(const std::string& folder, WallTime now);

std::string rfc3339(WallTime at);  // 2026-01-02T03:04:05Z

}  // namespace outrider::identity
