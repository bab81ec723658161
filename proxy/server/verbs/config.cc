// Verbs on one configuration: config validate, show; and on their language: config schema.

#include <cstdio>

#include "admin/json.h"
#include "config/schema.h"
#include "config/show.h"
#include "filters/all.h"
#include "server/sources.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

// What is wrong goes where the verb's output goes only when that is for programs.
void report(const Arguments& arguments, const config::Outcome& outcome, bool json_wanted) {
  if (json_wanted && arguments.has("--json")) std::fputs(config::print_json(outcome.complaints).c_str(), stdout);
  else std::fputs(config::print(outcome.complaints).c_str(), stderr);
}

}  // namespace

int config_validate(const Arguments& arguments) {
  std::string error;
  const config::Sources sources = sources_of(arguments, error);
  if (error.empty() && !sources.file) error = "which file?";
  if (!error.empty()) return usage_error("config validate", error);
  const auto outcome = config::load(sources);
  report(arguments, outcome, true);
  return outcome.document ? kOk : kUsage;
}

int config_show(const Arguments& arguments) {
  std::string error;
  const config::Sources sources = sources_of(arguments, error);
  if (!error.empty()) return usage_error("config show", error);
  const auto outcome = config::load(sources);
  report(arguments, outcome, !outcome.document);
  if (!outcome.document) return kUsage;
  const config::ShowOptions options{arguments.has("--origin"), arguments.has("--defaults")};
  const std::string text = config::show(*outcome.document, options);
  if (!arguments.has("--json")) return std::fputs(text.c_str(), stdout), kOk;
  admin::Json json;
  json.object().field("digest", outcome.document->digest).field("file", outcome.document->file).field("yaml", text).close();
  std::fputs(json.take().c_str(), stdout);
  return kOk;
}

int config_schema(const Arguments&) {
  std::fputs(config::schema(filters::names()).c_str(), stdout);
  return kOk;
}

}  // namespace outrider::server
