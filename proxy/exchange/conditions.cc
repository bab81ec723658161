#include "exchange/conditions.h"

#include <re2/re2.h>

#include <algorithm>

#include "config/regex.h"
#include "filter/authorization.h"
#include "http/cookie.h"
#include "http/grpc.h"
#include "http/query.h"

namespace outrider::exchange {

namespace {

std::optional<std::string_view> field_in(const http::HeaderMap& headers, const std::string& name) {
  const http::Field* const field = headers.find(name);
  return field ? std::optional(field->value) : std::nullopt;
}

}  // namespace

TextMatch::TextMatch(Kind kind, std::string text, bool negated)
    : kind_(kind), negated_(negated), text_(std::move(text)),
      regex_(kind == Kind::Regex ? config::compile_regex(text_) : nullptr) {}

std::string TextMatch::trouble() const { return regex_ && !regex_->ok() ? regex_->error() : std::string(); }

bool TextMatch::holds(std::optional<std::string_view> text) const {
  const auto is = [&] {
    if (!text) return false;
    switch (kind_) {
      case Kind::Present: return true;
      case Kind::Exact: return *text == text_;
      case Kind::Prefix: return text->starts_with(text_);
      case Kind::Suffix: return text->ends_with(text_);
      case Kind::Contains: return text->find(text_) != std::string_view::npos;
      case Kind::Regex: return re2::RE2::FullMatch(re2::StringPiece(text->data(), text->size()), *regex_);
    }
    return false;
  };
  return is() != negated_;
}

bool Conditions::hold(const Asked& asked, uint32_t rule) const {
  const http::RequestHead& head = asked.head;
  if (!methods.empty() && std::find(methods.begin(), methods.end(), head.method_text) == methods.end()) return false;
  if (!ports.empty() && std::find(ports.begin(), ports.end(), asked.port) == ports.end()) return false;
  if (path && !path->holds(head.path.substr(0, head.path.find('?')))) return false;
  if (grpc && !http::is_grpc(head.headers)) return false;
  for (const auto& [name, match] : headers)
    if (!match.holds(field_in(head.headers, name))) return false;
  for (const auto& [name, match] : queries)
    if (const auto value = http::find_parameter(head.path, name); !match.holds(value)) return false;
  for (const auto& [name, match] : cookies)
    if (!match.holds(http::find_cookie(head.headers, name))) return false;
  if (!identities.empty() && !filter::is_any_of(identities, asked.peer.identity, home)) return false;
  if (!networks.empty() && !networks.judge(ip_bytes(asked.peer.remote_ip)).allowed) return false;
  return percent >= 1 || http::draw(sticky.of(head, asker_of(asked.peer)).value_or(asked.lot) + rule) < percent;
}

}  // namespace outrider::exchange
