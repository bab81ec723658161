#include "discovery/dht/verifier.h"

namespace outrider::discovery {

Verifier::Verifier(const DhtOptions& options, DhtStats& stats) : options_(options), stats_(stats) {
  set_identity(options.identity);
}

void Verifier::set_identity(std::shared_ptr<const identity::Identity> identity) {
  const bool same = identity && trust_ && trust_->trust() == identity->trust;
  identity_ = std::move(identity);
  if (same) return;
  if (!identity_) trust_.reset();
  else if (trust_) trust_->set_trust(identity_->trust);
  else trust_.emplace(identity_->trust);
}

Rules Verifier::rules(const std::string* service, WallTime now, bool require_signed) {
  Rules rules;
  rules.trust = trust_ ? &*trust_ : nullptr;
  rules.trust_domain = options_.trust_domain;
  if (service) rules.service = *service;
  rules.now = now;
  rules.require_signed = require_signed;
  rules.owners = &options_.owners;
  return rules;
}

std::optional<Verifier::Believed> Verifier::read(std::string_view bytes, const std::string& service, WallTime now,
                                                 milliseconds stale, RecordVerdict* why) {
  Parsed parsed = parse_record(bytes);
  if (parsed.verdict == RecordVerdict::Ok) {
    Rules rules = this->rules(&service, now, options_.needs_signatures());
    rules.stale = stale;
    Checked checked = check(parsed.record, rules);
    if (checked.verdict == RecordVerdict::Ok) {
      auto facts = facts_of(parsed.record, std::move(checked.identity));
      return Believed{std::move(parsed.record), std::move(facts)};
    }
    parsed.verdict = checked.verdict;
  }
  stats_.reject(parsed.verdict);
  ++refused_;
  if (parsed.verdict == RecordVerdict::Malformed || parsed.verdict == RecordVerdict::BadSignature) ++lies_, ++heard_lies_;
  if (why) *why = parsed.verdict;
  return {};
}

bool Verifier::trusts_signer(std::string_view bytes, WallTime now) {
  const Parsed parsed = parse_record(bytes);
  if (!trust_ || parsed.verdict != RecordVerdict::Ok || parsed.record.leaf.empty()) return true;
  const bool unknown =
      trust_->judge(parsed.record.leaf, std::min(now, parsed.record.not_after)).verdict == identity::TrustVerdict::UnknownCa;
  if (unknown) stats_.reject(RecordVerdict::UnknownCa);
  return !unknown;
}

Checked Verifier::check(const Record& record, const Rules& rules) {
  const int64_t second = to_ms(rules.now) / 1000;
  if (second != second_) second_ = second, failed_ = 0;
  if ((suspect_ && failed_ >= kFailedASecond) || heard_lies_ > kLiesAtOnce) return {RecordVerdict::Muted, {}};
  Checked checked = check_record(record, rules);
  failed_ += checked.verdict == RecordVerdict::UnknownCa || checked.verdict == RecordVerdict::BadSignature;
  return checked;
}

std::optional<Record> Verifier::keep(std::string_view bytes, WallTime now) {
  Parsed parsed = parse_record(bytes);
  if (parsed.verdict == RecordVerdict::Ok) {
    // A mesh may hold members with and without an identity: their records are kept for each other.
    parsed.verdict = check(parsed.record, rules(nullptr, now, options_.sign == Sign::Required)).verdict;
  }
  if (parsed.verdict == RecordVerdict::Ok && !kept_.take(parsed.record.leaf, value_id(bytes), parsed.record.not_after, now))
    parsed.verdict = RecordVerdict::Quota;
  if (parsed.verdict == RecordVerdict::Ok) return std::move(parsed.record);
  stats_.reject(parsed.verdict);
  return {};
}

std::shared_ptr<const Instance> facts_of(const Record& record, std::string identity) {
  auto facts = std::make_shared<Instance>();
  if (record.address.valid()) facts->address = record.address.text();
  facts->mutual_tls = record.mutual_tls && !identity.empty();
  facts->identity = std::move(identity);
  facts->instance = record.instance_text();
  facts->version = record.version;
  facts->zone = record.zone;
  facts->protocol = record.protocol;
  facts->labels = record.labels;
  facts->weight = record.weight;
  facts->slots = record.slots;
  facts->draining = record.draining;
  facts->sequence = record.sequence;
  facts->issued = record.issued;
  facts->expires = record.not_after;
  return facts;
}

}  // namespace outrider::discovery
