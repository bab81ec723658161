// check: what this machine and this configuration lack.

#include <langinfo.h>
#include <clocale>
#include <cstdio>

#include "server/admin_client.h"
#include "server/check/checks.h"
#include "server/running_config.h"
#include "server/sources.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

bool terminal_knows_unicode() { return std::setlocale(LC_CTYPE, "") && std::string_view(nl_langinfo(CODESET)) == "UTF-8"; }

// A configuration that is given somehow: by -c, --set, or the environment.
bool gives_configuration(const Arguments& arguments, const config::Sources& sources) {
  if (arguments.has("--config") || arguments.has("--set")) return true;
  for (const auto& [name, value] : sources.environment)
    if (name.starts_with("OUTRIDER_SERVICE__") || name.starts_with("OUTRIDER_LISTENERS__")) return true;
  return false;
}

}  // namespace

int run_check(const Arguments& arguments) {
  std::string error;
  const config::Sources sources = sources_of(arguments, error, Plain::NoFile);
  if (!error.empty()) return usage_error("check", error);
  const RunningProxy proxy = ask_running_proxy(admin_address(arguments.value("--admin")), arguments.has("--admin"));
  std::optional<config::Outcome> outcome;
  std::string file = "running";
  if (gives_configuration(arguments, sources)) {
    file = arguments.value("--config", "the environment");
    outcome = config::load(sources);
  } else if (proxy && !proxy.config.empty()) {
    outcome = config::load(running_config(proxy.config, sources).sources);
    // Its warnings were in its log; what cannot be read here is for want of its variables.
    if (outcome->document) outcome->complaints.clear();
  }
  const auto facts = check_all(file, outcome, proxy);
  std::fputs((arguments.has("--json") ? json_of(facts) : text_of(facts, terminal_knows_unicode())).c_str(), stdout);
  return any_wrong(facts) ? kNegative : kOk;
}

}  // namespace outrider::server
