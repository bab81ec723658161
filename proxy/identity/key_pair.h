#pragma once
// Keys: made, kept in files, signing and verifying. OpenSSL's EVP underneath.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/outcome.h"

struct evp_pkey_st;

namespace outrider::identity {

// The numbers are on the wire (registry records). RSA: 2048 to 4096 bits, PKCS #1 v1.5; SHA-256 but for Ed25519.
enum class Algorithm : uint8_t { None = 0, EcdsaP256 = 1, Ed25519 = 2, RsaSha256 = 3 };
const char* name(Algorithm algorithm);  // "ECDSA P-256" ...

constexpr size_t kMaxSignature = 512;  // RSA-4096

// A public key of a kind we accept. Copies share one OpenSSL key; any thread.
class PublicKey {
 public:
  PublicKey() = default;                                 // no key: verifies nothing
  explicit PublicKey(std::shared_ptr<evp_pkey_st> key);  // a kind we do not accept: Algorithm::None
  Algorithm algorithm() const { return algorithm_; }
  bool verify(std::string_view message, std::string_view signature) const;
  bool operator==(const PublicKey& other) const;  // the same key, whatever object holds it
  evp_pkey_st* raw() const { return key_.get(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
  Algorithm algorithm_ = Algorithm::None;
};

// A private key with its public half. Copies share one OpenSSL key; any thread.
class KeyPair {
 public:
  static Outcome<KeyPair> generate();                                             // ECDSA P-256
  static Outcome<KeyPair> load(const std::string& path);                          // PEM, not encrypted
  static Outcome<KeyPair> from_pem(std::string_view pem, std::string_view file);  // `file` is for the reason
  Outcome<Done> save(const std::string& path) const;                              // PKCS #8 PEM, 0600, atomically
  std::string pem() const;
  std::string sign(std::string_view message) const;  // empty: OpenSSL refused
  const PublicKey& public_key() const { return key_; }
  Algorithm algorithm() const { return key_.algorithm(); }
  evp_pkey_st* raw() const { return key_.raw(); }

 private:
  explicit KeyPair(PublicKey key) : key_(std::move(key)) {}
  PublicKey key_;
};

// SHA-256, 32 bytes; the digest is fetched once.
std::string sha256(std::string_view bytes);

// From the system's generator; ends the process when there is none.
std::string random_bytes(size_t count);

// The oldest entry of OpenSSL's error queue of this thread in words; empties the queue.
std::string openssl_reason();

}  // namespace outrider::identity
