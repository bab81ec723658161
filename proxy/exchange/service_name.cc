#include "exchange/service_name.h"

#include <algorithm>

#include "base/text.h"
#include "exchange/router.h"

namespace outrider::exchange {

namespace {

bool is_label(std::string_view text) {  // RFC 1123 label
  if (text.empty() || text.size() > 63) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; });
}

}  // namespace

std::string_view service_name(std::string_view authority, std::string_view default_namespace, std::string_view mesh_domain,
                              Arena& arena) {
  auto host = http::without_port(authority);
  if (host.ends_with('.')) host.remove_suffix(1);
  const size_t domain = host.size() - std::min(host.size(), mesh_domain.size());
  if (domain > 0 && host[domain - 1] == '.' && equals_ignore_case(host.substr(domain), mesh_domain))
    host = host.substr(0, domain - 1);
  const size_t dot = host.find('.');
  // The long form of a Service in Kubernetes: cart.shop.svc, with the cluster's domain behind it or not.
  const size_t second = dot == std::string_view::npos ? dot : host.find('.', dot + 1);
  if (second != std::string_view::npos) {
    const auto rest = host.substr(second + 1, 4);
    if (equals_ignore_case(rest, "svc") || equals_ignore_case(rest, "svc.")) host = host.substr(0, second);
  }
  const auto name = host.substr(0, dot);
  const auto space = dot == std::string_view::npos ? default_namespace : host.substr(dot + 1);
  if (!is_label(name) || !is_label(space)) return {};
  const auto whole = arena.concat(space, "/", name);
  std::transform(whole.begin(), whole.end(), const_cast<char*>(whole.data()), lower);
  return whole;
}

}  // namespace outrider::exchange
