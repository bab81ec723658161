#pragma once
// Whoever issues tokens.

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "base/base64.h"
#include "tests/unit/identity/pki.h"

namespace outrider::test {

// A key that signs, and what a set of keys says of it.
class Signer {
 public:
  Signer(std::string name, std::string id) : name_(std::move(name)), id_(std::move(id)) {
    EVP_PKEY* key = name_ == "ES256"   ? EVP_EC_gen("P-256")
                    : name_ == "RS256" ? EVP_RSA_gen(2048)
                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    key_.reset(key, EVP_PKEY_free);
  }
  std::string jwk(const std::string& more = {}) const {
    std::string out = "{\"kid\": \"" + id_ + "\", " + more;
    if (name_ == "ES256")
      return out + "\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"" + number("qx") + "\", \"y\": \"" + number("qy") + "\"}";
    if (name_ == "RS256") return out + "\"kty\": \"RSA\", \"n\": \"" + number("n") + "\", \"e\": \"" + number("e") + "\"}";
    unsigned char raw[32];
    size_t size = sizeof raw;
    EVP_PKEY_get_raw_public_key(key_.get(), raw, &size);
    return out + "\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"" + encode_url({reinterpret_cast<char*>(raw), size}) + "\"}";
  }
  std::string sign(const std::string& header, const std::string& payload) const {
    const std::string message = encode_url(header) + "." + encode_url(payload);
    identity::MdContext context(EVP_MD_CTX_new());
    EVP_DigestSignInit(context.get(), nullptr, name_ == "EdDSA" ? nullptr : EVP_sha256(), nullptr, key_.get());
    std::string signature(512, '\0');
    size_t size = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, identity::bytes_of(message),
                   message.size());
    signature.resize(size);
    return message + "." + encode_url(name_ == "ES256" ? raw(signature) : signature);
  }
  std::string token(const std::string& payload) const {
    return sign("{\"alg\": \"" + name_ + "\", \"kid\": \"" + id_ + "\"}", payload);
  }

 private:
  static std::string encode_url(std::string_view bytes) { return encode_base64(bytes, Base64::Url); }
  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(name_ == "ES256" ? 32 : size_t(BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), int(bytes.size()));
    BN_free(value);
    return encode_url(bytes);
  }
  static std::string raw(const std::string& der) {
    const unsigned char* at = identity::bytes_of(der);
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, long(der.size()));
    std::string out(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), reinterpret_cast<unsigned char*>(out.data()), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), reinterpret_cast<unsigned char*>(out.data()) + 32, 32);
    ECDSA_SIG_free(pair);
    return out;
  }
  std::string name_, id_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace outrider::test
