// The verb wait: what is started beside a proxy starts when that is ready.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "net/address.h"
#include "server/admin_client.h"
#include "server/look.h"
#include "server/verb.h"

namespace outrider::server {

// Of the postStart of a container: the kubelet starts the next one when this has ended, and whatever it says is shown in an event
// where it has failed.
int wait_for_proxy(const Arguments& arguments) {
  using Clock = std::chrono::steady_clock;
  constexpr milliseconds kPace{50};
  const auto limit = duration_flag("wait", arguments, "--timeout", milliseconds(60'000));
  if (!limit) return kUsage;
  const std::string admin = admin_address(arguments.value("--admin"));
  if (!net::Address::parse(admin)) return usage_error("wait", "\"" + admin + "\" is no address: host:port or unix:/path");
  const auto end = Clock::now() + *limit;
  const char* page = arguments.has("--json") ? "/ready?json" : "/ready";
  std::optional<AdminAnswer> answer;
  std::string error;
  for (;;) {
    error.clear();
    const auto left = std::chrono::ceil<seconds>(end - Clock::now());
    answer = ask_admin(admin, page, error, std::clamp(int(left.count()), 1, kAdminSeconds));
    if (answer && answer->status == 200) return std::fputs(answer->body.c_str(), stdout), kOk;
    if (Clock::now() + kPace > end) break;
    std::this_thread::sleep_for(kPace);
  }
  std::fprintf(stderr, "outrider wait: not ready within %s: %s\n",
               arguments.has("--timeout") ? arguments.value("--timeout").c_str() : "60s", answer ? "" : error.c_str());
  if (answer) std::fputs(answer->body.c_str(), stderr);
  return kNegative;
}

}  // namespace outrider::server
