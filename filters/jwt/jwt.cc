// Signed tokens (RFC 6750, RFC 7519), checked against keys from a file.
//   jwt: {issuer: "https://id.example.com", audience: [shop], jwks: file:/run/jwks.json, forward: x-jwt-payload,
//         claims: {x-user: sub}, algorithms: [ES256], skew: 30s, require: true}

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/values.h"
#include "filter/feed.h"
#include "filter/options.h"
#include "filters/jwt/token.h"

namespace outrider::filters {

namespace {

constexpr const char* kNoToken = "no_token";

// Owned by the chains that use it; const, any worker.
class Jwt final : public filter::Filter {
 public:
  Jwt(std::string file, TokenRules rules, std::string forward, bool require)
      : keys_(std::make_shared<filter::FileFeed<KeySet>>(std::move(file), KeySet::read)), rules_(std::move(rules)),
        forward_(std::move(forward)), require_(require) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  std::shared_ptr<filter::Feed> feed() const override { return keys_; }

  filter::Verdict on_request(filter::Call& call) const override {
    auto& headers = call.request().headers;
    if (!forward_.empty()) headers.remove(forward_);
    for (const auto& [header, claim] : rules_.claims) headers.remove(header);
    std::string_view token = headers.value(http::HeaderId::Authorization);
    if (!equals_ignore_case(next_part(token, ' '), "bearer")) {
      if (!require_) return filter::Verdict::Continue;
      return refuse(call, kNoToken);
    }
    const auto verdict = judge_token(trim(token), *keys_->get(), rules_, std::chrono::system_clock::now());
    if (verdict.refused) return refuse(call, verdict.refused);
    if (!forward_.empty()) headers.set(forward_, verdict.payload);
    for (const auto& [header, value] : verdict.claims) headers.set(header, value);
    return filter::Verdict::Continue;
  }

 private:
  // Who comes with nothing is asked for a token; who comes with one that is meant for somebody else may not come in.
  filter::Verdict refuse(filter::Call& call, const char* reason) const {
    const bool for_others = std::string_view(reason) == "wrong_audience";
    std::string challenge = "Bearer realm=\"outrider\"";
    if (reason != kNoToken)
      challenge.append(for_others ? ", error=\"insufficient_scope\"" : ", error=\"invalid_token\"")
          .append(", error_description=\"")
          .append(reason)
          .append("\"");
    call.response().headers.set("www-authenticate", challenge);
    call.deny(for_others ? 403 : 401, "jwt", reason, "A valid token is needed.");
    return filter::Verdict::Answered;
  }

  const std::shared_ptr<filter::FileFeed<KeySet>> keys_;
  const TokenRules rules_;
  const std::string forward_;
  const bool require_;
};

bool read_algorithms(filter::Options& options, std::vector<identity::Algorithm>& algorithms) {
  std::vector<std::string> names;
  if (!options.texts("algorithms", names)) return false;
  if (names.empty()) names = {"ES256", "RS256", "EdDSA"};
  for (const std::string& name : names) {
    const auto algorithm = token_algorithm(name);
    if (!algorithm) return options.fail("algorithms", "expected ES256, RS256 or EdDSA, got \"" + name + "\"");
    algorithms.push_back(*algorithm);
  }
  return true;
}

bool read_claims(filter::Options& options, std::vector<std::pair<std::string, std::string>>& claims) {
  const config::Node* value = options.find("claims");
  if (!value || value->is_null()) return true;
  if (!value->is_map()) return options.fail("claims", "expected a map of header names and claims");
  for (const auto& entry : value->entries()) {
    filter::Complaint complaint;
    std::string name, claim;
    config::Node pair = config::Node::map();
    pair.put("header", config::Node::scalar(entry.key));
    pair.put("claim", entry.value);
    filter::Options one(pair, complaint);
    if (!one.header("header", name, true) || !one.text("claim", claim, true)) return options.fail("claims", complaint.message);
    claims.emplace_back(std::move(name), std::move(claim));
  }
  return true;
}

bool read_skew(filter::Options& options, milliseconds& skew) {
  std::string text;
  if (!options.text("skew", text)) return false;
  if (text.empty()) return true;
  const auto read = config::duration_of(text);
  if (!read || *read > std::chrono::minutes(10)) return options.fail("skew", "expected a duration of at most 10m");
  skew = std::chrono::duration_cast<milliseconds>(*read);
  return true;
}

}  // namespace

std::unique_ptr<const filter::Filter> make_jwt(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  TokenRules rules;
  std::string file, forward;
  bool require = true;
  if (const config::Node* keys = node.find("jwks"); keys && keys->is_scalar() && keys->text().starts_with("http")) {
    options.fail("jwks", "keys come from a file so far: expected file:/path");
    return nullptr;
  }
  if (!options.only({"issuer", "audience", "jwks", "forward", "claims", "algorithms", "skew", "require"}) ||
      !options.file("jwks", file) || !options.text("issuer", rules.issuer) || !options.texts("audience", rules.audience) ||
      !options.header("forward", forward) || !read_claims(options, rules.claims) || !read_algorithms(options, rules.algorithms) ||
      !read_skew(options, rules.skew) || !options.flag("require", require))
    return nullptr;
  return std::make_unique<Jwt>(std::move(file), std::move(rules), std::move(forward), require);
}

}  // namespace outrider::filters
