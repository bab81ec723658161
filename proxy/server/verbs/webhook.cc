// Verbs of the admission webhook: webhook, webhook-cert.

#include <cstdio>
#include <optional>

#include "config/values.h"
#include "identity/files.h"
#include "net/loop.h"
#include "server/injection.h"
#include "server/sources.h"
#include "server/verb.h"
#include "server/verbs/run.h"
#include "server/webhook.h"
#include "server/webhook_bundle.h"

namespace outrider::server {

namespace {

constexpr size_t kMostText = 4 << 20;

int failed(const char* verb, const std::string& why) {
  std::fprintf(stderr, "outrider %s: %s\n", verb, why.c_str());
  return kUsage;
}

// --failure; nothing: it is neither.
std::optional<bool> fails(const Arguments& arguments) {
  const std::string text = arguments.value("--failure", "ignore");
  if (text != "ignore" && text != "fail") return std::nullopt;
  return text == "fail";
}

constexpr const char* kBadFailure = "--failure is ignore or fail";

identity::Outcome<std::string> read_input(const std::string& path) {
  if (path != "-") return identity::read_file(path, kMostText);
  std::string text;
  char piece[16 * 1024];
  while (const size_t got = std::fread(piece, 1, sizeof piece, stdin)) {
    text.append(piece, got);
    if (text.size() > kMostText) return identity::Failure{"standard input: more than " + config::size_text(kMostText)};
  }
  return text;
}

}  // namespace

int run_webhook(const Arguments& arguments) {
  constexpr const char* kVerb = "webhook";
  for (const char* needed : {"--cert", "--key"})
    if (!arguments.has(needed))
      return usage_error(kVerb, std::string(needed) + " is missing (`outrider webhook-cert` makes a certificate)");
  if (!fails(arguments)) return usage_error(kVerb, kBadFailure);
  WebhookSettings settings;
  settings.listen = arguments.value("--listen", settings.listen);
  settings.cert = arguments.value("--cert");
  settings.key = arguments.value("--key");
  settings.failure = arguments.value("--failure", settings.failure);
  settings.max_body = arguments.value("--max-body", settings.max_body);
  settings.max_held = arguments.value("--max-held", settings.max_held);
  for (const auto& [flag, text] : {std::pair("--max-body", settings.max_body), {"--max-held", settings.max_held}})
    if (const auto size = config::size_of(text); !size || *size == 0)
      return usage_error(kVerb, std::string(flag) + " wants a size with a unit: 3MiB, not \"" + text + "\"");
  std::string error;
  settings.plan = injection_settings(arguments, error, "--sidecar-set");
  if (!error.empty()) return usage_error(kVerb, error);
  config::Sources sources = plain_sources(arguments);
  sources.flags = webhook_flags(settings);
  return run_with(kVerb, arguments, std::move(sources));
}

int print_webhook_bundle(const Arguments& arguments) {
  constexpr const char* kVerb = "webhook-cert";
  BundleWish wish;
  wish.service = arguments.value("--service", wish.service);
  wish.name_space = arguments.value("--namespace", wish.name_space);
  wish.secret = arguments.value("--secret", wish.secret);
  for (const std::string* name : {&wish.service, &wish.name_space, &wish.secret})
    if (!config::is_label(*name))
      return usage_error(kVerb, "\"" + *name + "\" is no name of Kubernetes: a-z 0-9 and -, at most 63");
  wish.dns = arguments.values("--dns");
  const auto fail = fails(arguments);
  if (!fail) return usage_error(kVerb, kBadFailure);
  wish.fail = *fail;
  if (arguments.has("--for")) {
    const auto life = config::duration_of(arguments.value("--for"));
    if (!life || *life < seconds(1)) return usage_error(kVerb, "--for wants a duration of at least 1s: 365d, 24h");
    wish.life = std::chrono::duration_cast<seconds>(*life);
  }
  const WallTime now = net::Loop::wall();
  const auto bundle = make_webhook_bundle(wish, now);
  if (!bundle) return failed(kVerb, bundle.why());
  std::string configuration;
  if (arguments.has("--config")) {
    const std::string path = arguments.value("--config");
    const auto text = read_input(path);
    if (!text) return failed(kVerb, text.why());
    const auto patched = with_authority(*text, bundle->ca, now);
    if (!patched) return failed(kVerb, (path == "-" ? "standard input" : path) + ": " + patched.why());
    configuration = *patched;
    if (!configuration.ends_with('\n')) configuration += '\n';
  } else {
    configuration = configuration_yaml(wish, bundle->ca);
  }
  // Whom to trust comes first: while the Secret is on its way to the pods, the old certificate is as good.
  std::fputs((configuration + secret_yaml(wish, *bundle)).c_str(), stdout);
  return kOk;
}

}  // namespace outrider::server
