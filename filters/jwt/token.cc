#include "filters/jwt/token.h"

#include <algorithm>
#include <cmath>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "base/base64.h"
#include "base/text.h"
#include "filters/jwt/json.h"

namespace outrider::filters {

namespace {

constexpr size_t kMostToken = 16 * 1024, kMostClaim = 4096;
constexpr double kFarFuture = 1e11;  // seconds; beyond it nothing is a time

struct Parts {
  std::string_view header, payload, signature, signed_part;
};

std::optional<Parts> parts_of(std::string_view token) {
  const size_t first = token.find('.'), second = token.find('.', first + 1);
  if (token.size() > kMostToken || first == token.npos || second == token.npos || token.find('.', second + 1) != token.npos)
    return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
               token.substr(0, second)};
}

// A time in seconds; false: something else is there.
bool time_in(const rapidjson::Value* value, std::optional<double>& seconds) {
  if (!value) return true;
  if (!value->IsNumber() || !std::isfinite(value->GetDouble()) || std::abs(value->GetDouble()) > kFarFuture) return false;
  seconds = value->GetDouble();
  return true;
}

bool is_for(const rapidjson::Value* audience, const std::vector<std::string>& us) {
  const auto one_of_us = [&](const rapidjson::Value& name) {
    const auto text = text_of(&name);
    return text && std::find(us.begin(), us.end(), *text) != us.end();
  };
  if (us.empty()) return true;
  if (!audience) return false;
  if (!audience->IsArray()) return one_of_us(*audience);
  return std::any_of(audience->Begin(), audience->End(), one_of_us);
}

std::string printed(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

// A text as it is, texts with commas between them, anything else as JSON; nothing where that is no value of a header.
std::optional<std::string> header_value(const rapidjson::Value& value) {
  std::string out;
  if (const auto text = text_of(&value)) out = *text;
  else if (value.IsArray() && !value.Empty() &&
           std::all_of(value.Begin(), value.End(), [](auto& one) { return one.IsString(); })) {
    for (const auto& one : value.GetArray()) out += (out.empty() ? "" : ",") + *text_of(&one);
  } else {
    out = printed(value);
  }
  const auto printable = [](char c) { return uint8_t(c) >= 0x20 && uint8_t(c) != 0x7f; };
  if (out.size() > kMostClaim || !std::all_of(out.begin(), out.end(), printable)) return std::nullopt;
  return out;
}

// What stands in the header of a token decides nothing but which of our own keys is asked, and how.
const char* check_signature(const Parts& parts, const KeySet& keys, const TokenRules& rules) {
  const auto header_text = decode_base64(parts.header, Base64::Url);
  const auto header = header_text ? read_object(*header_text) : std::nullopt;
  const auto signature = decode_base64(parts.signature, Base64::Url);
  if (!header || !signature) return "malformed";
  bool twice = false;
  const auto name = text_of(member(*header, "alg", twice));
  const rapidjson::Value* id = member(*header, "kid", twice);
  const bool critical = member(*header, "crit", twice) != nullptr;
  if (!name || twice || critical || (id && !id->IsString())) return "malformed";
  const auto algorithm = token_algorithm(*name);
  if (!algorithm || std::find(rules.algorithms.begin(), rules.algorithms.end(), *algorithm) == rules.algorithms.end())
    return "algorithm";
  switch (keys.verify(*algorithm, text_of(id).value_or(""), parts.signed_part, *signature)) {
    case KeySet::Verdict::UnknownKey: return "unknown_key";
    case KeySet::Verdict::BadSignature: return "bad_signature";
    case KeySet::Verdict::Good: break;
  }
  return nullptr;
}

const char* check_claims(const rapidjson::Value& payload, const TokenRules& rules, WallTime now) {
  bool twice = false;
  std::optional<double> until, from;
  const bool times = time_in(member(payload, "exp", twice), until) && time_in(member(payload, "nbf", twice), from);
  const auto issuer = text_of(member(payload, "iss", twice));
  const rapidjson::Value* audience = member(payload, "aud", twice);
  if (!times || twice) return "malformed";
  const double at = double(to_ms(now)) / 1000, skew = double(rules.skew.count()) / 1000;
  if (!until) return "no_expiry";
  if (at >= *until + skew) return "expired";
  if (from && at < *from - skew) return "not_yet_valid";
  if (!rules.issuer.empty() && issuer != rules.issuer) return "wrong_issuer";
  return is_for(audience, rules.audience) ? nullptr : "wrong_audience";
}

}  // namespace

std::optional<identity::Algorithm> token_algorithm(std::string_view name) {
  if (name == "ES256") return identity::Algorithm::EcdsaP256;
  if (name == "RS256") return identity::Algorithm::RsaSha256;
  if (name == "EdDSA") return identity::Algorithm::Ed25519;
  return std::nullopt;
}

TokenVerdict judge_token(std::string_view token, const KeySet& keys, const TokenRules& rules, WallTime now) {
  const auto parts = parts_of(token);
  if (!parts) return {.refused = "malformed"};
  if (const char* why = check_signature(*parts, keys, rules)) return {.refused = why};
  const auto text = decode_base64(parts->payload, Base64::Url);
  const auto payload = text ? read_object(*text) : std::nullopt;
  if (!payload) return {.refused = "malformed"};
  if (const char* why = check_claims(*payload, rules, now)) return {.refused = why};
  TokenVerdict verdict{nullptr, std::string(parts->payload), {}};
  bool twice = false;
  for (const auto& [header, claim] : rules.claims)
    if (const rapidjson::Value* value = member(*payload, claim, twice))
      if (auto said = header_value(*value)) verdict.claims.emplace_back(header, std::move(*said));
  return twice ? TokenVerdict{.refused = "malformed"} : verdict;
}

}  // namespace outrider::filters
