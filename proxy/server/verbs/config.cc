// Verbs on configurations: config validate, show.

#include <cstdio>

#include "admin/json.h"
#include "config/show.h"
#include "server/sources.h"
#include "server/verb.h"

namespace outrider::server {

int config_validate(const Arguments& arguments) {
  if (arguments.words().size() != 1) return usage_error("config validate", "which file?");
  std::string error;
  config::Sources sources = sources_of(arguments, error);
  if (!error.empty()) return usage_error("config validate", error);
  sources.file = arguments.words()[0];
  const auto outcome = config::load(sources);
  if (arguments.has("--json")) std::printf("%s\n", config::print_json(outcome.complaints).c_str());
  else std::fputs(config::print(outcome.complaints).c_str(), stderr);
  return outcome.document ? kOk : kUsage;
}

int config_show(const Arguments& arguments) {
  std::string error;
  const config::Sources sources = sources_of(arguments, error);
  if (!error.empty()) return usage_error("config show", error);
  const auto outcome = config::load(sources);
  std::fputs(config::print(outcome.complaints).c_str(), stderr);
  if (!outcome.document) return kUsage;
  const config::ShowOptions options{arguments.has("--origin"), arguments.has("--defaults")};
  const std::string text = config::show(*outcome.document, options);
  if (!arguments.has("--json")) return std::fputs(text.c_str(), stdout), kOk;
  admin::Json json;
  json.object().field("digest", outcome.document->digest).field("file", outcome.document->file).field("yaml", text).close();
  std::fputs(json.take().c_str(), stdout);
  return kOk;
}

}  // namespace outrider::server
