#include "server/config_pages.h"

#include "admin/json.h"
#include "base/text.h"

namespace outrider::server {

namespace {

const char* name_of(Reloader::Result result) {
  switch (result) {
    case Reloader::Result::Applied: return "applied";
    case Reloader::Result::Unchanged: return "unchanged";
    case Reloader::Result::Refused: break;
  }
  return "refused";
}

// For people as it is on a terminal; what is refused is 400, with every line of what is wrong.
admin::Reply reply_of(const Reloader& reloader, const Reloader::Done& done, bool json_wanted) {
  const bool refused = done.result == Reloader::Result::Refused;
  const uint16_t status = refused ? 400 : 200;
  if (!json_wanted) {
    std::string text = refused ? done.why : config::print(done.complaints);
    if (!text.empty() && text.back() != '\n') text += '\n';
    for (const auto& change : done.changes) text += std::string(config::name_of(change.severity)) + ": " + change.sentence + "\n";
    if (!refused) text += std::string(name_of(done.result)) + ": version " + std::to_string(done.number) + " is served\n";
    return {.status = status, .body = std::move(text)};
  }
  admin::Json json;
  json.object()
      .field("result", name_of(done.result))
      .field("version", done.number)
      .field("why", done.why)
      .field("trouble", reloader.trouble())
      .key("changes")
      .array();
  for (const auto& change : done.changes)
    json.object(admin::Json::Shape::OneLine)
        .field("severity", config::name_of(change.severity))
        .field("path", change.path)
        .field("sentence", change.sentence)
        .close();
  json.close().close();
  return {.status = status, .type = "application/json", .body = json.take()};
}

std::string author_of(const admin::Ask& ask) {
  const std::string given = ask.value("author");
  return given.empty() ? "admin" : given.substr(0, 64);
}

admin::Reply history_page(const Reloader& reloader, const admin::Ask& ask) {
  if (const std::string number = ask.value("number"); !number.empty()) {
    const auto wanted = parse_number(number);
    const Version* const version = wanted && *wanted <= UINT32_MAX ? reloader.history().find(uint32_t(*wanted)) : nullptr;
    if (!version) return {.status = 404, .body = "There is no version " + number + " any more.\n"};
    return {.type = "application/yaml", .body = History::body_of(*version)};
  }
  admin::Json json;
  json.object().field("folder", reloader.history().folder()).key("versions").array();
  const auto& all = reloader.history().all();
  for (auto version = all.rbegin(); version != all.rend(); ++version)
    json.object(admin::Json::Shape::OneLine)
        .field("number", version->number)
        .field("digest", version->digest)
        .field("time", double(to_ms(version->time)) / 1000)
        .field("author", version->author)
        .field("source", version->source)
        .field("verdict", version->verdict)
        .field("current", version->number == reloader.current())
        .close();
  json.close().close();
  return {.type = "application/json", .body = json.take()};
}

}  // namespace

void add_config_pages(admin::AdminServer& server, Reloader& reloader) {
  server.take_bodies(config::kMaxText);
  server.action("/config", [&reloader](const admin::Ask& ask) {
    Reloader::Asked asked{"POST /config", ""};
    if (!ask.body.empty()) {
      asked.author = author_of(ask);
      asked.text = ask.body;
    }
    return reply_of(reloader, reloader.reload(std::move(asked)), ask.has("json"));
  });
  server.page("/config/history", [&reloader](const admin::Ask& ask) { return history_page(reloader, ask); });
  server.action("/config/rollback", [&reloader](const admin::Ask& ask) {
    const std::string to = ask.value("to");
    const auto number = parse_number(to);
    if (!to.empty() && (!number || *number > UINT32_MAX))
      return admin::Reply{.status = 400, .body = "to=N is a version's number.\n"};
    const auto wanted = to.empty() ? std::nullopt : std::optional(uint32_t(*number));
    return reply_of(reloader, reloader.roll_back(wanted, author_of(ask)), ask.has("json"));
  });
}

}  // namespace outrider::server
