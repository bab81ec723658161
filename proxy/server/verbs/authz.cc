// authz: may one service ask another for something?

#include "server/authz.h"

#include <rapidjson/document.h>

#include <cstdio>

#include "admin/pages.h"
#include "server/admin_client.h"
#include "server/ask_either.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr const char* kVerb = "authz";

std::optional<std::string> look_up(const config::Document& document, const admin::AuthorizationQuestion& question,
                                   std::string& error) {
  const auto view = judge(document, question);
  error = view.error;
  return error.empty() ? std::optional(admin::authorization_json(view)) : std::nullopt;
}

}  // namespace

int show_authorization(const Arguments& arguments) {
  const auto& words = arguments.words();
  if (words.size() != 2 && words.size() != 4) return usage_error(kVerb, "FROM and TO, and then METHOD and PATH or neither");
  const bool http = words.size() == 4;
  const admin::AuthorizationQuestion question{words[0], words[1], http ? words[2] : "", http ? words[3] : ""};
  const std::string page = "/authz?from=" + escaped(question.from) + "&to=" + escaped(question.to) +
                           "&method=" + escaped(question.method) + "&path=" + escaped(question.path);
  std::string error;
  const auto answer = ask_either(
      arguments, page, [&](const config::Document& document) { return look_up(document, question, error); }, error);
  if (!answer) return std::fprintf(stderr, "outrider authz: %s\n", error.c_str()), kUsage;
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(answer->c_str());
  if (json.HasParseError() || !json.IsObject() || !json.HasMember("verdict"))
    return std::fprintf(stderr, "outrider authz: the answer is not what this version reads\n"), kUsage;
  const std::string verdict = json["verdict"].GetString(), file = json["file"].GetString();
  if (arguments.has("--json")) {
    std::fputs(answer->c_str(), stdout);
  } else {
    const std::string at = json["line"].GetUint() ? " (" + file + ":" + std::to_string(json["line"].GetUint()) + ")" : "";
    const bool shadow = std::string_view(json["mode"].GetString()) == "shadow" && verdict == "denied";
    std::printf("%s by %s%s%s\n", verdict.c_str(), json["rule"].GetString(), at.c_str(),
                shadow ? "; let through all the same: authorization.mode is shadow" : "");
  }
  return verdict == "allowed" ? kOk : kNegative;
}

}  // namespace outrider::server
