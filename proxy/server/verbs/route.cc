// route: which rule, cluster and endpoints would a request have?

#include <rapidjson/document.h>

#include <cstdio>

#include "admin/pages.h"
#include "base/text.h"
#include "server/admin_client.h"
#include "server/ask_either.h"
#include "server/dry_run.h"
#include "server/table.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr const char* kVerb = "route";

std::optional<std::string> look_up(const config::Document& document, const admin::RouteQuestion& question, std::string& error) {
  const auto view = dry_run(document, question);
  error = view.error;
  return error.empty() ? std::optional(admin::route_json(view)) : std::nullopt;
}

std::string text_of(const rapidjson::Value& object, const char* key) {
  const auto it = object.FindMember(key);
  return it != object.MemberEnd() && it->value.IsString() ? it->value.GetString() : "";
}

void line(const char* name, const std::string& text) {
  if (!text.empty()) std::printf("%-10s %s\n", name, text.c_str());
}

std::string list_of(const rapidjson::Value& names) {
  std::string text;
  for (const auto& name : names.GetArray()) text += (text.empty() ? "" : ", ") + std::string(name.GetString());
  return text;
}

void print(const rapidjson::Value& json) {
  line("listener", text_of(json, "listener"));
  line("denied by", text_of(json, "denied_by"));
  if (json.HasMember("route")) {
    const uint32_t at = json["line"].GetUint();
    const std::string where = at ? " (" + text_of(json, "file") + ":" + std::to_string(at) + ")" : "";
    line("rule", text_of(json, "route") + where + (json.HasMember("by_chance") ? ", this time: a rule with percent draws" : ""));
  }
  const std::string filters = list_of(json["filters"]);
  line("filters", filters.empty() ? "" : filters + " (not run here)");
  if (json.HasMember("status")) {
    const unsigned status = json["status"].GetUint();
    line("answer", (status ? std::to_string(status) : "none:") + " " + text_of(json, "reason"));
    return line("location", text_of(json, "location"));
  }
  std::string shares;
  if (json.HasMember("split"))
    for (const auto& share : json["split"].GetObject()) {
      char text[32];
      std::snprintf(text, sizeof text, " %.1f%%", share.value.GetDouble() * 100);
      shares += (shares.empty() ? ", this time: " : ", ") + std::string(share.name.GetString()) + text;
    }
  line("cluster", text_of(json, "cluster") + shares);
  line("otherwise", text_of(json, "otherwise"));
  line("asked for", text_of(json, "path") + " of " + text_of(json, "host"));
  if (const double seconds = json["timeout_s"].GetDouble(); seconds > 0) std::printf("%-10s %g s\n", "timeout", seconds);
  if (json["endpoints"].Empty()) return line("endpoints", "none is known");
  Table table({"endpoint", "state", "weight", "priority", "zone"});
  for (const auto& one : json["endpoints"].GetArray()) {
    const std::string zone = text_of(one, "zone");
    table.add({text_of(one, "address"), text_of(one, "state"), std::to_string(one["weight"].GetUint()),
               std::to_string(one["priority"].GetUint()), zone.empty() ? "-" : zone});
  }
  std::fputs(table.text().c_str(), stdout);
}

}  // namespace

int show_route(const Arguments& arguments) {
  const auto& words = arguments.words();
  if (words.size() != 2) return usage_error(kVerb, "METHOD and URL");
  admin::RouteQuestion question{words[0], words[1], arguments.value("--from"), arguments.value("--listener")};
  std::string fields;
  for (const std::string& field : arguments.values("--header")) {
    const size_t colon = field.find(':');
    if (colon == field.npos || colon == 0) return usage_error(kVerb, "-H 'NAME: VALUE'");
    question.headers.emplace_back(field.substr(0, colon), trim(std::string_view(field).substr(colon + 1)));
    fields += field + "\n";
  }
  const std::string page = "/route?method=" + escaped(question.method) + "&url=" + escaped(question.url) +
                           "&from=" + escaped(question.from) + "&listener=" + escaped(question.listener) +
                           "&headers=" + escaped(fields);
  std::string error;
  const auto answer = ask_either(
      arguments, page, [&](const config::Document& document) { return look_up(document, question, error); }, error);
  if (!answer) return std::fprintf(stderr, "outrider route: %s\n", error.c_str()), kUsage;
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(answer->c_str());
  if (json.HasParseError() || !json.IsObject() || !json.HasMember("filters"))
    return std::fprintf(stderr, "outrider route: the answer is not what this version reads\n"), kUsage;
  if (arguments.has("--json")) std::fputs(answer->c_str(), stdout);
  else print(json);
  const std::string reason = text_of(json, "reason");
  return json.HasMember("status") && reason != "respond" && reason != "redirect" ? kNegative : kOk;
}

}  // namespace outrider::server
