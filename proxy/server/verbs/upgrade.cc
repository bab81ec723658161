// The verb upgrade.

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "server/admin_client.h"
#include "server/verb.h"

namespace outrider::server {

int upgrade_proxy(const Arguments& arguments) {
  constexpr int kLongest = 900;  // lifecycle.upgrade.timeout is the proxy's
  std::string path = "/upgrade", error;
  if (arguments.has("--binary"))
    path += "?binary=" + escaped(std::filesystem::absolute(arguments.value("--binary")).lexically_normal().string());
  const auto answer = tell_admin(admin_address(arguments.value("--admin")), path, {}, error, kLongest);
  if (!answer) return std::fprintf(stderr, "outrider upgrade: %s\n", error.c_str()), kUsage;
  if (answer->status == 200) return std::fputs(answer->body.c_str(), stdout), kOk;
  return std::fprintf(stderr, "outrider upgrade: %s", answer->body.c_str()), kNegative;
}

}  // namespace outrider::server
