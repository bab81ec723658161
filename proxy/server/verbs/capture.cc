// capture print, apply, clear, validate: rules that lead the app's connections to the proxy.

#include <cstdio>

#include "base/text.h"
#include "capture/apply.h"
#include "capture/validate.h"
#include "config/values.h"
#include "server/check/fact.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

struct Asked {
  capture::Settings settings;
  capture::Backend backend = capture::Backend::Auto;
  bool json = false;
};

// Empty, or what is wrong with it.
std::string read(const Arguments& arguments, Asked& asked) {
  capture::Words words;
  const auto take = [&](const char* flag, std::string& word) {
    if (arguments.has(flag)) word = arguments.value(flag);
  };
  const auto join = [&](const char* flag, std::string& list) {  // given again is more of it
    for (const std::string& more : arguments.values(flag))
      if (!trim(more).empty()) list += (list.empty() ? "" : ",") + more;
  };
  take("--inbound", words.inbound);
  take("--outbound", words.outbound);
  take("--dns", words.dns);
  take("--uid", words.uid);
  take("--gid", words.gid);
  take("--mode", words.mode);
  join("--skip-inbound", words.skip_inbound);
  join("--skip-outbound", words.skip_outbound);
  join("--skip-inbound-cidrs", words.skip_sources);
  join("--skip-cidrs", words.skip_targets);
  words.ipv6 = !arguments.has("--no-ipv6");
  words.allow_root = arguments.has("--allow-root");
  asked.json = arguments.has("--json");
  if (auto why = capture::read(words, asked.settings); !why.empty()) return why;
  if (!capture::backend_of(arguments.value("--backend", "auto"), asked.backend))
    return "--backend wants auto, nft, iptables, iptables-nft or iptables-legacy, not \"" + arguments.value("--backend") + "\"";
  return {};
}

std::string port(uint16_t number) { return number ? std::to_string(number) : "off"; }

void put(std::string& json, const char* key, std::string_view value) {
  json += json.size() > 1 ? ",\"" : "\"";
  json.append(key).append("\":");
  append_json(json, value);
}

// Exit code of apply and clear.
int tell(const char* verb, const capture::Result& result, bool json, const std::string& done) {
  if (json) {
    std::string text = "{";
    put(text, "result", result.error.empty() ? "ok" : "failed");
    if (result.used != capture::Backend::Auto) put(text, "backend", capture::name_of(result.used));
    if (!result.error.empty()) put(text, "error", result.error);
    std::printf("%s}\n", text.c_str());
  }
  for (const std::string& note : result.notes) std::fprintf(stderr, "outrider %s: %s\n", verb, note.c_str());
  if (!result.error.empty()) return std::fprintf(stderr, "outrider %s: %s\n", verb, result.error.c_str()), kNegative;
  if (!json) std::printf("%s\n", done.c_str());
  return kOk;
}

}  // namespace

int capture_print(const Arguments& arguments) {
  Asked asked;
  if (const auto why = read(arguments, asked); !why.empty()) return usage_error("capture print", why);
  const std::string rules = capture::rules_text(asked.settings, asked.backend);
  if (!asked.json) return std::fputs(rules.c_str(), stdout), kOk;
  std::string text = "{";
  put(text, "rules", rules);
  std::printf("%s}\n", text.c_str());
  return kOk;
}

int capture_apply(const Arguments& arguments) {
  Asked asked;
  if (const auto why = read(arguments, asked); !why.empty()) return usage_error("capture apply", why);
  const auto result = capture::apply(asked.settings, asked.backend);
  const capture::Settings& s = asked.settings;
  return tell("capture apply", result, asked.json,
              std::string("captured by ") + capture::name_of(result.used) + ": inbound " + port(s.inbound) +
                  (s.inbound && s.mode == capture::Mode::Tproxy ? " (tproxy)" : "") + ", outbound " + port(s.outbound) +
                  ", dns " + port(s.dns) + "; user " + std::to_string(s.uid) + " and group " + std::to_string(s.gid) +
                  " are left out");
}

int capture_clear(const Arguments& arguments) {
  return tell("capture clear", capture::clear(), arguments.has("--json"), "nothing is captured");
}

int capture_validate(const Arguments& arguments) {
  Asked asked;
  if (const auto why = read(arguments, asked); !why.empty()) return usage_error("capture validate", why);
  milliseconds timeout{5000};
  if (arguments.has("--timeout")) {
    const auto given = config::duration_of(arguments.value("--timeout"));
    if (!given || given->count() <= 0) return usage_error("capture validate", "--timeout wants a duration: 5s, 500ms");
    timeout = std::chrono::ceil<milliseconds>(*given);
  }
  const auto findings = capture::validate(asked.settings, timeout);
  const bool good = capture::in_force(findings);
  std::vector<Fact> facts;
  for (const capture::Finding& one : findings) {
    using State = capture::Finding::State;
    facts.push_back({one.state == State::Proven   ? Fact::State::Fine
                     : one.state == State::Failed ? Fact::State::Wrong
                                                  : Fact::State::Skipped,
                     one.name, one.text, one.fix});
  }
  if (!good && !any_wrong(facts))
    facts.push_back(wrong("capture", "nothing could be looked at, and so nothing is proven",
                          "a network with a route (the pod's, and not a container's without one)"));
  std::fputs((asked.json ? json_of(facts) : text_of(facts, false)).c_str(), stdout);
  return good ? kOk : kNegative;
}

}  // namespace outrider::server
