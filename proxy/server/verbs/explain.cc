// explain: why a request went where it went, and ended as it did.

#include <rapidjson/document.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "base/text.h"
#include "server/admin_client.h"
#include "server/curl.h"
#include "server/json_fields.h"
#include "server/table.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

using rapidjson::Value;

constexpr const char* kVerb = "explain";
constexpr size_t kShortId = 12;  // enough to be asked for by

std::string when_text(double seconds, bool with_day) {
  const auto ms = int64_t(seconds * 1000 + 0.5);
  const time_t at = ms / 1000;
  tm utc{};
  gmtime_r(&at, &utc);
  char text[48], all[64];
  strftime(text, sizeof text, with_day ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &utc);
  std::snprintf(all, sizeof all, "%s.%03d%s", text, int(ms % 1000), with_day ? " UTC" : "");
  return all;
}

std::string took_text(const Value& one) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1fms", number_of(one, "duration_ms"));
  return text;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

std::string request_text(const Value& one) {
  return printable(text_of(one, "method") + " " + text_of(one, "host") + text_of(one, "path"));
}

std::string status_text(const Value& one) {
  const uint64_t status = count_of(one, "status");
  std::string text = status ? std::to_string(status) : "-";
  if (one.HasMember("grpc_status")) text += "/" + std::to_string(count_of(one, "grpc_status"));
  return text;
}

// Broken between words where the terminal ends, the lines behind the first set in.
std::string wrapped(const std::string& text, size_t width) {
  std::string out = "  ";
  size_t column = 2;
  for (std::string_view rest = text; !rest.empty();) {
    const auto word = next_part(rest, ' ');
    if (column > 2 && column + 1 + word.size() > width) out += "\n    ", column = 4;
    else if (column > 2) out += ' ', ++column;
    out += word;
    column += word.size();
  }
  return out + "\n";
}

size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 120;
}

void print(const Value& one) {
  const bool bold = ::isatty(STDOUT_FILENO) != 0;
  std::printf("%s%s  %s  %s%s\n", bold ? "\033[1m" : "", status_text(one).c_str(), request_text(one).c_str(),
              when_text(number_of(one, "when"), true).c_str(), bold ? "\033[0m" : "");
  std::printf("%s\n\n", printable(text_of(one, "id")).c_str());
  for (const Value& sentence : one["sentences"].GetArray())
    if (sentence.IsString()) std::fputs(wrapped(printable(sentence.GetString()), terminal_width()).c_str(), stdout);
}

void print_list(const Value& decisions) {
  Table table({"TIME (UTC)", "ID", "STATUS", "TOOK", "CLUSTER", "ENDPOINT", "WHY", "REQUEST"});
  for (const Value& one : decisions.GetArray()) {
    const std::string reason = text_of(one, "reason"), flag = text_of(one, "flag");
    const uint64_t tries = count_of(one, "tries");
    const std::string why = !reason.empty()                  ? reason
                            : flag != "none"                 ? flag
                            : count_of(one, "status") >= 400 ? "answered so"
                            : tries > 1                      ? std::to_string(tries) + " tries"
                                                             : "slow";
    table.add({when_text(number_of(one, "when"), false), or_dash(text_of(one, "id").substr(0, kShortId)), status_text(one),
               took_text(one), or_dash(text_of(one, "cluster")), or_dash(text_of(one, "endpoint")), or_dash(why),
               request_text(one)});
  }
  std::fputs(table.text().c_str(), stdout);
  std::puts("\n`outrider explain ID` says why.");
}

}  // namespace

int show_explanation(const Arguments& arguments) {
  const auto& words = arguments.words();
  std::string path = "/explain?limit=" + escaped(arguments.value("--limit", words.empty() ? "20" : "5"));
  if (!words.empty()) path += "&id=" + escaped(words[0]);
  std::string error;
  const auto answer = ask_admin(admin_address(arguments.value("--admin")), path, error);
  if (!answer) return std::fprintf(stderr, "outrider explain: %s\n", error.c_str()), kUsage;
  if (answer->status != 200)
    return std::fprintf(stderr, "outrider explain: %s", answer->body.c_str()), answer->status == 404 ? kNegative : kUsage;
  if (arguments.has("--json")) return std::fputs(answer->body.c_str(), stdout), kOk;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(answer->body.c_str());
  if (document.HasParseError() || !document.IsObject() || !document.HasMember("decisions"))
    return std::fprintf(stderr, "outrider %s: the answer is not what this version reads\n", kVerb), kUsage;
  const Value& decisions = document["decisions"];
  if (decisions.Empty()) std::puts("nothing has failed, and nothing was slow (admin.explain says what is kept)");
  else if (words.empty()) print_list(decisions);
  else
    for (const Value& one : decisions.GetArray()) {
      if (&one != decisions.Begin()) std::puts("");
      print(one);
    }
  if (document.HasMember("complete") && !document["complete"].GetBool())
    std::fprintf(stderr, "outrider explain: not all workers have answered in time; there may be more\n");
  return kOk;
}

}  // namespace outrider::server
