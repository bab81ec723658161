// The verbs inject and uninject.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "admin/json.h"
#include "inject/json.h"
#include "inject/stream.h"
#include "server/injection.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr size_t kMaxManifests = 64 << 20;

// "-" is standard input. Empty: read. Otherwise why not.
std::string read_all(const std::string& path, std::string& text) {
  const int fd = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  std::string why;
  char part[65536];
  while (why.empty()) {
    const ssize_t n = read(fd, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) why = std::strerror(errno);
    if (n <= 0) break;
    text.append(part, size_t(n));
    if (text.size() > kMaxManifests) why = "larger than 64 MiB";
  }
  close(fd);
  return why;
}

bool write_all(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

const char* word_of(const inject::Report& report, bool injecting) {
  switch (report.plan.verdict) {
    case inject::Plan::Verdict::Change: return injecting ? "injected" : report.exact ? "restored" : "removed by names";
    case inject::Plan::Verdict::Already: return injecting ? "injected before" : "nothing to take out";
    case inject::Plan::Verdict::Skipped: return "skipped";
    case inject::Plan::Verdict::Refused: return "refused";
    case inject::Plan::Verdict::Foreign: break;
  }
  return "left as it is";
}

void print_lines(const std::string& file, const std::vector<inject::Report>& reports, bool injecting) {
  for (const inject::Report& each : reports) {
    if (each.plan.verdict == inject::Plan::Verdict::Foreign) continue;
    std::string reason = each.plan.reason;
    if (each.plan.verdict == inject::Plan::Verdict::Change && !each.exact) reason = "the text was edited since it was injected";
    std::fprintf(stderr, "%s:%zu: %s: %s%s%s\n", file.c_str(), each.line, each.name.c_str(), word_of(each, injecting),
                 reason.empty() ? "" : ": ", reason.c_str());
    for (const std::string& warning : each.plan.warnings)
      std::fprintf(stderr, "%s:%zu: %s: warning: %s\n", file.c_str(), each.line, each.name.c_str(), warning.c_str());
  }
}

// What the plan adds of a container's resources: "10m CPU and 32Mi".
const inject::Node* proxy_in(const inject::Node& value) {
  if (value.text_of("name") == "outrider-proxy") return &value;
  for (const inject::Node& item : value.items())
    if (const inject::Node* found = proxy_in(item)) return found;
  return nullptr;
}

void print_costs(const std::vector<inject::Report>& reports) {
  bool hint = false;
  for (const inject::Report& each : reports) {
    const inject::Node* proxy = nullptr;
    for (const inject::Operation& operation : each.plan.operations)
      if (!proxy) proxy = proxy_in(operation.value);
    if (!proxy) continue;
    const inject::Node *requests = proxy->find({"resources", "requests"}), *limits = proxy->find({"resources", "limits"});
    const inject::Node* const replicas = each.object.find({"spec", "replicas"});
    std::fprintf(stderr, "%s: each pod%s%s asks for %s CPU and %s of memory more, and may have %s of memory%s%s\n",
                 each.name.c_str(), replicas ? " of " : "", replicas ? replicas->text().c_str() : "",
                 requests->text_of("cpu").c_str(), requests->text_of("memory").c_str(), limits->text_of("memory").c_str(),
                 limits->find("cpu") ? " and CPU " : "", limits->text_of("cpu").c_str());
    hint = true;
  }
  if (hint)
    std::fputs(
        "An autoscaler that goes by `Resource` counts the sidecar, too. By the app alone, with its container's name:\n"
        "  metrics:\n"
        "  - type: ContainerResource\n"
        "    containerResource: {name: cpu, container: APP, target: {type: Utilization, averageUtilization: 70}}\n",
        stderr);
}

void print_report(const std::vector<inject::Report>& reports, bool injecting) {
  admin::Json json;
  json.object().key("objects").array();
  for (const inject::Report& each : reports) {
    json.object().field("name", each.name).field("line", each.line).field("result", word_of(each, injecting));
    if (!each.plan.reason.empty()) json.field("reason", each.plan.reason);
    json.key("warnings").array();
    for (const std::string& warning : each.plan.warnings) json.value(warning);
    json.close();
    // As a text: it goes as it is into `kubectl patch --type json`.
    if (each.exact && !each.plan.operations.empty()) json.field("patch", inject::patch_json(each.plan.operations));
    json.close();
  }
  json.close().close();
  std::fputs(json.take().c_str(), stderr);
}

int transform(const Arguments& arguments, const char* verb, bool injecting) {
  std::string error, text;
  const std::string file = arguments.value("--file");
  if (file.empty()) return usage_error(verb, "which manifests? (-f FILE, or -f - for standard input)");
  inject::Settings settings;
  if (injecting) settings = injection_settings(arguments, error);
  if (!error.empty()) return usage_error(verb, error);
  if (const std::string why = read_all(file, text); !why.empty())
    return std::fprintf(stderr, "outrider %s: %s cannot be read: %s\n", verb, file.c_str(), why.c_str()), kUsage;
  const auto done = injecting ? inject::inject_stream(text, settings) : inject::uninject_stream(text);
  const std::string name = file == "-" ? "stdin" : file;
  if (!done.error.empty()) return std::fprintf(stderr, "outrider %s: %s: %s\n", verb, name.c_str(), done.error.c_str()), kUsage;
  if (!write_all(done.text))
    return std::fprintf(stderr, "outrider %s: cannot be written: %s\n", verb, std::strerror(errno)), kUsage;
  if (arguments.has("--json")) print_report(done.reports, injecting);
  else print_lines(name, done.reports, injecting);
  if (arguments.has("--report")) print_costs(done.reports);
  const auto any = [&](inject::Plan::Verdict verdict) {
    return std::any_of(done.reports.begin(), done.reports.end(), [&](const auto& each) { return each.plan.verdict == verdict; });
  };
  if (any(inject::Plan::Verdict::Refused)) return kNegative;
  if (any(inject::Plan::Verdict::Change) || any(inject::Plan::Verdict::Already) || !injecting) return kOk;
  std::fprintf(stderr, "outrider %s: %s: nothing to inject: no workload in it that wants it\n", verb, name.c_str());
  return kUsage;
}

}  // namespace

int run_inject(const Arguments& arguments) { return transform(arguments, "inject", true); }

int run_uninject(const Arguments& arguments) { return transform(arguments, "uninject", false); }

}  // namespace outrider::server
