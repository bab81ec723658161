#include "identity/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "identity/files.h"
#include "identity/key_pair.h"

namespace outrider::identity {

namespace {

constexpr uint8_t kMark = 0xC1;
constexpr size_t kKeyAt = 1, kSaltAt = 2, kCounterAt = 18, kHead = 22, kTag = 16;
constexpr size_t kMeshKey = 32, kNonce = 12;
constexpr std::string_view kDomain = "outrider-seal-v1";
static_assert(kHead + kTag == Seal::kOverhead);

// Only an OpenSSL without AES, HMAC or SHA-256, or without memory, can fail these: there is nothing to go on with.
void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "outrider: OpenSSL: %s\n", what);
  std::abort();
}

const EVP_CIPHER* aes_gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  return cipher;
}

EVP_MAC* hmac() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return mac;
}

uint32_t read_counter(const char* at) {
  const auto* b = reinterpret_cast<const unsigned char*>(at);
  return uint32_t(b[0]) << 24 | uint32_t(b[1]) << 16 | uint32_t(b[2]) << 8 | b[3];
}

void write_counter(char* at, uint32_t counter) {
  for (int i = 0; i < 4; ++i) at[i] = char(counter >> (24 - 8 * i));
}

// The counter, right-aligned: each key belongs to one salt, so that no pair of key and nonce comes twice.
std::array<unsigned char, kNonce> nonce_of(const char* counter) {
  std::array<unsigned char, kNonce> nonce{};
  std::memcpy(nonce.data() + kNonce - 4, counter, 4);
  return nonce;
}

unsigned char* bytes(char* at) { return reinterpret_cast<unsigned char*>(at); }
const unsigned char* bytes(const char* at) { return reinterpret_cast<const unsigned char*>(at); }

}  // namespace

// HKDF-SHA256 (RFC 5869). The extracted key stays inside the context, so that a sender's key costs one HMAC.
struct Seal::Mesh {
  explicit Mesh(std::string_view key) {
    unsigned char extracted[32];
    size_t length = 0;
    start(kDomain);
    must(EVP_MAC_update(context, bytes(key.data()), key.size()) == 1 &&
             EVP_MAC_final(context, extracted, &length, sizeof extracted) == 1,
         "HMAC");
    start({reinterpret_cast<char*>(extracted), sizeof extracted});
    OPENSSL_cleanse(extracted, sizeof extracted);
    id = expand("id")[0];
  }
  ~Mesh() { EVP_MAC_CTX_free(context); }
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  void start(std::string_view key) {
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    must(context && EVP_MAC_init(context, bytes(key.data()), key.size(), params) == 1, "HMAC");
  }

  Key expand(std::string_view label, std::string_view salt = {}) {  // the first block is more than we need
    unsigned char block[32];
    const unsigned char number = 1;
    size_t length = 0;
    must(EVP_MAC_init(context, nullptr, 0, nullptr) == 1 && EVP_MAC_update(context, bytes(label.data()), label.size()) == 1 &&
             EVP_MAC_update(context, bytes(salt.data()), salt.size()) == 1 && EVP_MAC_update(context, &number, 1) == 1 &&
             EVP_MAC_final(context, block, &length, sizeof block) == 1,
         "HMAC");
    Key key;
    std::memcpy(key.data(), block, key.size());
    return key;
  }

  EVP_MAC_CTX* context = EVP_MAC_CTX_new(hmac());
  uint8_t id = 0;
};

Outcome<MeshKeys> load_mesh_keys(const std::string& path) {
  auto text = read_file(path);
  if (!text) return text.failure();
  auto keys = parse_mesh_keys(*text, path);
  OPENSSL_cleanse(text->data(), text->size());
  return keys;
}

Outcome<MeshKeys> parse_mesh_keys(std::string_view text, std::string_view file) {
  MeshKeys out;
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = next_part(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim(line);
    if (line.empty()) continue;
    const std::string where = std::string(file) + ":" + std::to_string(number) + ": ";
    auto key = from_hex(line);
    if (!key || key->size() != kMeshKey) return Failure{where + "a mesh key is 64 hex digits"};
    if (out.keys.size() == 2) return Failure{where + "a third key; two are the most, while one is rotated"};
    out.keys.push_back(std::move(*key));
  }
  if (out.keys.empty()) return Failure{std::string(file) + ": no mesh key in it"};
  return out;
}

Outcome<Done> write_mesh_key(const std::string& path) {
  return write_file(path, to_hex(random_bytes(kMeshKey)) + "\n", 0600, Existing::Keep);
}

const char* reason(SealVerdict verdict) {
  switch (verdict) {
    case SealVerdict::Ok: return "";
    case SealVerdict::Unsealed: return "unsealed";
    case SealVerdict::Malformed: return "malformed";
    case SealVerdict::Replayed: return "replayed";
    case SealVerdict::UnknownKey: return "unsealed";
  }
  return "";
}

Seal::Seal(const MeshKeys& keys, size_t senders) : limit_(std::max<size_t>(senders, 1)) {
  for (const auto& key : keys.keys) meshes_.push_back(std::make_unique<Mesh>(key));
  must(!meshes_.empty(), "a seal needs a mesh key");
  sealing_ = EVP_CIPHER_CTX_new();
  opening_ = EVP_CIPHER_CTX_new();
  must(sealing_ && opening_ && aes_gcm() && EVP_DecryptInit_ex2(opening_, aes_gcm(), nullptr, nullptr, nullptr) == 1,
       "AES-128-GCM");
  sealed_.reserve(kMaxDatagram);
  opened_.resize(kMaxDatagram);
  draw_salt();
}

Seal::~Seal() {
  EVP_CIPHER_CTX_free(sealing_);
  EVP_CIPHER_CTX_free(opening_);
}

void Seal::draw_salt() {
  const std::string salt = random_bytes(salt_.size());
  std::memcpy(salt_.data(), salt.data(), salt_.size());
  const Key key = meshes_.front()->expand("key", salt);
  must(EVP_EncryptInit_ex2(sealing_, aes_gcm(), key.data(), nullptr, nullptr) == 1, "AES-128-GCM");
  counter_ = 0;
}

std::string_view Seal::seal(std::string_view plain) {
  if (plain.size() > kMaxDatagram - kOverhead) return {};
  if (counter_ == UINT32_MAX) draw_salt();
  ++counter_;
  sealed_.resize(plain.size() + kOverhead);
  char* const out = sealed_.data();
  out[0] = char(kMark);
  out[kKeyAt] = char(meshes_.front()->id);
  std::memcpy(out + kSaltAt, salt_.data(), salt_.size());
  write_counter(out + kCounterAt, counter_);
  const auto nonce = nonce_of(out + kCounterAt);
  int n = 0;
  must(EVP_EncryptInit_ex2(sealing_, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
           EVP_EncryptUpdate(sealing_, nullptr, &n, bytes(out), kHead) == 1 &&
           EVP_EncryptUpdate(sealing_, bytes(out + kHead), &n, bytes(plain.data()), int(plain.size())) == 1 &&
           EVP_EncryptFinal_ex(sealing_, bytes(out + kHead + plain.size()), &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(sealing_, EVP_CTRL_AEAD_GET_TAG, kTag, out + kHead + plain.size()) == 1,
       "AES-128-GCM");
  return sealed_;
}

Seal::Opened Seal::unseal(std::span<const char> datagram) {
  if (!datagram.empty() && uint8_t(datagram[0]) != kMark) return {SealVerdict::Unsealed, {}};
  if (datagram.size() < kOverhead || datagram.size() > kMaxDatagram) return {SealVerdict::Malformed, {}};
  const uint32_t counter = read_counter(datagram.data() + kCounterAt);
  if (counter == 0) return {SealVerdict::Malformed, {}};
  const std::string_view salt(datagram.data() + kSaltAt, salt_.size());
  if (salt == std::string_view(salt_.data(), salt_.size())) return {SealVerdict::Replayed, {}};  // our own, sent back
  const uint8_t id = uint8_t(datagram[kKeyAt]);
  const std::span<char> plain(opened_.data(), datagram.size() - kOverhead);

  if (const auto known = index_.find(salt); known != index_.end()) {
    Sender& sender = *known->second;
    if (!sender.fresh(counter)) return {SealVerdict::Replayed, {}};
    if (!open(sender.key, datagram)) return {SealVerdict::UnknownKey, {}};
    sender.mark(counter);
    senders_.splice(senders_.begin(), senders_, known->second);
    return {SealVerdict::Ok, plain};
  }
  for (const auto& mesh : meshes_) {
    if (mesh->id != id) continue;
    Sender sender;
    sender.key = mesh->expand("key", salt);
    if (!open(sender.key, datagram)) continue;
    std::memcpy(sender.salt.data(), salt.data(), salt.size());
    sender.mark(counter);
    remember(sender);
    return {SealVerdict::Ok, plain};
  }
  return {SealVerdict::UnknownKey, {}};
}

bool Seal::open(const Key& key, std::span<const char> datagram) {
  const char* const in = datagram.data();
  const size_t length = datagram.size() - kOverhead;
  const auto nonce = nonce_of(in + kCounterAt);
  char tag[kTag];
  std::memcpy(tag, in + kHead + length, kTag);
  int n = 0;
  const bool good = EVP_DecryptInit_ex2(opening_, nullptr, key.data(), nonce.data(), nullptr) == 1 &&
                    EVP_DecryptUpdate(opening_, nullptr, &n, bytes(in), kHead) == 1 &&
                    EVP_DecryptUpdate(opening_, bytes(opened_.data()), &n, bytes(in + kHead), int(length)) == 1 &&
                    EVP_CIPHER_CTX_ctrl(opening_, EVP_CTRL_AEAD_SET_TAG, kTag, tag) == 1 &&
                    EVP_DecryptFinal_ex(opening_, bytes(opened_.data() + length), &n) == 1;
  if (!good) ERR_clear_error();
  return good;
}

void Seal::remember(const Sender& sender) {
  if (senders_.size() >= limit_) {
    index_.erase({senders_.back().salt.data(), senders_.back().salt.size()});
    senders_.pop_back();
  }
  senders_.push_front(sender);
  index_.emplace(std::string_view(senders_.front().salt.data(), senders_.front().salt.size()), senders_.begin());
}

bool Seal::Sender::fresh(uint32_t counter) const {
  if (counter > highest) return true;
  if (highest - counter >= kWindow) return false;
  return (seen[counter % kWindow / 64] >> (counter % 64) & 1) == 0;
}

void Seal::Sender::mark(uint32_t counter) {
  if (counter > highest) {
    // What the window moves over was never seen.
    if (counter - highest >= kWindow) seen.fill(0);
    else
      for (uint32_t c = highest + 1; c != counter; ++c) seen[c % kWindow / 64] &= ~(uint64_t(1) << (c % 64));
    highest = counter;
  }
  seen[counter % kWindow / 64] |= uint64_t(1) << (counter % 64);
}

}  // namespace outrider::identity
