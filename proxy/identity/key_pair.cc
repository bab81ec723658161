#include "identity/key_pair.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>

#include "identity/files.h"
#include "identity/openssl.h"

namespace outrider::identity {

namespace {

// OpenSSL 3 looks an algorithm up by name, under a lock, wherever it is not handed one.
const EVP_MD* sha256_digest() {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest;
}

Algorithm kind_of(EVP_PKEY* key) {
  if (!key) return Algorithm::None;
  if (EVP_PKEY_is_a(key, "ED25519")) return Algorithm::Ed25519;
  if (EVP_PKEY_is_a(key, "RSA")) {
    const int bits = EVP_PKEY_get_bits(key);
    return bits >= 2048 && bits <= 4096 ? Algorithm::RsaSha256 : Algorithm::None;
  }
  if (!EVP_PKEY_is_a(key, "EC")) return Algorithm::None;
  char group[64] = "";
  size_t length = 0;
  int spelled_out = 0;  // the curve given by its numbers instead of its name: who does that is up to something
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelled_out);
  if (spelled_out || !EVP_PKEY_get_group_name(key, group, sizeof group, &length)) return Algorithm::None;
  return std::string_view(group, length) == SN_X9_62_prime256v1 ? Algorithm::EcdsaP256 : Algorithm::None;
}

const EVP_MD* digest_for(Algorithm algorithm) { return algorithm == Algorithm::Ed25519 ? nullptr : sha256_digest(); }

}  // namespace

const char* name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::None: return "none";
    case Algorithm::EcdsaP256: return "ECDSA P-256";
    case Algorithm::Ed25519: return "Ed25519";
    case Algorithm::RsaSha256: return "RSA";
  }
  return "none";
}

PublicKey::PublicKey(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)), algorithm_(kind_of(key_.get())) {}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  if (algorithm_ == Algorithm::None || signature.empty() || signature.size() > kMaxSignature) return false;
  MdContext context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, digest_for(algorithm_), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

bool PublicKey::operator==(const PublicKey& other) const {
  if (algorithm_ != other.algorithm_ || !key_ || !other.key_) return false;
  return EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
}

Outcome<KeyPair> KeyPair::generate() {
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  if (!key) return Failure{"a key cannot be made: " + openssl_reason()};
  return KeyPair(PublicKey(std::move(key)));
}

Outcome<KeyPair> KeyPair::load(const std::string& path) {
  auto pem = read_file(path);
  if (!pem) return pem.failure();
  auto key = from_pem(*pem, path);
  OPENSSL_cleanse(pem->data(), pem->size());
  return key;
}

Outcome<KeyPair> KeyPair::from_pem(std::string_view pem, std::string_view file) {
  const std::string name(file);
  bool encrypted = false;
  const auto ask = [](char*, int, int, void* asked) -> int {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  ERR_clear_error();
  std::shared_ptr<EVP_PKEY> raw(PEM_read_bio_PrivateKey(reading(pem).get(), nullptr, ask, &encrypted), EVP_PKEY_free);
  if (!raw) {
    const std::string reason = openssl_reason();
    if (encrypted) return Failure{name + ": the key is encrypted; a key without a password is needed"};
    if (pem.find("PRIVATE KEY-----") == std::string_view::npos) return Failure{name + ": no PEM private key in it"};
    return Failure{name + ": not a usable private key (" + reason + ")"};
  }
  PublicKey key(std::move(raw));
  if (key.algorithm() == Algorithm::None)
    return Failure{name + ": neither ECDSA P-256, nor Ed25519, nor RSA of 2048 to 4096 bits"};
  return KeyPair(std::move(key));
}

std::string KeyPair::pem() const {
  // Secure-heap or not, the BIO's copy is wiped by OpenSSL when it is freed.
  Bio out = writing();
  if (PEM_write_bio_PKCS8PrivateKey(out.get(), raw(), nullptr, nullptr, 0, nullptr, nullptr) != 1) return "";
  return written(out);
}

Outcome<Done> KeyPair::save(const std::string& path) const {
  std::string text = pem();
  if (text.empty()) return Failure{path + ": the key cannot be written: " + openssl_reason()};
  auto done = write_file(path, text, 0600);
  OPENSSL_cleanse(text.data(), text.size());
  return done;
}

std::string KeyPair::sign(std::string_view message) const {
  MdContext context(EVP_MD_CTX_new());
  std::string signature(kMaxSignature, '\0');
  size_t length = signature.size();
  const bool good = EVP_DigestSignInit(context.get(), nullptr, digest_for(algorithm()), nullptr, raw()) == 1 &&
                    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, bytes_of(message),
                                   message.size()) == 1;
  if (!good) ERR_clear_error();
  signature.resize(good ? length : 0);
  return signature;
}

std::string sha256(std::string_view bytes) {
  std::string out(32, '\0');
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr, sha256_digest(), nullptr) !=
      1) {
    std::fputs("outrider: OpenSSL has no SHA-256\n", stderr);
    std::abort();
  }
  return out;
}

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), int(count)) != 1) {
    std::fputs("outrider: no random numbers from the system\n", stderr);
    std::abort();
  }
  return out;
}

std::string openssl_reason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(error);
  if (reason) return reason;
  char text[256];
  ERR_error_string_n(error, text, sizeof text);
  return text;
}

}  // namespace outrider::identity
