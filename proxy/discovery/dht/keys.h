#pragma once
// Under which keys of the DHT values lie, and by which names.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace outrider::discovery {

using InstanceId = std::array<uint8_t, 16>;
InstanceId new_instance_id();  // random

// What OpenDHT calls the type of a value: how long it lives without being refreshed.
constexpr uint16_t kRecordType = 0x4d45, kListingType = 0x4d46;

// The DHT's id of this value: first 8 bytes of SHA-256, never 0. A new version of a record is a new value.
uint64_t value_id(std::string_view bytes);

// Values are marked with the part they belong to, so that a node can be asked for a part of what it keeps.
constexpr size_t kParts = 8;
std::string part_of(uint64_t value_id);
bool is_part(std::string_view text);

// Text whose hash is the DHT key: "outrider1/<trust domain>/svc/<service>#<shard>".
std::string key_name(std::string_view trust_domain, std::string_view service, uint16_t shard);

// Which of `shards` keys an instance lies under.
uint16_t shard_of(const InstanceId& instance, uint16_t shards);

// Keys under which services are listed by name: "outrider1/<trust domain>/catalog#00" to #0f. All listings of one service
// lie under one of them and belong to one part.
constexpr size_t kListingKeys = 16;
std::string listing_key(std::string_view trust_domain, size_t n);
std::string listing_key(std::string_view trust_domain, std::string_view service);
std::string listing_part(std::string_view service);

}  // namespace outrider::discovery
