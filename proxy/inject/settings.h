#pragma once
// What an injector was told: by flags of `outrider inject` or `outrider webhook`. Annotations of a pod come first.

#include <string>
#include <utility>
#include <vector>

namespace outrider::inject {

struct Settings {
  std::string version;              // of this program: what `outrider.dev/injected` says
  std::string image;                // empty: outrider:VERSION
  std::string namespace_name;       // of objects that name none: the request's, or --namespace
  std::string bootstrap;            // registry.bootstrap; empty: outrider-seed.outrider-system.svc:4222
  std::string registry_key_secret;  // a Secret with `key`, which becomes registry.key; empty: none
  // A Secret with tls.crt, tls.key, ca.crt, {account} being the pod's service account; empty: outrider-identity, if it is there.
  std::string identity_secret;
  std::string trust_domain;          // empty: the proxy's default
  std::string capture = "redirect";  // redirect | tproxy | none
  bool native_sidecar = true;
  bool dns_capture = true;
  bool rewrite_probes = true;
  // false: only what says `outrider.dev/inject: "true"` itself.
  bool inject_unless_told = true;
  std::vector<std::pair<std::string, std::string>> set;  // keys of the configuration: telemetry.log.level, debug
};

}  // namespace outrider::inject
