#include "capture/look.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "capture/program.h"

namespace outrider::capture {

namespace {

constexpr milliseconds kPatience{3000};

// `what` in the line, and no digit behind it.
bool has_number(std::string_view line, const std::string& what) {
  for (size_t at = line.find(what); at != line.npos; at = line.find(what, at + 1))
    if (at + what.size() == line.size() || !is_digit(line[at + what.size()])) return true;
  return false;
}

template <class Fits>
bool any_line(const std::string& rules, Fits fits) {
  const auto lines = split(rules, '\n');
  return std::any_of(lines.begin(), lines.end(), fits);
}

}  // namespace

bool redirects_to(const std::string& rules, uint16_t port) {
  const std::string number = std::to_string(port);
  return any_line(rules, [&](std::string_view line) {
    const bool by_tproxy = line.find("tproxy") != line.npos && has_number(line, ":" + number);
    return by_tproxy || has_number(line, "redirect to :" + number) || has_number(line, "--to-ports " + number) ||
           has_number(line, "--to-port " + number) || has_number(line, "--on-port " + number);
  });
}

// Users and groups by their number.
bool leaves_out(const std::string& rules, uint32_t user) {
  const std::string id = std::to_string(user);
  return any_line(rules, [&](std::string_view line) {
    const auto has = [&](const char* text) { return line.find(text) != line.npos; };
    if (has_number(line, "skuid != " + id) || has_number(line, "! --uid-owner " + id)) return true;
    const bool lets_go = has("return") || has("accept") || has("RETURN") || has("ACCEPT");
    return lets_go && (has_number(line, "skuid " + id) || has_number(line, "skuid == " + id) ||
                       has_number(line, "--uid-owner " + id) || has("skgid ") || has("--gid-owner "));
  });
}

Seen look() {
  Seen seen;
  bool any = false;
  for (const auto& [program, words] : {std::pair<const char*, std::vector<std::string>>{"nft", {"--numeric", "list", "ruleset"}},
                                       {"iptables-save", {}},
                                       {"ip6tables-save", {}}})
    if (const Ran ran = run_program(program, words, {}, kPatience)) {
      seen.text += ran.out;
      any = true;
    }
  for (const char* program : {"iptables-legacy-save", "ip6tables-legacy-save"})  // where the machine's iptables is the other kind
    if (const Ran ran = run_program(program, {}, {}, kPatience)) seen.text += ran.out;
  if (!any)
    seen.why =
        geteuid() == 0 ? "neither nft nor iptables-save is installed here" : "only root may read the rules of nft and iptables";
  return seen;
}

}  // namespace outrider::capture
