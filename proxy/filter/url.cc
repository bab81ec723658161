#include "filter/url.h"

#include <algorithm>

#include "base/text.h"
#include "http/grammar.h"

namespace outrider::filter {

std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view kHttp = "http://", kHttps = "https://";
  Url url;
  url.https = text.starts_with(kHttps);
  if (!url.https && !text.starts_with(kHttp)) return {};
  text.remove_prefix((url.https ? kHttps : kHttp).size());
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '#'; })) return {};
  const size_t end = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, end);
  if (authority.find('@') != authority.npos || !http::is_authority(authority)) return {};
  url.authority = authority;
  if (end < text.size()) url.path = (text[end] == '?' ? "/" : "") + std::string(text.substr(end));
  url.port = url.https ? 443 : 80;
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (const size_t colon = authority.find(':', bracket); colon != authority.npos) {
    const auto port = parse_number(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return {};
    url.port = uint16_t(*port);
    authority = authority.substr(0, colon);
  }
  url.host = bracket ? authority.substr(1, bracket - 1) : authority;
  if (url.host.empty()) return {};
  return url;
}

}  // namespace outrider::filter
