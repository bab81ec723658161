#include "server/ask_either.h"

#include <cstdio>

#include "server/admin_client.h"
#include "server/sources.h"

namespace outrider::server {

std::optional<std::string> ask_either(const Arguments& arguments, const std::string& page, const LookUp& look_up,
                                      std::string& error) {
  if (!arguments.has("--config") && !arguments.has("--set")) {
    const auto answer = ask_admin(admin_address(arguments.value("--admin")), page, error);
    if (!answer) return {};
    if (answer->status == 200) return answer->body;
    error = answer->body.substr(0, answer->body.find('\n'));
    return {};
  }
  const config::Sources sources = sources_of(arguments, error, Plain::NoFile);
  if (!error.empty()) return {};
  const auto outcome = config::load(sources);
  std::fputs(config::print(outcome.complaints).c_str(), stderr);
  if (!outcome.document) return error = "the configuration is wrong", std::nullopt;
  return look_up(*outcome.document);
}

}  // namespace outrider::server
