#include "filters/jwt/key_set.h"

#include "base/base64.h"
#include "filters/jwt/json.h"

namespace outrider::filters {

namespace {

constexpr size_t kMostKeys = 100, kMostTries = 4;

std::string number_of(const rapidjson::Value& key, const char* name, bool& twice) {
  const auto text = text_of(member(key, name, twice));
  return text ? decode_base64(*text, Base64::Url).value_or("") : "";
}

const char* name_of(identity::Algorithm algorithm) {
  switch (algorithm) {
    case identity::Algorithm::EcdsaP256: return "ES256";
    case identity::Algorithm::Ed25519: return "EdDSA";
    case identity::Algorithm::RsaSha256: return "RS256";
    case identity::Algorithm::None: break;
  }
  return "none";
}

// Algorithm::None: of a kind, a curve or for a use that is not ours.
identity::PublicKey read_key(const rapidjson::Value& from, bool& twice) {
  const auto kind = text_of(member(from, "kty", twice)).value_or("");
  const auto curve = text_of(member(from, "crv", twice)).value_or("");
  const auto use = text_of(member(from, "use", twice)), algorithm = text_of(member(from, "alg", twice));
  if (use && *use != "sig") return {};
  const auto number = [&](const char* name) { return number_of(from, name, twice); };
  identity::PublicKey key;
  if (kind == "EC" && curve == "P-256") key = identity::ec_key(number("x"), number("y"));
  else if (kind == "OKP" && curve == "Ed25519") key = identity::ed25519_key(number("x"));
  else if (kind == "RSA") key = identity::rsa_key(number("n"), number("e"));
  return algorithm && *algorithm != name_of(key.algorithm()) ? identity::PublicKey() : key;
}

}  // namespace

identity::Outcome<std::shared_ptr<const KeySet>> KeySet::read(std::string_view json) {
  const auto document = read_object(json);
  bool twice = false;
  const rapidjson::Value* list = document ? member(*document, "keys", twice) : nullptr;
  if (!list || !list->IsArray() || twice) return identity::Failure{"no set of keys: expected {\"keys\": [...]}"};
  if (list->Size() > kMostKeys) return identity::Failure{"more than 100 keys"};
  auto set = std::make_shared<KeySet>();
  for (const auto& each : list->GetArray()) {
    if (!each.IsObject()) return identity::Failure{"no set of keys: one of them is no object"};
    identity::PublicKey key = read_key(each, twice);
    auto id = text_of(member(each, "kid", twice)).value_or("");
    if (twice) return identity::Failure{"a key says something twice"};
    if (key.algorithm() != identity::Algorithm::None) set->keys_.push_back({std::move(id), std::move(key)});
  }
  if (set->keys_.empty()) return identity::Failure{"no key that can be used in it (P-256, Ed25519, RSA of 2048 to 4096 bits)"};
  return std::shared_ptr<const KeySet>(std::move(set));
}

KeySet::Verdict KeySet::verify(identity::Algorithm algorithm, std::string_view id, std::string_view message,
                               std::string_view signature) const {
  size_t tried = 0;
  for (const Key& one : keys_) {
    if (one.key.algorithm() != algorithm || (!id.empty() && one.id != id)) continue;
    if (++tried > kMostTries) break;
    if (identity::verify_token(one.key, message, signature)) return Verdict::Good;
  }
  return tried ? Verdict::BadSignature : Verdict::UnknownKey;
}

}  // namespace outrider::filters
