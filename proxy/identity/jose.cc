#include "identity/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "identity/openssl.h"

namespace outrider::identity {

namespace {

constexpr size_t kCoordinate = 32;

using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using ParamBuild = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;

Number number(std::string_view bytes) { return Number(BN_bin2bn(bytes_of(bytes), int(bytes.size()), nullptr)); }

PublicKey key_of(const char* kind, const ParamBuild& build) {
  const Params params(OSSL_PARAM_BLD_to_param(build.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    ERR_clear_error();
  return PublicKey(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free));
}

}  // namespace

PublicKey ec_key(std::string_view x, std::string_view y) {
  if (x.size() != kCoordinate || y.size() != kCoordinate) return {};
  const std::string point = "\x04" + std::string(x) + std::string(y);
  const ParamBuild build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0);
  OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return key_of("EC", build);
}

PublicKey rsa_key(std::string_view n, std::string_view e) {
  if (n.empty() || n.size() > kMaxSignature || e.empty() || e.size() > 8) return {};
  const Number modulus = number(n), exponent = number(e);
  const ParamBuild build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return key_of("RSA", build);
}

PublicKey ed25519_key(std::string_view x) {
  if (x.size() != kCoordinate) return {};
  return PublicKey(
      std::shared_ptr<EVP_PKEY>(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()), EVP_PKEY_free));
}

bool verify_token(const PublicKey& key, std::string_view message, std::string_view signature) {
  if (key.algorithm() != Algorithm::EcdsaP256) return key.verify(message, signature);
  if (signature.size() != 2 * kCoordinate) return false;
  const EcdsaSignature pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), number(signature.substr(0, kCoordinate)).release(), number(signature.substr(kCoordinate)).release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return false;
  const bool good = key.verify(message, {reinterpret_cast<const char*>(der), size_t(size)});
  OPENSSL_free(der);
  return good;
}

}  // namespace outrider::identity
