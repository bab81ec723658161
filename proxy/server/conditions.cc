#include "server/conditions.h"

namespace outrider::server {

namespace {

using Kind = exchange::TextMatch::Kind;

Kind kind_of(config::TextMatch::Kind kind) {
  switch (kind) {
    case config::TextMatch::Kind::Prefix: return Kind::Prefix;
    case config::TextMatch::Kind::Suffix: return Kind::Suffix;
    case config::TextMatch::Kind::Contains: return Kind::Contains;
    case config::TextMatch::Kind::Regex: return Kind::Regex;
    case config::TextMatch::Kind::Present: return Kind::Present;
    case config::TextMatch::Kind::Exact: break;
  }
  return Kind::Exact;
}

std::vector<exchange::Conditions::Named> named(const std::vector<std::pair<std::string, config::TextMatch>>& written) {
  std::vector<exchange::Conditions::Named> out;
  for (const auto& [name, match] : written)
    out.push_back({name, exchange::TextMatch(kind_of(match.kind), match.text, match.negated)});
  return out;
}

}  // namespace

std::shared_ptr<const exchange::Conditions> conditions_of(const config::Conditions& written, const http::RequestKey& sticky,
                                                          const std::string& home) {
  if (!written.any()) return nullptr;
  auto conditions = std::make_shared<exchange::Conditions>();
  conditions->grpc = written.grpc;
  if (!written.regex.empty()) conditions->path.emplace(Kind::Regex, written.regex);
  conditions->methods = written.methods;
  conditions->headers = named(written.headers);
  conditions->queries = named(written.queries);
  conditions->cookies = named(written.cookies);
  conditions->identities = written.identities;
  conditions->home = home;
  for (const std::string& network : written.networks) (void)conditions->networks.allow(network);
  conditions->ports = written.ports;
  conditions->percent = written.percent;
  conditions->sticky = sticky;
  return conditions;
}

}  // namespace outrider::server
