#include "http/secrets.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "http/query.h"

namespace outrider::http {

namespace {

// Anywhere in a name, and as one of its words: "key" hides x-client-key and not monkey.
constexpr std::array<std::string_view, 9> kTelling{"token",   "secret",     "passw",  "apikey",       "api-key",
                                                   "api_key", "credential", "cookie", "authorization"};
constexpr std::array<std::string_view, 14> kWords{"auth", "key", "pwd", "pass", "jwt",  "session",   "sessionid",
                                                  "sid",  "sig", "otp", "csrf", "xsrf", "signature", "assertion"};
constexpr std::string_view kNoSecret = "idempotency-key";

bool is_secret_name(std::string_view name) {
  const std::string lowered = to_lower(name);
  if (lowered == kNoSecret) return false;
  for (const std::string_view part : kTelling)
    if (lowered.find(part) != std::string::npos) return true;
  for (size_t from = 0; from < lowered.size();) {
    const size_t to = std::min(lowered.find_first_of("-_.[] ", from), lowered.size());
    const auto word = std::string_view(lowered).substr(from, to - from);
    if (std::find(kWords.begin(), kWords.end(), word) != kWords.end()) return true;
    from = to + 1;
  }
  return false;
}

// A JSON Web Token begins with {" in base64; others are announced.
bool is_secret_value(std::string_view value) {
  return value.starts_with("eyJ") || to_lower(value).find("bearer") != std::string::npos;
}

bool is_secret_parameter(std::string_view name, std::string_view value) {
  const std::string plain = decode_parameter(name);
  return is_secret_name(plain) || equals_ignore_case(plain, "code") || is_secret_value(value);
}

// "x=1&token=abc": of a query or fragment, up to `end`.
void append_parameters(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("&;?#"), text.size());
    const auto one = text.substr(0, end);
    const size_t equals = one.find('=');
    const bool secret =
        equals != one.npos && equals + 1 < one.size() && is_secret_parameter(one.substr(0, equals), one.substr(equals + 1));
    if (secret) out.append(one.substr(0, equals + 1)).append(kHidden);
    else out.append(one);
    if (end < text.size()) out += text[end];
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

bool is_secret(const Field& field) { return field.never_index || is_secret_name(field.name) || is_secret_value(field.value); }

std::string without_secrets(std::string_view url) {
  std::string out;
  const size_t scheme = url.find("://");
  if (scheme != url.npos) {
    const size_t from = scheme + 3, host_end = std::min(url.find_first_of("/?#", from), url.size());
    const size_t at = url.substr(from, host_end - from).rfind('@');
    out.append(url.substr(0, from));
    if (at != url.npos) out.append(kHidden).append("@");
    url.remove_prefix(at == url.npos ? from : from + at + 1);
  }
  const size_t query = std::min(url.find_first_of("?#"), url.size());
  out.append(url.substr(0, query));
  if (query == url.size()) return out;
  out += url[query];
  append_parameters(out, url.substr(query + 1));
  return out;
}

}  // namespace outrider::http
