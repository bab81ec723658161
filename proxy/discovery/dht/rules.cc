#include "discovery/dht/rules.h"

#include <algorithm>

namespace outrider::discovery {

using identity::Algorithm;

namespace {

RecordVerdict check_dates(const Record& record, const Rules& rules) {
  if (record.not_after <= rules.now - rules.skew - rules.stale) return RecordVerdict::Expired;
  if (record.issued > rules.now + rules.skew || record.not_before > rules.now + rules.skew) return RecordVerdict::Skew;
  if (record.not_after > rules.now + rules.longest + rules.skew) return RecordVerdict::Skew;
  // Sequences are milliseconds, or no later version could ever be newer.
  if (record.sequence > uint64_t(to_ms(rules.now + rules.skew + rules.longest))) return RecordVerdict::Skew;
  return RecordVerdict::Ok;
}

bool signature_holds(const Record& record, const identity::PublicKey& key) {
  return key.algorithm() == record.algorithm &&
         key.verify(signed_text(std::string_view(record.bytes).substr(0, record.signed_length)), record.signature);
}

// Nobody to judge signers by: a broken signature is still a broken record, a good one proves nothing.
Checked check_unjudged(const Record& record, bool must_be_signed) {
  if (must_be_signed) return {RecordVerdict::UnknownCa, {}};
  const auto leaf = identity::Certificate::from_der(record.leaf, "leaf");
  if (!leaf) return {RecordVerdict::Malformed, {}};
  return {signature_holds(record, leaf->public_key()) ? RecordVerdict::Ok : RecordVerdict::BadSignature, {}};
}

}  // namespace

RecordVerdict verdict_of(identity::TrustVerdict verdict) {
  switch (verdict) {
    case identity::TrustVerdict::Ok: return RecordVerdict::Ok;
    case identity::TrustVerdict::UnknownCa: return RecordVerdict::UnknownCa;
    case identity::TrustVerdict::Expired: return RecordVerdict::Expired;
    case identity::TrustVerdict::NotYetValid: return RecordVerdict::Skew;
    case identity::TrustVerdict::NoWorkloadId:
    case identity::TrustVerdict::WrongUse: return RecordVerdict::WrongIdentity;
    case identity::TrustVerdict::Malformed: return RecordVerdict::Malformed;
  }
  return RecordVerdict::Malformed;
}

Checked check_record(const Record& record, const Rules& rules) {
  if (record.trust_domain != rules.trust_domain) return {RecordVerdict::WrongIdentity, {}};
  if (!rules.service.empty() && record.service != rules.service) return {RecordVerdict::Replayed, {}};
  if (const auto dates = check_dates(record, rules); dates != RecordVerdict::Ok) return {dates, {}};
  const bool must_be_signed = rules.require_signed || (rules.owners && rules.owners->lists(record.service));
  if (record.algorithm == Algorithm::None) return {must_be_signed ? RecordVerdict::NoCertificate : RecordVerdict::Ok, {}};
  if (!rules.trust) return check_unjudged(record, must_be_signed);

  // A snapshot's records were signed by certificates that may have ended with them.
  const auto& judged = rules.trust->judge(record.leaf, std::min(rules.now, record.not_after));
  if (judged.verdict != identity::TrustVerdict::Ok) return {verdict_of(judged.verdict), {}};
  const identity::WorkloadId& id = *judged.id;
  if (id.trust_domain() != rules.trust_domain) return {RecordVerdict::WrongIdentity, {}};
  const bool may = rules.owners ? rules.owners->may_speak_for(record.service, id, rules.trust_domain)
                                : identity::may_speak_for(record.service, id);
  if (!may) return {RecordVerdict::NotOwner, {}};
  if (!signature_holds(record, judged.key)) return {RecordVerdict::BadSignature, {}};
  return {RecordVerdict::Ok, id.text()};
}

}  // namespace outrider::discovery
