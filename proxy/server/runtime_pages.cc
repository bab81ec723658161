#include "server/runtime_pages.h"

#include <utility>

#include "base/text.h"

namespace outrider::server {

namespace {

using Level = config::Log::Level;

constexpr std::pair<const char*, Level> kLevels[] = {
    {"debug", Level::Debug}, {"info", Level::Info}, {"warn", Level::Warn}, {"error", Level::Error}, {"off", Level::Off}};

admin::Reply reply_of(const std::string& problem, const std::string& done) {
  if (!problem.empty()) return {.status = 409, .body = problem + "\n"};
  return {.body = done + "\n"};
}

}  // namespace

void add_runtime_pages(admin::AdminServer& server, RuntimeActions actions) {
  server.action("/log", [log = std::move(actions.log)](const admin::Ask& ask) -> admin::Reply {
    const std::string wanted = ask.value("level");
    for (const auto& [name, level] : kLevels)
      if (wanted == name) return reply_of(log(level), "log level " + wanted);
    return {.status = 400, .body = "level=debug, info, warn, error or off\n"};
  });
  server.action("/weight", [weight = std::move(actions.weight)](const admin::Ask& ask) -> admin::Reply {
    const auto wanted = parse_number(ask.value("value"));
    if (!wanted || *wanted > 10000) return {.status = 400, .body = "value=N, from 0 (nobody is sent here) to 10000\n"};
    return reply_of(weight(uint32_t(*wanted)),
                    "weight " + std::to_string(*wanted) + (*wanted ? "" : ": draining, nobody new is sent here"));
  });
}

}  // namespace outrider::server
