// Verbs that stay: run and dht.

#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "config/load.h"
#include "identity/files.h"
#include "server/sources.h"
#include "server/supervisor.h"
#include "server/verb.h"
#include "server/verbs/run.h"

namespace outrider::server {

namespace {

// There is one thread yet.
int keeper_for(const config::Lifecycle& lifecycle) {
  using Pid = config::Lifecycle::Pid;
  const bool keeps = lifecycle.pid == Pid::Keep || (lifecycle.pid == Pid::Auto && ::getpid() == 1);
  if (!keeps && !lifecycle.upgrade) return -1;
  std::string why;
  const int keeper = start_keeper(keeps ? Keeps::Pid : Keeps::Nothing, lifecycle.upgrade, why);
  if (keeper < 0) std::fprintf(stderr, "outrider: there will be no upgrade in place: %s\n", why.c_str());
  return keeper;
}

int run_from_arguments(const char* verb, const Arguments& arguments, bool registry_only) {
  std::string error;
  config::Sources sources = sources_of(arguments, error);
  if (!error.empty()) return usage_error(verb, error);
  sources.registry_only = registry_only;
  return run_with(verb, arguments, std::move(sources));
}

}  // namespace

int run_with(const char* verb, const Arguments& arguments, config::Sources sources) {
  auto inheritance = Inheritance::from_environment();
  Reloader::Settings life;
  std::vector<config::Complaint> complaints;
  if (sources.file && *sources.file != "-")  // what cannot be read is said by load()
    if (auto text = identity::read_file(*sources.file, config::kMaxText)) sources.text = std::move(*text);
  auto document = Reloader::first(sources, life, complaints);
  std::fputs(config::print(complaints).c_str(), stderr);
  if (!document) {
    if (inheritance) inheritance->tell_failed(config::print(complaints));
    return kUsage;
  }
  // A replica that is gone must not take us with it; the app gets the usual action back (uv_spawn resets it).
  std::signal(SIGPIPE, SIG_IGN);
  Settings settings{.document = std::move(*document), .command = arguments.behind(), .own_process = true};
  settings.sources = std::move(life.sources);
  settings.started_from = life.trouble;
  if (arguments.value("--config") == "-") settings.no_upgrade = "the configuration came from standard input, which has been read";
  settings.keeper = inheritance ? inheritance->take_keeper() : keeper_for(settings.document.lifecycle);
  settings.inheritance = std::move(inheritance);
  Supervisor supervisor(std::move(settings));
  if (const std::string problem = supervisor.start(); !problem.empty()) {
    std::fprintf(stderr, "outrider %s: %s\n", verb, problem.c_str());
    return kUsage;
  }
  return supervisor.run();
}

int run_proxy(const Arguments& arguments) { return run_from_arguments("run", arguments, false); }

int run_dht(const Arguments& arguments) { return run_from_arguments("dht", arguments, true); }

}  // namespace outrider::server
