// Verbs that ask a running proxy: services, endpoints, health.

#include <rapidjson/document.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <thread>

#include "base/text.h"
#include "server/admin_client.h"
#include "server/table.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

using rapidjson::Value;

std::string text_of(const Value& object, const char* key) {
  const auto it = object.FindMember(key);
  if (it == object.MemberEnd() || it->value.IsNull()) return "-";
  const Value& value = it->value;
  if (value.IsString()) return value.GetStringLength() ? value.GetString() : "-";
  if (value.IsBool()) return value.GetBool() ? "yes" : "no";
  if (value.IsUint64()) return std::to_string(value.GetUint64());
  if (!value.IsNumber()) return "-";
  char text[40];
  std::snprintf(text, sizeof text, "%.2f", value.GetDouble());
  return text;
}

std::string whole(const Value& object, const char* key, const char* unit) {
  const auto it = object.FindMember(key);
  if (it == object.MemberEnd() || !it->value.IsNumber()) return "-";
  return std::to_string(int64_t(std::round(it->value.GetDouble()))) + unit;
}

// "-" where there is none, and where nothing has been measured.
std::string number(const Value& object, const char* key, const char* unit, int digits) {
  const auto it = object.FindMember(key);
  if (it == object.MemberEnd() || !it->value.IsNumber() || it->value.GetDouble() == 0) return "-";
  char text[40];
  std::snprintf(text, sizeof text, "%.*f%s", digits, it->value.GetDouble(), unit);
  return text;
}

// Asks, and shows the answer as it is with --json, else as `show` makes it. 404: a negative verdict, in words.
template <class Show>
int ask_and_show(const char* verb, const Arguments& arguments, const std::string& path, Show show) {
  std::string error;
  const auto answer = ask_admin(admin_address(arguments.value("--admin")), path, error);
  if (!answer) return std::fprintf(stderr, "outrider %s: %s\n", verb, error.c_str()), kUsage;
  if (answer->status != 200) return std::fprintf(stderr, "%s", answer->body.c_str()), kNegative;
  if (arguments.has("--json")) return std::fputs(answer->body.c_str(), stdout), kOk;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(answer->body.c_str());
  if (document.HasParseError() || !document.IsObject())
    return std::fprintf(stderr, "outrider %s: the answer is not what this version reads\n", verb), kUsage;
  return show(document);
}

// Names are read from the registry once somebody asks, which takes a moment.
void wait_for_names(const Arguments& arguments) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  do {
    std::string error;
    const auto answer = ask_admin(admin_address(arguments.value("--admin")), "/services", error);
    if (!answer || answer->status != 200 || answer->body.find("\"complete\": false") == std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  } while (std::chrono::steady_clock::now() < limit);
}

}  // namespace

// Names that were asked for and are nobody's are not worth a line each.
int show_services(const Arguments& arguments) {
  wait_for_names(arguments);
  return ask_and_show("services", arguments, "/services", [](const Value& answer) {
    Table table({"SERVICE", "ROLE", "KNOWN", "INSTANCES", "DRAINING", "CONFIRMED"});
    size_t absent = 0, listed = 0;
    for (const Value& each : answer["services"].GetArray()) {
      if (text_of(each, "role") == "listed") {
        ++listed;
        table.add({text_of(each, "name"), "listed", "-", "-", "-", "-"});
        continue;
      }
      if (text_of(each, "known") == "absent" && text_of(each, "role") == "watched") {
        ++absent;
        continue;
      }
      const std::string age = whole(each, "age_s", "s");
      table.add({text_of(each, "name"), text_of(each, "role"), text_of(each, "known"), text_of(each, "instances"),
                 text_of(each, "draining"), age == "-" ? age : age + " ago"});
    }
    if (table.empty() && !absent) std::puts("no services are announced or watched here, and none is listed by others");
    if (!table.empty()) std::fputs(table.text().c_str(), stdout);
    if (listed) std::puts("\nlisted: others have registered it, and nobody here has asked for it");
    if (text_of(answer, "complete") == "no") std::puts("\nThe list of names is not complete: nobody has answered yet.");
    if (absent) std::printf("%s%zu asked for and not registered: --json names them\n", table.empty() ? "" : "\n", absent);
    return kOk;
  });
}

int show_endpoints(const Arguments& arguments) {
  if (arguments.words().size() != 1) return usage_error("endpoints", "which service?");
  const std::string& service = arguments.words()[0];
  return ask_and_show("endpoints", arguments, "/clusters?cluster=" + escaped(service), [&](const Value& answer) {
    Table table({"ADDRESS", "STATE", "SINCE", "WEIGHT", "IN FLIGHT", "REQUESTS", "EWMA", "LEASE LEFT", "ZONE", "WHY"});
    for (const Value& cluster : answer["clusters"].GetArray())
      for (const Value& each : cluster["endpoints"].GetArray())
        table.add({text_of(each, "address"), text_of(each, "state"), whole(each, "since_s", "s"), text_of(each, "weight"),
                   text_of(each, "in_flight"), text_of(each, "requests"), number(each, "ewma_ms", "ms", 2),
                   whole(each, "lease_left_s", "s"), text_of(each, "zone"), text_of(each, "why")});
    if (table.empty()) return std::printf("%s has no endpoints\n", service.c_str()), kNegative;
    std::fputs(table.text().c_str(), stdout);
    return kOk;
  });
}

int check_health(const Arguments& arguments) {
  std::string error;
  const char* page = arguments.has("--json") ? "/ready?json" : "/ready";
  const auto answer = ask_admin(admin_address(arguments.value("--admin")), page, error);
  if (!answer) return std::fprintf(stderr, "outrider health: %s\n", error.c_str()), kNegative;
  std::fputs(answer->body.c_str(), stdout);
  return answer->status == 200 ? kOk : kNegative;
}

}  // namespace outrider::server
