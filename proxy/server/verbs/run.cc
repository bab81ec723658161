// Verbs that stay: run and dht.

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "config/load.h"
#include "identity/files.h"
#include "server/sources.h"
#include "server/supervisor.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

int run_with(const char* verb, const Arguments& arguments, bool registry_only) {
  std::string error;
  config::Sources sources = sources_of(arguments, error);
  if (!error.empty()) return usage_error(verb, error);
  sources.registry_only = registry_only;
  Reloader::Settings settings;
  std::vector<config::Complaint> complaints;
  if (sources.file && *sources.file != "-")  // what cannot be read is said by load()
    if (auto text = identity::read_file(*sources.file, config::kMaxText)) sources.text = std::move(*text);
  auto document = Reloader::first(sources, settings, complaints);
  std::fputs(config::print(complaints).c_str(), stderr);
  if (!document) return kUsage;
  // A replica that is gone must not take us with it; the app gets the usual action back (uv_spawn resets it).
  std::signal(SIGPIPE, SIG_IGN);
  Supervisor supervisor({.document = std::move(*document),
                         .command = arguments.behind(),
                         .own_process = true,
                         .sources = std::move(settings.sources),
                         .started_from = settings.trouble});
  if (const std::string problem = supervisor.start(); !problem.empty()) {
    std::fprintf(stderr, "outrider %s: %s\n", verb, problem.c_str());
    return kUsage;
  }
  return supervisor.run();
}

}  // namespace

int run_proxy(const Arguments& arguments) { return run_with("run", arguments, false); }

int run_dht(const Arguments& arguments) { return run_with("dht", arguments, true); }

}  // namespace outrider::server
