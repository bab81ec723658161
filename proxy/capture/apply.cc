#include "capture/apply.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "capture/iptables.h"
#include "capture/nft.h"
#include "capture/program.h"
#include "capture/routes.h"

namespace outrider::capture {

namespace {

constexpr Backend kIptables[] = {Backend::Iptables, Backend::IptablesNft, Backend::IptablesLegacy};
constexpr const char* kNotPermitted =
    "this process may not change rules: it takes CAP_NET_ADMIN, and CAP_NET_RAW for iptables (as root; Kubernetes: "
    "securityContext.capabilities.add: [NET_ADMIN, NET_RAW] of the init container; docker run --cap-add NET_ADMIN)";

// "iptables-legacy" is ip6tables-legacy for IPv6, with "-save" and "-restore" behind.
std::string program_of(Backend backend, Family family, const char* what) {
  const std::string kind = backend == Backend::IptablesNft ? "-nft" : backend == Backend::IptablesLegacy ? "-legacy" : "";
  return (family == Family::V4 ? "iptables" : "ip6tables") + kind + what;
}

bool refused(const Ran& ran) {
  return ran.err.find("not permitted") != ran.err.npos || ran.err.find("ermission denied") != ran.err.npos ||
         ran.err.find("must be root") != ran.err.npos;
}

// Why, and who may. The legacy kind reads a file of the kernel that is root's, whatever else one may.
std::string not_permitted(const Ran& ran) {
  if (ran.err.find("ip_tables_names") != ran.err.npos || ran.err.find("ip6_tables_names") != ran.err.npos)
    return "iptables of the legacy kind takes user 0 (runAsUser: 0), with CAP_NET_ADMIN and CAP_NET_RAW; nft does not";
  return kNotPermitted;
}

// What a program said, in one line.
std::string complaint(std::string_view program, const Ran& ran) {
  if (!ran.found) return std::string(program) + " is not installed";
  std::string text;
  for (const std::string_view line : split(ran.err.empty() ? ran.out : ran.err, '\n'))
    if (!line.empty() && text.size() < 300) text.append(text.empty() ? "" : "; ").append(line);
  return std::string(program) + ": " + (text.empty() ? "ended with " + std::to_string(ran.code) : text);
}

struct Families {
  explicit Families(bool ipv6) : both{Family::V4, Family::V6}, count(ipv6 ? 2 : 1) {}
  const Family* begin() const { return both; }
  const Family* end() const { return both + count; }
  Family both[2];
  int count;
};

// Empty, or why not. `missing`: another program may be able to.
std::string apply_by_nft(const Settings& settings, bool& missing) {
  const Ran ran = run_program("nft", {"-f", "-"}, nft_rules(settings));
  if (ran) return {};
  missing = !refused(ran);
  return refused(ran) ? not_permitted(ran) + ": " + complaint("nft", ran) : complaint("nft", ran);
}

void clear_iptables(Backend backend, Family family) {
  const Ran saved = run_program(program_of(backend, family, "-save"), {});
  if (saved && has_ours(saved.out))
    run_program(program_of(backend, family, "-restore"), {"--noflush"}, iptables_clear(saved.out));
}

void clear_iptables(Backend backend) {
  for (const Family family : Families(true)) clear_iptables(backend, family);
}

std::string apply_by_iptables(const Settings& settings, Backend backend, bool& missing) {
  for (const Family family : Families(settings.ipv6 && kernel_has_ipv6())) {
    const std::string restore = program_of(backend, family, "-restore");
    const Ran saved = run_program(program_of(backend, family, "-save"), {});
    const Ran ran = saved ? run_program(restore, {"--noflush"}, iptables_rules(settings, family, saved.out)) : saved;
    if (ran) continue;
    missing = !refused(ran);
    std::string why = complaint(restore, ran);
    if (refused(ran)) why = not_permitted(ran) + ": " + why;
    if (family == Family::V6) {
      clear_iptables(backend);  // half a capture is none
      why += " (--no-ipv6 leaves IPv6 alone)";
    }
    return why;
  }
  if (!settings.ipv6) clear_iptables(backend, Family::V6);
  return {};
}

std::string apply_by(const Settings& settings, Backend backend, bool& missing) {
  return backend == Backend::Nft ? apply_by_nft(settings, missing) : apply_by_iptables(settings, backend, missing);
}

bool is_there(Backend backend) {
  return !find_program(backend == Backend::Nft ? "nft" : program_of(backend, Family::V4, "-restore")).empty();
}

void clear_nft() {
  if (run_program("nft", {"list", "table", "inet", "outrider"})) run_program("nft", {"-f", "-"}, nft_clear());
}

// Of the others: two sets of rules would both be in force. What the machine calls iptables is one of the other two.
void clear_all_but(Backend used) {
  if (used != Backend::Nft) clear_nft();
  const bool by_iptables = used != Backend::Nft && used != Backend::Auto;
  for (const Backend one : {Backend::IptablesNft, Backend::IptablesLegacy}) {
    if (one == used) continue;
    if (by_iptables && used == Backend::Iptables) {
      const std::string kind = run_program("iptables", {"--version"}).out;
      if ((kind.find("nf_tables") != kind.npos) == (one == Backend::IptablesNft)) continue;
    }
    clear_iptables(one);
  }
  const bool named = is_there(Backend::IptablesNft) || is_there(Backend::IptablesLegacy);
  if (!by_iptables && !named) clear_iptables(Backend::Iptables);
}

}  // namespace

const char* name_of(Backend backend) {
  switch (backend) {
    case Backend::Nft: return "nft";
    case Backend::Iptables: return "iptables";
    case Backend::IptablesNft: return "iptables-nft";
    case Backend::IptablesLegacy: return "iptables-legacy";
    case Backend::Auto: break;
  }
  return "auto";
}

bool backend_of(std::string_view text, Backend& backend) {
  for (const Backend one : {Backend::Auto, Backend::Nft, Backend::Iptables, Backend::IptablesNft, Backend::IptablesLegacy})
    if (text == name_of(one)) return backend = one, true;
  return false;
}

bool kernel_has_ipv6() { return ::access("/proc/net/if_inet6", F_OK) == 0; }

std::string rules_text(const Settings& settings, Backend backend) {
  if (backend == Backend::Auto)
    backend = is_there(Backend::Nft) || !is_there(Backend::Iptables) ? Backend::Nft : Backend::Iptables;
  std::string text;
  if (backend == Backend::Nft) {
    text = "# nft -f -\n" + nft_rules(settings);
  } else {
    for (const Family family : Families(settings.ipv6))
      text += "# " + program_of(backend, family, "-restore") + " --noflush\n" + iptables_rules(settings, family);
  }
  if (settings.inbound && settings.mode == Mode::Tproxy) text += "# routes\n" + routes_text(settings.ipv6);
  return text;
}

Result apply(const Settings& settings, Backend backend) {
  Result result;
  take_up_rights();
  for (const Backend one : {Backend::Nft, Backend::Iptables, Backend::IptablesLegacy, Backend::IptablesNft}) {
    if (backend != Backend::Auto && backend != one) continue;
    bool missing = false;
    const std::string why = apply_by(settings, one, missing);
    if (why.empty()) {
      result.used = one;
      break;
    }
    result.notes.push_back(why);
    if (!missing) break;
  }
  if (result.used == Backend::Auto) {
    for (const std::string& note : result.notes) result.error += (result.error.empty() ? "" : "; ") + note;
    result.notes.clear();
    return result;
  }
  clear_all_but(result.used);
  result.error =
      settings.inbound && settings.mode == Mode::Tproxy ? set_routes(settings.ipv6 && kernel_has_ipv6()) : clear_routes();
  if (!result.error.empty()) clear();
  return result;
}

Result clear() {
  Result result;
  if (!take_up_rights()) {
    result.error = kNotPermitted;
    return result;
  }
  clear_all_but(Backend::Auto);
  result.error = clear_routes();
  if (const Ran left = run_program("nft", {"list", "table", "inet", "outrider"})) result.error = "nft's table is still there";
  for (const Backend one : kIptables)
    for (const Family family : Families(true))
      if (has_ours(run_program(program_of(one, family, "-save"), {}).out))
        result.error = "rules of " + program_of(one, family, "") + " are still there";
  return result;
}

}  // namespace outrider::capture
