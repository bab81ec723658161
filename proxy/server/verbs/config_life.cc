// Verbs on a running proxy's configuration: config apply, history, rollback.

#include <rapidjson/document.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <iterator>

#include "config/node.h"
#include "identity/files.h"
#include "identity/identity.h"
#include "server/admin_client.h"
#include "server/json_fields.h"
#include "server/table.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

std::string me() {
  for (const char* name : {"SUDO_USER", "USER", "LOGNAME"})
    if (const char* user = std::getenv(name); user && *user) return user;
  return {};
}

// 200: done; 400: refused, with all that is wrong.
int tell(const Arguments& arguments, const char* verb, std::string path, const std::string& body) {
  path += std::string(path.find('?') == path.npos ? "?" : "&") + "author=" + escaped(me());
  if (arguments.has("--json")) path += "&json";
  std::string error;
  const auto answer = tell_admin(admin_address(arguments.value("--admin")), path, body, error);
  if (!answer) return std::fprintf(stderr, "outrider %s: %s\n", verb, error.c_str()), kUsage;
  const bool good = answer->status == 200;
  std::fputs(answer->body.c_str(), good || arguments.has("--json") ? stdout : stderr);
  return good ? kOk : answer->status == 400 ? kNegative : kUsage;
}

std::string when(double seconds) { return identity::rfc3339(from_ms(int64_t(seconds * 1000))); }

}  // namespace

int config_apply(const Arguments& arguments) {
  std::string text;
  if (!arguments.words().empty()) {
    const std::string& file = arguments.words()[0];
    if (file == "-") {
      text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      auto read = identity::read_file(file, config::kMaxText);
      if (!read) return std::fprintf(stderr, "outrider config apply: %s\n", read.why().c_str()), kUsage;
      text = std::move(*read);
    }
    if (text.empty()) return usage_error("config apply", file + " is empty");
  }
  return tell(arguments, "config apply", "/config", text);
}

int config_rollback(const Arguments& arguments) {
  const auto& words = arguments.words();
  return tell(arguments, "config rollback", words.empty() ? "/config/rollback" : "/config/rollback?to=" + escaped(words[0]), "");
}

int config_history(const Arguments& arguments) {
  const bool one = !arguments.words().empty();
  std::string error;
  const auto answer = ask_admin(admin_address(arguments.value("--admin")),
                                one ? "/config/history?number=" + escaped(arguments.words()[0]) : "/config/history", error);
  if (!answer) return std::fprintf(stderr, "outrider config history: %s\n", error.c_str()), kUsage;
  if (answer->status != 200) return std::fputs(answer->body.c_str(), stderr), answer->status == 404 ? kNegative : kUsage;
  if (one || arguments.has("--json")) return std::fputs(answer->body.c_str(), stdout), kOk;
  rapidjson::Document page;
  page.Parse(answer->body.c_str(), answer->body.size());
  if (!page.IsObject() || !page.HasMember("versions")) return std::fputs("outrider config history: no answer\n", stderr), kUsage;
  Table table({"", "VERSION", "TIME", "BY", "FROM", "DIGEST", "VERDICT"});
  for (const auto& version : page["versions"].GetArray()) {
    const auto current = version.FindMember("current");
    table.add({current != version.MemberEnd() && current->value.IsTrue() ? "*" : " ", std::to_string(count_of(version, "number")),
               when(number_of(version, "time")), text_of(version, "author"), text_of(version, "source"),
               text_of(version, "digest"), text_of(version, "verdict")});
  }
  std::fputs(table.text().c_str(), stdout);
  if (const std::string folder = text_of(page, "folder"); folder.empty()) std::puts("\nin memory alone");
  else std::printf("\nin %s\n", folder.c_str());
  return kOk;
}

}  // namespace outrider::server
