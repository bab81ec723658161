#include "identity/workload_id.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::identity {

namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMaxUri = 2048, kMaxDomain = 255, kMaxServicePart = 63;

bool name_char(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_'; }
bool segment_char(char c) { return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_'; }

bool valid_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::all_of(text.begin(), text.end(), segment_char);
}

bool valid_service_part(std::string_view text) {
  return !text.empty() && text.size() <= kMaxServicePart && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), name_char);
}

}  // namespace

bool valid_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxDomain && std::all_of(text.begin(), text.end(), name_char);
}

bool valid_service(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos && valid_service_part(text.substr(0, slash)) &&
         valid_service_part(text.substr(slash + 1));
}

std::optional<WorkloadId> WorkloadId::parse(std::string_view uri) {
  if (uri.size() > kMaxUri || !uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const auto parts = std::count(uri.begin(), uri.end(), '/');
  const std::string_view domain = next_part(uri, '/'), ns = next_part(uri, '/'), space = next_part(uri, '/');
  const std::string_view sa = next_part(uri, '/');
  if (parts != 4 || ns != "ns" || sa != "sa") return std::nullopt;
  return of(domain, space, uri);
}

std::optional<WorkloadId> WorkloadId::of(std::string_view trust_domain, std::string_view space, std::string_view account) {
  if (!valid_trust_domain(trust_domain) || !valid_segment(space) || !valid_segment(account)) return std::nullopt;
  WorkloadId id;
  id.domain_ = trust_domain.size();
  id.space_ = space.size();
  id.text_.append(kScheme).append(trust_domain).append("/ns/").append(space).append("/sa/").append(account);
  if (id.text_.size() > kMaxUri) return std::nullopt;
  return id;
}

bool valid_pattern(std::string_view pattern) {
  if (pattern == "*") return true;
  if (!pattern.starts_with(kScheme)) {
    const size_t slash = pattern.find('/');
    if (slash == std::string_view::npos || !valid_segment(pattern.substr(0, slash))) return false;
    return pattern.substr(slash + 1) == "*" || valid_segment(pattern.substr(slash + 1));
  }
  if (!pattern.ends_with("/*")) return WorkloadId::parse(pattern).has_value();
  // What stands before the star must be the beginning of a workload id, cut at a slash.
  std::string_view rest = pattern.substr(kScheme.size(), pattern.size() - kScheme.size() - 2);
  if (!valid_trust_domain(next_part(rest, '/'))) return false;
  if (rest.empty() || rest == "ns") return true;
  if (next_part(rest, '/') != "ns" || !valid_segment(next_part(rest, '/'))) return false;
  return rest.empty() || rest == "sa";
}

bool matches(std::string_view pattern, const WorkloadId& id, std::string_view home) {
  if (pattern.starts_with(kScheme)) {
    if (!pattern.ends_with("/*")) return pattern == id.text();
    return std::string_view(id.text()).starts_with(pattern.substr(0, pattern.size() - 1));
  }
  if (id.trust_domain() != home) return false;
  if (pattern == "*") return true;
  const size_t slash = pattern.find('/');
  if (slash == std::string_view::npos || pattern.substr(0, slash) != id.space()) return false;
  return pattern.substr(slash + 1) == "*" || pattern.substr(slash + 1) == id.account();
}

bool may_speak_for(std::string_view service, const WorkloadId& id) {
  return valid_service(service) && service.substr(0, service.find('/')) == id.space();
}

bool Owners::may_speak_for(std::string_view service, const WorkloadId& id, std::string_view home) const {
  const auto listed = by_service.find(service);
  if (listed == by_service.end()) return identity::may_speak_for(service, id);
  return std::any_of(listed->second.begin(), listed->second.end(),
                     [&](const std::string& pattern) { return matches(pattern, id, home); });
}

}  // namespace outrider::identity
