#include "discovery/dht/keys.h"

#include <cstring>

#include "identity/key_pair.h"

namespace outrider::discovery {

uint64_t value_id(std::string_view bytes) {
  uint64_t id = 0;
  for (const char c : identity::sha256(bytes).substr(0, 8)) id = id << 8 | uint8_t(c);
  return id ? id : 1;
}

std::string part_of(uint64_t value_id) { return std::to_string(value_id % kParts); }

bool is_part(std::string_view text) { return text.size() == 1 && text[0] >= '0' && size_t(text[0] - '0') < kParts; }

std::string key_name(std::string_view trust_domain, std::string_view service, uint16_t shard) {
  std::string out = "outrider1/";
  out.append(trust_domain).append("/svc/").append(service).append("#").append(std::to_string(shard));
  return out;
}

// Ids are random already: their first bytes are as good as a hash.
uint16_t shard_of(const InstanceId& instance, uint16_t shards) {
  return shards == 0 ? 0 : uint16_t((instance[0] << 8 | instance[1]) % shards);
}

InstanceId new_instance_id() {
  const std::string bytes = identity::random_bytes(16);
  InstanceId id;
  std::memcpy(id.data(), bytes.data(), id.size());
  return id;
}

std::string listing_key(std::string_view trust_domain, size_t n) {
  std::string out = "outrider1/";
  out.append(trust_domain).append("/catalog#0") += "0123456789abcdef"[n % kListingKeys];
  return out;
}

std::string listing_key(std::string_view trust_domain, std::string_view service) {
  return listing_key(trust_domain, size_t(value_id(service) / kParts));
}

std::string listing_part(std::string_view service) { return part_of(value_id(service)); }

}  // namespace outrider::discovery
