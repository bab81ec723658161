// Verbs on certificates and keys: identity dev-ca, issue, mesh-key, show.

#include <cstdio>
#include <optional>

#include "config/values.h"
#include "identity/authority.h"
#include "identity/identity.h"
#include "identity/seal.h"
#include "net/loop.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

int failed(const char* verb, const std::string& why) {
  std::fprintf(stderr, "outrider %s: %s\n", verb, why.c_str());
  return kUsage;
}

// --for; false when it is there and no duration.
bool life_of(const Arguments& arguments, seconds& life) {
  if (!arguments.has("--for")) return true;
  const auto given = config::duration_of(arguments.value("--for"));
  if (!given || *given < seconds(1)) return false;
  life = std::chrono::duration_cast<seconds>(*given);
  return true;
}

constexpr const char* kBadLife = "--for wants a duration of at least 1s: 24h, 30m";

}  // namespace

int identity_dev_ca(const Arguments& arguments) {
  constexpr const char* kVerb = "identity dev-ca";
  if (arguments.words().size() != 1) return usage_error(kVerb, "which folder?");
  seconds life = identity::Authority::kLife;
  if (!life_of(arguments, life)) return usage_error(kVerb, kBadLife);
  const std::string& folder = arguments.words()[0];
  const auto authority = identity::Authority::create(net::Loop::wall(), life);
  if (!authority) return failed(kVerb, authority.why());
  if (const auto saved = authority->save(folder); !saved) return failed(kVerb, saved.why());
  std::printf("%s/ca.crt\n%s/ca.key   keep it to yourself\n", folder.c_str(), folder.c_str());
  return kOk;
}

int identity_issue(const Arguments& arguments) {
  constexpr const char* kVerb = "identity issue";
  for (const char* needed : {"--ca", "--id", "--out"})
    if (!arguments.has(needed)) return usage_error(kVerb, std::string(needed) + " is missing");
  const auto id = identity::WorkloadId::parse(arguments.value("--id"));
  if (!id)
    return usage_error(kVerb,
                       "--id wants spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, not \"" + arguments.value("--id") + "\"");
  identity::Authority::Wish wish{*id, arguments.values("--dns"), arguments.values("--ip")};
  if (!life_of(arguments, wish.life)) return usage_error(kVerb, kBadLife);
  const std::string out = arguments.value("--out");
  if (const auto done = identity::issue_into(arguments.value("--ca"), wish, out, net::Loop::wall()); !done)
    return failed(kVerb, done.why());
  std::printf("%s/tls.crt %s/tls.key %s/ca.crt   for %s\n", out.c_str(), out.c_str(), out.c_str(), id->text().c_str());
  return kOk;
}

int identity_mesh_key(const Arguments& arguments) {
  if (arguments.words().size() != 1) return usage_error("identity mesh-key", "which file?");
  const std::string& file = arguments.words()[0];
  if (const auto done = identity::write_mesh_key(file); !done) return failed("identity mesh-key", done.why());
  std::printf("%s   the same file for every node: registry.key\n", file.c_str());
  return kOk;
}

int identity_show(const Arguments& arguments) {
  if (arguments.words().size() != 1) return usage_error("identity show", "which folder?");
  const WallTime now = net::Loop::wall();
  const auto found = identity::describe(arguments.words()[0], now);
  if (!found) return failed("identity show", found.why());
  std::fputs((arguments.has("--json") ? found->json() + "\n" : found->text(now)).c_str(), stdout);
  return found->problem.empty() ? kOk : kNegative;
}

}  // namespace outrider::server
