// config diff OLD NEW: what another configuration does to traffic.

#include <cstdio>
#include <map>

#include "admin/json.h"
#include "config/diff.h"
#include "server/admin_client.h"
#include "server/running_config.h"
#include "server/sources.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr const char* kVerb = "config diff";
constexpr const char* kRunning = "running";

int failed(const std::string& why) { return std::fprintf(stderr, "outrider %s: %s\n", kVerb, why.c_str()), kUsage; }

std::optional<RunningConfig> ask_running(const Arguments& arguments, const config::Sources& base, std::string& error) {
  const std::string admin = admin_address(arguments.value("--admin"));
  const auto answer = ask_admin(admin, "/config", error);
  if (!answer) return {};
  if (answer->status != 200) return error = answer->body.substr(0, answer->body.find('\n')), std::nullopt;
  return running_config(answer->body, base);
}

// What is merely odd about the old one was said when it came.
std::optional<config::Document> read_or_say(const config::Sources& sources, bool warnings) {
  auto outcome = config::load(sources);
  if (!warnings) std::erase_if(outcome.complaints, [](const auto& each) { return each.severity == config::Severity::Warning; });
  std::fputs(config::print(outcome.complaints).c_str(), stderr);
  return std::move(outcome.document);
}

std::string json_of(const std::vector<config::Difference>& found) {
  admin::Json json;
  json.object().key("differences").array();
  for (const auto& each : found)
    json.object(admin::Json::Shape::OneLine)
        .field("severity", config::name_of(each.severity))
        .field("kind", config::name_of(each.kind))
        .field("path", each.path)
        .field("sentence", each.sentence)
        .close();
  json.close().close();
  return json.take();
}

void print(const std::vector<config::Difference>& found) {
  std::map<config::Difference::Severity, size_t> counts;
  for (const auto& each : found) {
    std::printf("%-8s %s\n", config::name_of(each.severity), each.sentence.c_str());
    ++counts[each.severity];
  }
  std::string summary;
  for (const auto& [severity, count] : counts)
    summary += (summary.empty() ? "" : ", ") + std::to_string(count) + " " + config::name_of(severity);
  std::printf("\n%zu difference%s in effect: %s\n", found.size(), found.size() == 1 ? "" : "s", summary.c_str());
}

}  // namespace

int config_diff(const Arguments& arguments) {
  std::vector<std::string> words = arguments.words();
  if (words.empty()) return usage_error(kVerb, "which files? OLD NEW, or NEW alone, which is compared with the running proxy");
  if (words.size() == 1) words.insert(words.begin(), kRunning);
  if (words[0] == words[1]) return usage_error(kVerb, "\"" + words[0] + "\" twice: there is nothing to compare");
  std::string error;
  const config::Sources base = sources_of(arguments, error, Plain::NoFile);
  if (!error.empty()) return usage_error(kVerb, error);
  std::optional<RunningConfig> running;
  for (const std::string& word : words)
    if (word == kRunning && !(running = ask_running(arguments, base, error))) return failed(error);
  std::vector<config::Document> both;
  for (const std::string& word : words) {
    config::Sources sources = base;
    sources.file = word;
    if (word == kRunning) sources = running->sources;
    else if (running) running->add_to(sources);
    auto document = read_or_say(sources, !both.empty());
    if (!document && word == kRunning)
      return failed("what is running cannot be read here: give this command the variables that it was started with");
    if (!document) return kUsage;
    both.push_back(std::move(*document));
  }
  const auto found = config::diff(both[0], both[1]);
  if (arguments.has("--json")) std::fputs(json_of(found).c_str(), stdout);
  else if (found.empty()) std::puts("no difference in effect");
  else print(found);
  return found.empty() ? kOk : kNegative;
}

}  // namespace outrider::server
