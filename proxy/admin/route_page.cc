// /route: what would become of a request.

#include "admin/json.h"
#include "admin/pages.h"
#include "base/text.h"

namespace outrider::admin {

std::string route_json(const RouteView& view) {
  Json json;
  json.object().field("listener", view.listener);
  if (!view.denied_by.empty()) json.field("denied_by", view.denied_by);
  if (!view.route.empty()) json.field("route", view.route).field("file", view.file).field("line", view.line);
  if (view.by_chance) json.field("by_chance", true);
  json.key("filters").array();
  for (const auto& name : view.filters) json.value(name);
  json.close();
  if (view.status != 0 || !view.reason.empty()) {
    json.field("status", uint64_t(view.status)).field("reason", view.reason);
    if (!view.location.empty()) json.field("location", view.location);
    json.close();
    return json.take();
  }
  json.field("cluster", view.cluster);
  if (!view.shares.empty()) {
    json.key("split").object(Json::Shape::OneLine);
    for (const auto& [name, share] : view.shares) json.field(name.c_str(), share);
    json.close();
  }
  if (!view.otherwise.empty()) json.field("otherwise", view.otherwise);
  json.field("path", view.path).field("host", view.host).field("timeout_s", view.timeout_s);
  json.key("endpoints").array();
  for (const auto& one : view.endpoints)
    json.object(Json::Shape::OneLine)
        .field("address", one.address)
        .field("state", name_of(one.state))
        .field("weight", one.weight)
        .field("priority", one.priority)
        .field("zone", one.zone)
        .close();
  json.close().close();
  return json.take();
}

Reply route_page(const Facts& facts, const Ask& ask) {
  RouteQuestion question{ask.value("method"), ask.value("url"), ask.value("from"), ask.value("listener")};
  const std::string lines = ask.value("headers");
  for (std::string_view rest = lines; !rest.empty();) {
    const auto line = next_part(rest, '\n');
    const size_t colon = line.find(':');
    if (colon != line.npos) question.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  const auto view = facts.route(question);
  if (!view.error.empty()) return {.status = 400, .body = view.error + "\n"};
  return {.type = "application/json", .body = route_json(view)};
}

}  // namespace outrider::admin
