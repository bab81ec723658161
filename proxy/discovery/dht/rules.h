#pragma once
// Whether a record is believed.

#include "discovery/dht/record.h"
#include "identity/trust.h"
#include "identity/workload_id.h"

namespace outrider::discovery {

struct Rules {
  identity::TrustCache* trust = nullptr;  // null: we have no identity, signers cannot be judged
  std::string_view trust_domain;
  std::string_view service;  // found under this service's key; empty: whichever
  WallTime now{};
  milliseconds skew{30'000};          // how far clocks may differ
  milliseconds longest{15 * 60'000};  // a record must end within this from now (and skew)
  milliseconds stale{0};              // how long after its end it still counts: snapshots
  bool require_signed = false;
  const identity::Owners* owners = nullptr;  // null: any identity of the service's namespace; of a listed one all are signed
};

// `identity` is what the endpoint's certificate must say: the signer, and only when a chain vouches for it.
// Replayed: a record of another service under this one's key. Sequence numbers are the reader's to keep, by identity and
// instance together, since an instance id alone may be borrowed by anybody who may speak for the service.
struct Checked {
  RecordVerdict verdict = RecordVerdict::Malformed;
  std::string identity;
};
Checked check_record(const Record& record, const Rules& rules);
RecordVerdict verdict_of(identity::TrustVerdict verdict);  // on whoever shows that certificate

}  // namespace outrider::discovery
