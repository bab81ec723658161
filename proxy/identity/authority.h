#pragma once
// A throw-away certificate authority for tests and trials: `identity dev-ca`, `identity issue`.

#include <string>
#include <vector>

#include "base/time.h"
#include "identity/certificate.h"
#include "identity/key_pair.h"
#include "identity/outcome.h"
#include "identity/workload_id.h"

namespace outrider::identity {

struct Issued {
  KeyPair key;
  Certificate certificate;
};

// A root and its key. Not for production: there is no revocation and no log. Owned by whoever made it; any thread.
class Authority {
 public:
  static constexpr seconds kLife = std::chrono::hours(24 * 365);
  struct Wish {  // what a certificate is to say
    WorkloadId id;
    std::vector<std::string> dns, addresses;  // addresses: IPv4 or IPv6, without port
    seconds life = std::chrono::hours(24);
  };

  static Outcome<Authority> create(WallTime now, seconds life = kLife, std::string_view name = "outrider dev CA");
  static Outcome<Authority> load(const std::string& folder);  // ca.crt, ca.key; the two must fit
  Outcome<Done> save(const std::string& folder) const;        // never over an existing ca.key
  // A key of its own and a certificate for both ends of TLS, valid from a minute before `now`, never past the root.
  Outcome<Issued> issue(const Wish& wish, WallTime now) const;
  const Certificate& certificate() const { return certificate_; }
  const KeyPair& key() const { return key_; }

 private:
  Authority(KeyPair key, Certificate certificate) : key_(std::move(key)), certificate_(std::move(certificate)) {}
  KeyPair key_;
  Certificate certificate_;
};

// The verbs of the command line: what they write is in CONFIG's section on `identity`.
Outcome<Done> make_dev_ca(const std::string& folder, WallTime now);
Outcome<Done> issue_into(const std::string& ca_folder, const Authority::Wish& wish, const std::string& out, WallTime now);

}  // namespace outrider::identity
