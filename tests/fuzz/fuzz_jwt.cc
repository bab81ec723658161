// Tokens and sets of keys from strangers. First byte % 4: 0, the rest is a token as it came; 1, the rest is a set of keys; 2, the
// rest is the payload of a token that is signed well; 3, the rest is its header. What nobody signed is never good.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/base64.h"
#include "filters/jwt/token.h"
#include "identity/openssl.h"

namespace {

using namespace outrider;

void must(bool held) {
  if (!held) std::abort();
}

std::string url(std::string_view bytes) { return encode_base64(bytes, Base64::Url); }

struct Signer {
  std::shared_ptr<EVP_PKEY> key{
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                   identity::bytes_of(std::string_view("0123456789abcdef0123456789abcdef")), 32),
      EVP_PKEY_free};
  std::string sign(const std::string& header, const std::string& payload) const {
    const std::string message = url(header) + "." + url(payload);
    identity::MdContext context(EVP_MD_CTX_new());
    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get());
    std::string signature(64, '\0');
    size_t size = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, identity::bytes_of(message),
                   message.size());
    return message + "." + url(signature);
  }
  std::string keys() const {
    std::string raw(32, '\0');
    size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    return R"({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": ")" + url(raw) + "\"}]}";
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Signer signer;
  static const auto keys = *filters::KeySet::read(signer.keys());
  static const filters::TokenRules rules{
      "id",
      {"shop"},
      {identity::Algorithm::EcdsaP256, identity::Algorithm::RsaSha256, identity::Algorithm::Ed25519},
      milliseconds(1000),
      {{"x-user", "sub"}, {"x-groups", "groups"}}};
  static const WallTime now = WallTime(seconds(1'000'000));
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 4 == 0) must(filters::judge_token(rest, *keys, rules, now).refused);
  if (data[0] % 4 == 1) {
    const auto set = filters::KeySet::read(rest);
    must(bool(set) != !set.why().empty());
  }
  if (data[0] % 4 == 2) {
    const auto verdict = filters::judge_token(signer.sign(R"({"alg": "EdDSA"})", rest), *keys, rules, now);
    for (const auto& [header, value] : verdict.claims)
      for (const char c : value) must(uint8_t(c) >= 0x20 && c != 0x7f);
  }
  if (data[0] % 4 == 3)
    (void)filters::judge_token(signer.sign(rest, R"({"iss": "id", "aud": "shop", "exp": 1000001})"), *keys, rules, now);
  return 0;
}
