#include "server/webhook.h"

#include "base/text.h"
#include "filters/inject/settings.h"

namespace outrider::server {

namespace {

std::string quoted(const std::string& text) {
  std::string out;
  append_json(out, text);
  return out;
}

}  // namespace

// Who asks is an API server, which has five seconds by our own configuration (server/webhook_bundle): whoever takes longer to
// say what he wants is somebody else. Strangers share what there is by address.
std::vector<config::Setting> webhook_flags(const WebhookSettings& settings) {
  const auto flag = [](const char* path, std::string value) { return config::Setting{path, std::move(value), "webhook"}; };
  const std::string options = filters::options_text(settings.plan) + ", \"failure\": " + quoted(settings.failure) +
                              ", \"max_body\": " + quoted(settings.max_body) + ", \"max_held\": " + quoted(settings.max_held);
  return {flag("mode", "edge"),
          flag("registry.kind", "none"),
          {"listeners.webhook.address", settings.listen, "--listen " + settings.listen},
          {"listeners.webhook.tls", "{cert: " + quoted(settings.cert) + ", key: " + quoted(settings.key) + "}",
           "--cert " + settings.cert + " --key " + settings.key},
          {"listeners.webhook.http.max_body", settings.max_body, "--max-body " + settings.max_body},
          flag("listeners.webhook.timeouts", "{tls: 5s, request_headers: 5s, stream_idle: 5s, request: 10s}"),
          flag("listeners.webhook.limits", "{connections: 1000, per_ip: 200}"),
          flag("routes.webhook", "[{name: inject, match: {path: /inject}, filters: [{inject: {" + options +
                                     "}}], respond: {status: 500}}, {name: other, respond: {status: 404, body: \"POST /inject is "
                                     "all there is here.\\n\"}}]")};
}

}  // namespace outrider::server
