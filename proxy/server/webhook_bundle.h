#pragma once
// Certificates for the webhook, and the Kubernetes objects that say so.

#include <string>
#include <vector>

#include "base/time.h"
#include "identity/outcome.h"

namespace outrider::server {

struct BundleWish {
  std::string service = "outrider-webhook", name_space = "outrider-system", secret = "outrider-webhook-tls";
  std::vector<std::string> dns;  // beside the service's own names
  seconds life = std::chrono::hours(24 * 365);
  bool fail = false;  // failurePolicy
};

// In PEM. Nobody keeps the authority's key: what is to be issued later has an authority of its own.
struct WebhookBundle {
  std::string ca, cert, key;
};

identity::Outcome<WebhookBundle> make_webhook_bundle(const BundleWish& wish, WallTime now);

// YAML documents, each with its "---".
std::string secret_yaml(const BundleWish& wish, const WebhookBundle& bundle);
std::string configuration_yaml(const BundleWish& wish, const std::string& ca);

// `text` (YAML or JSON, one document or several), with `ca` as the caBundle of every webhook in it, and behind it whatever was
// there and has not expired: who still shows a certificate of that is trusted, too. The rest of it stays byte for byte.
identity::Outcome<std::string> with_authority(const std::string& text, const std::string& ca, WallTime now);

}  // namespace outrider::server
