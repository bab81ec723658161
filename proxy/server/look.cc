#include "server/look.h"

#include <cstdio>

#include "config/values.h"
#include "server/admin_client.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr milliseconds kLongest = std::chrono::hours(24);

std::string formatted(const char* format, double number) {
  char text[40];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

}  // namespace

std::optional<Look> look_at(const char* verb, const Arguments& arguments, bool endpoints, int& code) {
  const std::string admin = admin_address(arguments.value("--admin"));
  const std::string only = arguments.words().empty() ? "" : "cluster=" + escaped(arguments.words()[0]);
  Look look;
  for (const bool clusters : {false, true}) {
    if (clusters && !endpoints) break;
    std::string error;
    const auto answer = ask_admin(admin, clusters ? "/clusters?" + only : "/stat?buckets&" + only, error);
    rapidjson::Document document;
    if (answer) document.Parse<rapidjson::kParseIterativeFlag>(answer->body.c_str());
    const bool read = answer && answer->status == 200 && !document.HasParseError() && document.IsObject();
    if (read && clusters) look.read_clusters(document);
    else if (read && look.read_stat(document)) continue;
    else if (answer && answer->status == 404 && clusters) break;  // it is nobody's but in counters
    else {
      code = answer && answer->status == 404 ? kNegative : kUsage;
      if (error.empty())
        error =
            answer->status == 200 ? "the answer is not what this version reads" : answer->body.substr(0, answer->body.find('\n'));
      std::fprintf(stderr, "outrider %s: %s\n", verb, error.c_str());
      return {};
    }
  }
  return look;
}

std::string rate_text(double number) { return formatted(number < 100 ? "%.1f" : "%.0f", number); }
std::string share_text(double share) { return share < 0 ? "-" : formatted("%.2f%%", share * 100); }
std::string ms_text(double ms) { return ms < 0 ? "-" : formatted(ms < 10 ? "%.2fms" : "%.0fms", ms); }
std::string count_text(double count) { return formatted("%.0f", count); }

std::optional<milliseconds> duration_flag(const char* verb, const Arguments& arguments, const char* flag,
                                          milliseconds otherwise) {
  if (!arguments.has(flag)) return otherwise;
  const auto given = config::duration_of(arguments.value(flag));
  if (given && *given >= milliseconds(10) && *given <= kLongest) return std::chrono::duration_cast<milliseconds>(*given);
  usage_error(verb, std::string(flag) + ": expected a duration from 10ms to 24h, like 5s, got \"" + arguments.value(flag) + "\"");
  return {};
}

}  // namespace outrider::server
