#include "server/authz.h"

#include <algorithm>

#include "base/arena.h"
#include "exchange/sanitize.h"
#include "identity/workload_id.h"
#include "server/compile.h"

namespace outrider::server {

namespace {

using admin::AuthorizationView;

AuthorizationView nonsense(std::string why) { return {.error = std::move(why)}; }

const config::Listener* inbound_of(const config::Document& document) {
  for (const auto& listener : document.listeners)
    if (listener.direction == config::Direction::Inbound) return &listener;
  return nullptr;
}

}  // namespace

std::optional<identity::WorkloadId> workload_of(const config::Document& document, std::string_view from) {
  if (from.starts_with("spiffe://")) return identity::WorkloadId::parse(from);
  const size_t slash = from.find('/');
  const auto space = slash == from.npos ? std::string_view(document.service.name_space) : from.substr(0, slash);
  return identity::WorkloadId::of(document.identity.trust_domain, space, slash == from.npos ? from : from.substr(slash + 1));
}

const char* kept_out_by(const config::Identity& rules, const std::optional<identity::WorkloadId>& who) {
  if (!who) return rules.mtls == config::Identity::Mtls::Strict ? "identity.mtls" : nullptr;
  const bool trusted =
      who->trust_domain() == rules.trust_domain ||
      std::any_of(rules.trust.begin(), rules.trust.end(), [&](const auto& each) { return each.first == who->trust_domain(); });
  return trusted ? nullptr : "identity.trust";
}

AuthorizationView judge(const config::Document& document, const admin::AuthorizationQuestion& question) {
  const auto& service = document.service;
  if (!service) return nonsense("this configuration has no service that could be asked for anything");
  const std::string whole = service.name_space + "/" + service.name;
  if (question.to != service.name && question.to != whole)
    return nonsense("these are the rules of " + whole + ", not of " + question.to + ": its own sidecar knows them");
  if (question.method.empty() != question.path.empty()) return nonsense("METHOD and PATH go together");
  if (!question.path.empty() && !question.path.starts_with('/')) return nonsense("\"" + question.path + "\" is no path");
  std::optional<identity::WorkloadId> id;
  if (question.from != "-" && !(id = workload_of(document, question.from)))
    return nonsense("\"" + question.from + "\" is no identity: a SPIFFE ID, namespace/account, an account, or - for none");

  AuthorizationView view;
  if (const char* const key = kept_out_by(document.identity, id)) {
    view.rule = key;
    return view;
  }
  const auto rules = authorization_of(document);
  view.allowed = true;
  view.rule = "default";
  if (!rules) return view;
  view.enforced = rules->enforced;
  Arena arena;
  std::string_view path = question.path;
  const config::Listener* inbound = inbound_of(document);
  if (!path.empty() && inbound && inbound->normalize_path) {
    path = exchange::normalize_path(path, slash_of(inbound->escaped_slash), arena);
    if (path.empty()) return nonsense("\"" + question.path + "\" is refused, whoever asks for it");
  }
  const auto verdict = rules->judge(id ? id->text() : std::string(), question.method, path.substr(0, path.find('?')));
  view.allowed = verdict.allowed;
  view.rule = verdict.rule;
  for (const auto* list : {&document.authorization.allow, &document.authorization.deny})
    for (const auto& rule : *list)
      if (rule.name == verdict.rule) view.file = rule.where.file, view.line = rule.where.line;
  return view;
}

}  // namespace outrider::server
