#pragma once
// One registration as it travels: written, signed and read. The bytes are signed as sent and never written anew.
//
//   version 1 | fields: tag 1, length 2, value; tags ascend | signature is the last field
//   signed: "outrider-registration-v1" and every byte before the signature's field
//
// Tags from 0x40 to 0xEF are for later versions: signed like the rest and skipped by readers who do not know them.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "discovery/dht/keys.h"
#include "identity/identity.h"
#include "net/address.h"

namespace outrider::discovery {

constexpr size_t kMaxRecord = 4096;                      // bytes
constexpr size_t kMaxLabels = 16, kMaxLabelBytes = 256;  // all keys and values together
constexpr uint16_t kMaxShards = 1024;

// What an announcement says.
struct Announcement {
  std::string trust_domain;
  std::string service;  // "namespace/name"
  uint16_t shard = 0;   // which key of the service it lies under
  uint16_t shards = 1;  // how many the publisher knows of; a power of two
  InstanceId instance{};
  uint64_t sequence = 0;                         // milliseconds at which it was written; newest wins
  WallTime issued{}, not_before{}, not_after{};  // kept in milliseconds
  bool tombstone = false, draining = false, ready = false;
  bool mutual_tls = false;  // its address takes mutual TLS, and shows the signer's identity
  net::Address address;     // IPv4 or IPv6 and a port; may be absent in a tombstone
  std::string protocol;     // "http1", "tcp" ...; up to 16 characters
  uint32_t weight = 100;
  uint32_t slots = 0;                                       // requests it works on at a time; 0: not said
  std::string zone;                                         // up to 63
  std::string version;                                      // of the service; up to 63
  std::vector<std::pair<std::string, std::string>> labels;  // keys ascend
};

// A record as read: what it says, and what proves it. Owns its bytes.
struct Record : Announcement {
  std::string bytes;  // as sent; what a snapshot keeps
  std::string leaf;   // DER; empty: unsigned
  identity::Algorithm algorithm = identity::Algorithm::None;
  std::string signature;
  size_t signed_length = 0;  // bytes.substr(0, signed_length) is what was signed
  std::string key_name() const;
  std::string instance_text() const;  // hex
};

// Reasons of outrider_registry_rejected_total. Others than the record itself say Unsealed (identity/seal.h),
// Muted (conduct.h) and Quota (quota.h).
enum class RecordVerdict : uint8_t {
  Ok,
  BadSignature,
  UnknownCa,
  NoCertificate,
  WrongIdentity,
  NotOwner,
  Expired,
  Skew,
  Replayed,
  Oversized,
  Unsealed,
  Malformed,
  Muted,
  Quota,
};
const char* reason(RecordVerdict verdict);  // "bad_signature" ...; "" for Ok

// The bytes to publish. Without a signer the record is unsigned. Fails, saying why, when a field is out of its bounds,
// the trust domain is not the signer's, or the whole is over kMaxRecord.
identity::Outcome<std::string> write_record(const Announcement& what, const identity::Identity* signer);

// What is signed of a record: its bytes before the signature's field, as those of this purpose.
std::string signed_text(std::string_view bytes);

// Strict: Ok, Oversized or Malformed. Checks no signature and no date.
struct Parsed {
  RecordVerdict verdict = RecordVerdict::Malformed;
  Record record;  // whole when Ok
};
Parsed parse_record(std::string_view bytes);

}  // namespace outrider::discovery
