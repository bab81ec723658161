// Verbs that change a running proxy for as long as it runs: log, weight, drain, quit.

#include <cstdio>

#include "server/admin_client.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

int tell(const Arguments& arguments, const char* verb, const std::string& path) {
  std::string error;
  const auto answer = tell_admin(admin_address(arguments.value("--admin")), path, {}, error);
  if (!answer) return std::fprintf(stderr, "outrider %s: %s\n", verb, error.c_str()), kUsage;
  const bool good = answer->status == 200 || answer->status == 202;
  std::fputs(answer->body.c_str(), good ? stdout : stderr);
  return good ? kOk : answer->status == 409 ? kNegative : kUsage;
}

}  // namespace

int set_log(const Arguments& arguments) {
  if (arguments.words().empty()) return usage_error("log", "which level?");
  return tell(arguments, "log", "/log?level=" + escaped(arguments.words()[0]));
}

int set_weight(const Arguments& arguments) {
  if (arguments.words().empty()) return usage_error("weight", "how much?");
  return tell(arguments, "weight", "/weight?value=" + escaped(arguments.words()[0]));
}

int drain(const Arguments& arguments) { return tell(arguments, "drain", "/drain"); }

int quit(const Arguments& arguments) { return tell(arguments, "quit", "/quitquitquit"); }

}  // namespace outrider::server
