#pragma once
// The command line: one row a verb.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/arguments.h"

namespace outrider::server {

constexpr int kOk = 0, kNegative = 1, kUsage = 2;  // exit codes of every verb but `run -- CMD`

struct Verb {
  std::string_view name;       // "config show": one or two words
  std::string_view arguments;  // "[-c FILE] [--json]"
  std::string_view summary;    // one line
  std::string_view help;       // the rest, with examples
  std::span<const Flag> flags;
  size_t words;  // how many plain words it takes at most
  int (*run)(const Arguments& arguments);
};

std::span<const Verb> all_verbs();

// The whole program: finds the verb, or says what there is. Returns the exit code.
int run_command(std::vector<std::string> words);

// "outrider VERB: text" on standard error.
int usage_error(std::string_view verb, std::string_view text);

// verbs/*.cc
int run_proxy(const Arguments&);
int run_dht(const Arguments&);
int run_webhook(const Arguments&);
int print_webhook_bundle(const Arguments&);
int config_validate(const Arguments&);
int config_show(const Arguments&);
int set_log(const Arguments&);
int set_weight(const Arguments&);
int drain(const Arguments&);
int quit(const Arguments&);
int config_apply(const Arguments&);
int config_history(const Arguments&);
int config_rollback(const Arguments&);
int config_schema(const Arguments&);
int config_diff(const Arguments&);
int show_services(const Arguments&);
int show_endpoints(const Arguments&);
int show_explanation(const Arguments&);
int show_stat(const Arguments&);
int show_top(const Arguments&);
int check_health(const Arguments&);
int wait_for_proxy(const Arguments&);
int identity_dev_ca(const Arguments&);
int identity_issue(const Arguments&);
int identity_mesh_key(const Arguments&);
int identity_show(const Arguments&);
int show_authorization(const Arguments&);
int show_route(const Arguments&);
int show_tap(const Arguments&);
int show_completion(const Arguments&);
int run_check(const Arguments&);
int upgrade_proxy(const Arguments&);
int run_inject(const Arguments&);
int run_uninject(const Arguments&);
int capture_print(const Arguments&);
int capture_apply(const Arguments&);
int capture_clear(const Arguments&);
int capture_validate(const Arguments&);
int show_version(const Arguments&);

}  // namespace outrider::server
