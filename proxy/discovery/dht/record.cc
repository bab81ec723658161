#include "discovery/dht/record.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "discovery/dht/wire.h"

namespace outrider::discovery {

using identity::Algorithm;
using identity::Failure;
using identity::Outcome;

namespace {

constexpr uint8_t kVersion = 1;
constexpr int64_t kLastMoment = 9'000'000'000'000;  // the year 2255, which our clock's nanoseconds can still hold
constexpr size_t kMaxShort = 63, kMaxProtocol = 16;

enum Tag : uint8_t {
  kTrustDomain = 1,
  kService,
  kShard,
  kInstance,
  kSequence,
  kTimes,
  kFlags,
  kAddress,
  kProtocol,
  kWeight,
  kZone,
  kServiceVersion,
  kLabels,
  kLeaf,
  kAlgorithm,
  kLater = 0x40,  // from here on what a reader does not know is passed over
  kSlots = kLater,
  kLaterEnd = 0xEF,
  kSignature = 0xFF,
};
enum Flag : uint8_t { kTombstone = 1, kDraining = 2, kReady = 4, kMutualTls = 8, kAllFlags = 15 };

// ---- What a record may say, for writers and readers alike ------------------------------------------------------------

bool printable(std::string_view text, size_t most) {
  return text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool valid_moment(WallTime at) { return to_ms(at) >= 0 && to_ms(at) <= kLastMoment; }

bool valid_labels(const Announcement& what) {
  size_t bytes = 0;
  for (const auto& [key, value] : what.labels) {
    if (key.empty() || !printable(key, kMaxShort) || value.size() > 255) return false;
    if (!std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; })) return false;
    bytes += key.size() + value.size();
  }
  const auto& labels = what.labels;
  const bool ascend = std::adjacent_find(labels.begin(), labels.end(),
                                         [](const auto& a, const auto& b) { return a.first >= b.first; }) == labels.end();
  return ascend && labels.size() <= kMaxLabels && bytes <= kMaxLabelBytes;
}

// Null: fine.
const char* complaint(const Announcement& what) {
  if (!identity::valid_trust_domain(what.trust_domain)) return "bad trust domain";
  if (!identity::valid_service(what.service)) return "a service is namespace/name, lower case, 63 characters each";
  if (!std::has_single_bit(what.shards) || what.shards > kMaxShards) return "shards is no power of two up to 1024";
  if (what.shard >= what.shards) return "shard is not below shards";
  if (!valid_moment(what.issued) || !valid_moment(what.not_before) || !valid_moment(what.not_after)) return "a time out of range";
  if (what.not_before > what.not_after) return "ends before it begins";
  if (what.address.valid()) {
    if (what.address.is_unix()) return "a unix path is no address for others";
    if (what.address.port() == 0 || what.address.is_wildcard()) return "an address nobody can connect to";
  } else if (!what.tombstone) {
    return "no address";
  }
  if (!printable(what.protocol, kMaxProtocol)) return "protocol is over 16 printable characters";
  if (!printable(what.zone, kMaxShort)) return "zone is over 63 printable characters";
  if (!printable(what.version, kMaxShort)) return "version is over 63 printable characters";
  if (!valid_labels(what)) return "labels: 16, 256 bytes in all, printable, in order of their keys, each key once";
  return nullptr;
}

// ---- Writing -------------------------------------------------------------------------------------------------------

void put(std::string& out, Tag tag, std::string_view value) {
  out += char(tag);
  out += number(value.size(), 2);
  out += value;
}

void put_text(std::string& out, Tag tag, std::string_view value) {  // what is empty is not there
  if (!value.empty()) put(out, tag, value);
}

std::string label_bytes(const Announcement& what) {
  std::string out;
  for (const auto& [key, value] : what.labels) {
    (out += char(key.size())) += key;
    (out += char(value.size())) += value;
  }
  return out;
}

// ---- Reading -------------------------------------------------------------------------------------------------------

bool read_labels(std::string_view bytes, Announcement& into) {
  const auto text = [&]() -> std::optional<std::string> {
    if (bytes.empty()) return std::nullopt;
    const size_t size = uint8_t(cut(bytes, 1)[0]);
    if (bytes.size() < size) return std::nullopt;
    return std::string(cut(bytes, size));
  };
  while (!bytes.empty()) {
    auto key = text();
    auto value = key ? text() : std::nullopt;
    if (!value || into.labels.size() == kMaxLabels) return false;
    into.labels.emplace_back(std::move(*key), std::move(*value));
  }
  return true;
}

bool read_times(std::string_view bytes, Announcement& into) {
  for (WallTime* at : {&into.issued, &into.not_before, &into.not_after}) {
    const uint64_t ms = number(cut(bytes, 8));
    if (ms > uint64_t(kLastMoment)) return false;
    *at = from_ms(int64_t(ms));
  }
  return true;
}

bool read_field(uint8_t tag, std::string_view value, Record& into) {
  switch (tag) {
    case kTrustDomain: into.trust_domain = value; return true;
    case kService: into.service = value; return true;
    case kShard:
      if (value.size() != 4) return false;
      into.shard = uint16_t(number(value.substr(0, 2)));
      into.shards = uint16_t(number(value.substr(2)));
      return true;
    case kInstance:
      if (value.size() != into.instance.size()) return false;
      std::memcpy(into.instance.data(), value.data(), value.size());
      return true;
    case kSequence:
      if (value.size() != 8) return false;
      into.sequence = number(value);
      return true;
    case kTimes: return value.size() == 24 && read_times(value, into);
    case kFlags:
      if (value.size() != 1 || (uint8_t(value[0]) & ~kAllFlags)) return false;
      into.tombstone = value[0] & kTombstone;
      into.draining = value[0] & kDraining;
      into.ready = value[0] & kReady;
      into.mutual_tls = value[0] & kMutualTls;
      return true;
    case kAddress: {
      const auto address = read_address(value);
      if (address) into.address = *address;
      return address.has_value();
    }
    case kProtocol: into.protocol = value; return true;
    case kWeight:
      if (value.size() != 4) return false;
      into.weight = uint32_t(number(value));
      return true;
    case kZone: into.zone = value; return true;
    case kSlots:
      if (value.size() != 4) return false;
      into.slots = uint32_t(number(value));
      return true;
    case kServiceVersion: into.version = value; return true;
    case kLabels: return read_labels(value, into);
    case kLeaf: into.leaf = value; return true;
    case kAlgorithm:
      if (value.size() != 1 || uint8_t(value[0]) > uint8_t(Algorithm::RsaSha256)) return false;
      into.algorithm = Algorithm(value[0]);
      return true;
    case kSignature: into.signature = value; return value.size() <= identity::kMaxSignature;
    default: return tag >= kLater && tag <= kLaterEnd;
  }
}

bool read_fields(std::string_view rest, Record& into) {
  constexpr uint32_t kNeeded = 1u << kTrustDomain | 1u << kService | 1u << kShard | 1u << kInstance | 1u << kSequence |
                               1u << kTimes | 1u << kFlags | 1u << kWeight | 1u << kAlgorithm;
  uint32_t seen = 0;
  uint8_t last = 0;
  into.signed_length = into.bytes.size();
  while (!rest.empty()) {
    const size_t at = into.bytes.size() - rest.size();
    if (rest.size() < 3) return false;
    const uint8_t tag = uint8_t(cut(rest, 1)[0]);
    const size_t size = number(cut(rest, 2));
    if (tag <= last || size == 0 || size > rest.size()) return false;
    if (!read_field(tag, cut(rest, size), into)) return false;
    if (tag < 32) seen |= 1u << tag;
    if (tag == kSignature) into.signed_length = at;
    last = tag;
  }
  // Signed altogether, or not at all.
  const bool is_signed = into.algorithm != Algorithm::None;
  return (seen & kNeeded) == kNeeded && is_signed == !into.leaf.empty() && is_signed == !into.signature.empty();
}

}  // namespace

const char* reason(RecordVerdict verdict) {
  switch (verdict) {
    case RecordVerdict::Ok: return "";
    case RecordVerdict::BadSignature: return "bad_signature";
    case RecordVerdict::UnknownCa: return "unknown_ca";
    case RecordVerdict::NoCertificate: return "no_certificate";
    case RecordVerdict::WrongIdentity: return "wrong_identity";
    case RecordVerdict::NotOwner: return "not_owner";
    case RecordVerdict::Expired: return "expired";
    case RecordVerdict::Skew: return "skew";
    case RecordVerdict::Replayed: return "replayed";
    case RecordVerdict::Oversized: return "oversized";
    case RecordVerdict::Unsealed: return "unsealed";
    case RecordVerdict::Malformed: return "malformed";
    case RecordVerdict::Muted: return "muted";
    case RecordVerdict::Quota: return "quota";
  }
  return "";
}

std::string signed_text(std::string_view bytes) { return "outrider-registration-v1" + std::string(bytes); }

std::string Record::key_name() const { return discovery::key_name(trust_domain, service, shard); }

std::string Record::instance_text() const { return to_hex({reinterpret_cast<const char*>(instance.data()), instance.size()}); }

Outcome<std::string> write_record(const Announcement& what, const identity::Identity* signer) {
  if (const char* wrong = complaint(what)) return Failure{"record of " + what.service + ": " + wrong};
  if (signer && signer->id.trust_domain() != what.trust_domain)
    return Failure{"record of " + what.service + ": trust domain " + what.trust_domain + ", but the certificate is " +
                   signer->id.text()};
  std::string out(1, char(kVersion));
  put(out, kTrustDomain, what.trust_domain);
  put(out, kService, what.service);
  put(out, kShard, number(what.shard, 2) + number(what.shards, 2));
  put(out, kInstance, {reinterpret_cast<const char*>(what.instance.data()), what.instance.size()});
  put(out, kSequence, number(what.sequence, 8));
  put(out, kTimes,
      number(uint64_t(to_ms(what.issued)), 8) + number(uint64_t(to_ms(what.not_before)), 8) +
          number(uint64_t(to_ms(what.not_after)), 8));
  const int flags = (what.tombstone ? kTombstone : 0) | (what.draining ? kDraining : 0) | (what.ready ? kReady : 0) |
                    (what.mutual_tls ? kMutualTls : 0);
  put(out, kFlags, number(uint64_t(flags), 1));
  if (what.address.valid()) put(out, kAddress, address_bytes(what.address));
  put_text(out, kProtocol, what.protocol);
  put(out, kWeight, number(what.weight, 4));
  put_text(out, kZone, what.zone);
  put_text(out, kServiceVersion, what.version);
  put_text(out, kLabels, label_bytes(what));
  if (signer) put(out, kLeaf, signer->leaf.der());
  put(out, kAlgorithm, number(uint64_t(signer ? signer->key.algorithm() : Algorithm::None), 1));
  if (what.slots > 0) put(out, kSlots, number(what.slots, 4));
  if (signer) {
    const std::string signature = signer->key.sign(signed_text(out));
    if (signature.empty()) return Failure{"record of " + what.service + ": cannot be signed"};
    put(out, kSignature, signature);
  }
  if (out.size() > kMaxRecord)
    return Failure{"record of " + what.service + ": " + std::to_string(out.size()) + " bytes, over " +
                   std::to_string(kMaxRecord)};
  return out;
}

Parsed parse_record(std::string_view bytes) {
  Parsed out;
  if (bytes.size() > kMaxRecord) {
    out.verdict = RecordVerdict::Oversized;
    return out;
  }
  if (bytes.empty() || uint8_t(bytes[0]) != kVersion) return out;
  out.record.bytes = bytes;
  if (read_fields(bytes.substr(1), out.record) && !complaint(out.record)) out.verdict = RecordVerdict::Ok;
  return out;
}

}  // namespace outrider::discovery
