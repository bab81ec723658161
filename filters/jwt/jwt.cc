// Signed tokens (RFC 6750, RFC 7519), checked against keys from a file or a URL.
//   jwt: {issuer: "https://id.example.com", audience: [shop], jwks: file:/run/jwks.json, forward: x-jwt-payload,
//         claims: {x-user: sub}, algorithms: [ES256], skew: 30s, require: true}
//   jwt: {jwks: "https://id.example.com/jwks"}
//   jwt: {jwks: {url: "https://id.example.com/jwks", ca: file:/run/ca.crt, refresh: 5m, retry: 10s, timeout: 5s, max_size:
//   256KiB}}

#include <algorithm>
#include <array>

#include "base/text.h"
#include "filter/feed.h"
#include "filter/options.h"
#include "filters/jwt/token.h"

namespace outrider::filters {

namespace {

constexpr const char *kNoToken = "no_token", *kUnknownKey = "unknown_key";
constexpr size_t kMostKeySet = 4 * 1024 * 1024;
using Keys = std::shared_ptr<filter::FeedOf<KeySet>>;

// Owned by the chains that use it; const, any worker.
class Jwt final : public filter::Filter {
 public:
  Jwt(Keys keys, TokenRules rules, std::string forward, bool require)
      : keys_(std::move(keys)), rules_(std::move(rules)), forward_(std::move(forward)), require_(require) {}
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
    const auto keys = keys_->get();
    if (!keys) {
      call.deny(503, "jwt", "no_keys", "The keys that tokens are checked with have not come yet.");
      return filter::Verdict::Answered;
    }
    const auto verdict = judge_token(trim(token), *keys, rules_, std::chrono::system_clock::now());
    if (verdict.refused) {
      if (std::string_view(verdict.refused) == kUnknownKey) keys_->want();
      return refuse(call, verdict.refused);
    }
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

  const Keys keys_;
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

bool read_download(filter::Options& options, filter::Download& from) {
  const auto url = filter::parse_url(from.text);
  if (!url) return options.fail("url", "expected http:// or https://, a host and a path");
  from.url = *url;
  return (!options.find("ca") || options.file("ca", from.ca)) &&
         options.duration("refresh", from.refresh, std::chrono::milliseconds(10), std::chrono::hours(24)) &&
         options.duration("retry", from.retry, std::chrono::milliseconds(10), std::chrono::hours(1)) &&
         options.duration("timeout", from.timeout, std::chrono::milliseconds(10), std::chrono::minutes(1)) &&
         options.size("max_size", from.max_size, kMostKeySet);
}

// file:/path, a URL, or {url: URL, ...}.
bool read_keys(filter::Options& options, Keys& keys) {
  const config::Node* given = options.find("jwks");
  filter::Download from;
  filter::Complaint complaint;
  if (given && given->is_map()) {
    filter::Options own(*given, complaint);
    if (!own.only({"url", "ca", "refresh", "retry", "timeout", "max_size"}) || !own.text("url", from.text, true) ||
        !read_download(own, from))
      return options.fail(complaint.path.empty() ? "jwks" : "jwks." + complaint.path, complaint.message);
  } else if (given && given->is_scalar() && given->text().starts_with("http")) {
    const config::Node nothing = config::Node::map();
    filter::Options none(nothing, complaint);
    from.text = given->text();
    if (!read_download(none, from)) return options.fail("jwks", complaint.message);
  } else {
    std::string file;
    if (!options.file("jwks", file)) return false;
    keys = std::make_shared<filter::FileFeed<KeySet>>(std::move(file), KeySet::read);
    return true;
  }
  keys = std::make_shared<filter::UrlFeed<KeySet>>(std::move(from), KeySet::read);
  return true;
}

}  // namespace

std::unique_ptr<const filter::Filter> make_jwt(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  TokenRules rules;
  Keys keys;
  std::string forward;
  bool require = true;
  if (!options.only({"issuer", "audience", "jwks", "forward", "claims", "algorithms", "skew", "require"}) ||
      !read_keys(options, keys) || !options.text("issuer", rules.issuer) || !options.texts("audience", rules.audience) ||
      !options.header("forward", forward) || !read_claims(options, rules.claims) || !read_algorithms(options, rules.algorithms) ||
      !options.duration("skew", rules.skew, milliseconds(0), std::chrono::minutes(10)) || !options.flag("require", require))
    return nullptr;
  return std::make_unique<Jwt>(std::move(keys), std::move(rules), std::move(forward), require);
}

}  // namespace outrider::filters
