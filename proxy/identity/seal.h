#pragma once
// Datagrams sealed with the mesh key: who does not hold it can neither read, nor write, nor repeat one.
//
//   0xC1 | key 1 | salt 16 | counter 4 | AES-128-GCM ciphertext | tag 16        everything before the ciphertext is bound
//
// 0xC1 begins no msgpack object, so a clear DHT packet is known at its first byte. `key` names the mesh key by one byte
// derived from it. Each sender draws a salt, which gives it an AES key of its own (HKDF-SHA256 of mesh key and salt), so
// that a counter can be the nonce; before the counter ends it draws another. Not bound: the sender's address (NAT), and
// time: a datagram of a sender we have forgotten, or from before our start, is taken once more. What rides inside must
// bear that, and does: records have sequence numbers and an end.

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "identity/outcome.h"

struct evp_cipher_ctx_st;

namespace outrider::identity {

// One or two keys of 32 bytes; the first seals, both open.
struct MeshKeys {
  std::vector<std::string> keys;
};
Outcome<MeshKeys> load_mesh_keys(const std::string& path);  // one or two lines of 64 hex digits
Outcome<MeshKeys> parse_mesh_keys(std::string_view text, std::string_view file);
Outcome<Done> write_mesh_key(const std::string& path);  // fresh, 0600, never over an existing file

enum class SealVerdict : uint8_t { Ok, Unsealed, Malformed, Replayed, UnknownKey };
// The label of outrider_registry_rejected_total: unsealed (also for unknown keys), malformed, replayed; "" for Ok.
const char* reason(SealVerdict verdict);

// Seals what one node sends and opens what it receives. Owned by its socket, one thread. State of a sender is kept only
// once a datagram of it has proved authentic, and the sender least recently heard gives way: strangers cost one key
// derivation a datagram and no memory.
class Seal {
 public:
  static constexpr size_t kOverhead = 38;        // bytes a datagram grows by
  static constexpr size_t kMaxDatagram = 65507;  // UDP over IPv4
  static constexpr uint32_t kWindow = 1024;      // how far datagrams may overtake each other

  explicit Seal(const MeshKeys& keys, size_t senders = 4096);
  ~Seal();
  Seal(const Seal&) = delete;
  Seal& operator=(const Seal&) = delete;

  // The datagram to send, in a buffer of ours until the next call; empty when `plain` is too long for one.
  std::string_view seal(std::string_view plain);
  struct Opened {
    SealVerdict verdict;
    std::span<char> plain;  // Ok: the clear bytes, in a buffer of ours until the next call
  };
  Opened unseal(std::span<const char> datagram);
  size_t senders() const { return index_.size(); }

 private:
  friend class SealTest;
  using Salt = std::array<char, 16>;
  using Key = std::array<unsigned char, 16>;
  struct Mesh;  // one mesh key, ready to derive
  struct Sender {
    Salt salt;
    Key key;
    uint32_t highest = 0;
    std::array<uint64_t, kWindow / 64> seen{};  // bit counter % kWindow
    bool fresh(uint32_t counter) const;
    void mark(uint32_t counter);
  };
  using Senders = std::list<Sender>;  // newest use in front
  void draw_salt();
  bool open(const Key& key, std::span<const char> datagram);
  void remember(const Sender& sender);

  std::vector<std::unique_ptr<Mesh>> meshes_;
  const size_t limit_;
  evp_cipher_ctx_st* sealing_ = nullptr;
  evp_cipher_ctx_st* opening_ = nullptr;
  Salt salt_{};
  uint32_t counter_ = 0;
  std::string sealed_, opened_;
  Senders senders_;
  std::unordered_map<std::string_view, Senders::iterator> index_;  // by salt, which lives in the list
};

}  // namespace outrider::identity
