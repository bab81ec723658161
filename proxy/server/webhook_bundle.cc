#include "server/webhook_bundle.h"

#include <string_view>

#include "base/base64.h"
#include "base/text.h"
#include "identity/authority.h"
#include "inject/stream.h"

namespace outrider::server {

namespace {

using identity::Certificate;
using inject::Node;

constexpr size_t kMostKept = 4;  // authorities of before

std::string base64(const std::string& text) { return encode_base64(text, Base64::Padded); }

std::string replaced(std::string text, std::initializer_list<std::pair<std::string_view, std::string_view>> words) {
  for (const auto& [word, value] : words)
    for (size_t at = 0; (at = text.find(word, at)) != text.npos; at += value.size()) text.replace(at, word.size(), value);
  return text;
}

constexpr const char* kConfiguration = R"(---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: outrider
  labels: {app.kubernetes.io/name: outrider-webhook}
webhooks:
- name: inject.outrider.dev
  admissionReviewVersions: [v1, v1beta1]
  clientConfig:
    service: {name: @SERVICE@, namespace: @NAMESPACE@, path: /inject, port: 443}
    caBundle: @BUNDLE@
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}
  # Fail: while no webhook answers, no pod starts in these namespaces. Ignore: those that do have no sidecar.
  failurePolicy: @POLICY@
  sideEffects: None
  matchPolicy: Equivalent
  reinvocationPolicy: IfNeeded
  timeoutSeconds: 5
  namespaceSelector:
    matchExpressions:
    - {key: outrider.dev/inject, operator: In, values: [enabled, "true"]}
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, kube-public, kube-node-lease, @NAMESPACE@]}
  objectSelector:
    matchExpressions:
    - {key: outrider.dev/inject, operator: NotIn, values: ["false"]}
)";

constexpr const char* kSecret = R"(---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata:
  name: @SECRET@
  namespace: @NAMESPACE@
  labels: {app.kubernetes.io/name: outrider-webhook}
data:
  ca.crt: @CA@
  tls.crt: @CERT@
  tls.key: @KEY@
)";

// What of a caBundle is still good for something. What is none, or nobody can read, is left out.
std::string still_valid(const std::string& bundle, const std::string& but, WallTime now) {
  std::string encoded;
  for (const char c : bundle)
    if (c != ' ' && c != '\n' && c != '\r') encoded += c;
  const auto pem = decode_base64(encoded, Base64::Padded);
  if (!pem || pem->empty()) return {};
  const auto before = Certificate::from_pem(*pem, "caBundle");
  if (!before) return {};
  std::string kept;
  size_t count = 0;
  for (const Certificate& each : *before)
    if (each.not_after() > now && each.pem() != but && count++ < kMostKept) kept += each.pem();
  return kept;
}

struct Edit {
  size_t begin, end;
  std::string text;
};

// Of one webhook of a document that begins at `base`. False: it says nothing of whom to call.
bool edit_of(const std::string& text, size_t base, const Node& webhook, const std::string& ca, WallTime now, Edit& edit) {
  const Node* const client = webhook.find("clientConfig");
  if (!client || !client->is_map() || client->entries().empty()) return false;
  if (const Node* const bundle = client->find("caBundle")) {
    edit = {base + bundle->place.begin, base + bundle->place.end, base64(ca + still_valid(bundle->text(), ca, now))};
    if (edit.begin == edit.end) edit.text = ' ' + edit.text;  // "caBundle:" alone
    else if (text[edit.begin] == '"' || text[edit.begin] == '\'') edit.text = '"' + edit.text + '"';
    return true;
  }
  const size_t first = base + client->entries()[0].key_place.begin;
  if (client->place.flow) {
    edit = {first, first, "\"caBundle\": \"" + base64(ca) + "\", "};
    return true;
  }
  const size_t line = first == 0 ? 0 : text.rfind('\n', first - 1) + 1;
  edit = {first, first, "caBundle: " + base64(ca) + "\n" + std::string(first - line, ' ')};
  return true;
}

}  // namespace

identity::Outcome<WebhookBundle> make_webhook_bundle(const BundleWish& wish, WallTime now) {
  const std::string name = wish.service + "." + wish.name_space;
  const auto id = identity::WorkloadId::parse("spiffe://mesh.local/ns/" + wish.name_space + "/sa/" + wish.service);
  if (!id) return identity::Failure{"\"" + name + "\" is no name of a service"};
  identity::Authority::Wish leaf{*id, {name + ".svc", name, wish.service, name + ".svc.cluster.local"}};
  leaf.dns.insert(leaf.dns.end(), wish.dns.begin(), wish.dns.end());
  leaf.life = wish.life;
  const auto authority = identity::Authority::create(now, wish.life, "outrider webhook CA");
  if (!authority) return authority.failure();
  const auto issued = authority->issue(leaf, now);
  if (!issued) return issued.failure();
  return WebhookBundle{authority->certificate().pem(), issued->certificate.pem(), issued->key.pem()};
}

std::string secret_yaml(const BundleWish& wish, const WebhookBundle& bundle) {
  return replaced(kSecret, {{"@SECRET@", wish.secret},
                            {"@NAMESPACE@", wish.name_space},
                            {"@CERT@", base64(bundle.cert)},
                            {"@CA@", base64(bundle.ca)},
                            {"@KEY@", base64(bundle.key)}});
}

std::string configuration_yaml(const BundleWish& wish, const std::string& ca) {
  return replaced(kConfiguration, {{"@SERVICE@", wish.service},
                                   {"@NAMESPACE@", wish.name_space},
                                   {"@POLICY@", wish.fail ? "Fail" : "Ignore"},
                                   {"@BUNDLE@", base64(ca)}});
}

identity::Outcome<std::string> with_authority(const std::string& text, const std::string& ca, WallTime now) {
  std::vector<Edit> edits;
  size_t number = 0;
  for (const std::string_view document : inject::documents_of(text)) {
    const size_t base = size_t(document.data() - text.data());
    const auto parsed = inject::read_yaml(document);
    if (++number; !parsed.error.empty()) return identity::Failure{"document " + std::to_string(number) + ": " + parsed.error};
    if (!parsed.root.text_of("kind").ends_with("WebhookConfiguration")) continue;
    const Node* const webhooks = parsed.root.find("webhooks");
    if (!webhooks) continue;
    for (const Node& webhook : webhooks->items())
      if (Edit edit; edit_of(text, base, webhook, ca, now, edit)) edits.push_back(std::move(edit));
  }
  if (edits.empty()) return identity::Failure{"there is no webhook in it"};
  std::string out = text;
  for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit) out.replace(edit->begin, edit->end - edit->begin, edit->text);
  return out;
}

}  // namespace outrider::server
