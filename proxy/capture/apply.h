#pragma once
// Rules into the kernel and out of it, by whichever program there is.

#include <string>
#include <string_view>
#include <vector>

#include "capture/settings.h"

namespace outrider::capture {

// Auto: nft, and where that is missing or the kernel has no part for it, iptables. Iptables is what the machine calls so.
enum class Backend : uint8_t { Auto, Nft, Iptables, IptablesNft, IptablesLegacy };
const char* name_of(Backend backend);
bool backend_of(std::string_view text, Backend& backend);  // false: there is no such

struct Result {
  Backend used = Backend::Auto;    // Auto: none
  std::string error;               // empty: done. What to do about it is said, too
  std::vector<std::string> notes;  // what was tried before, or left out
};

// What apply() would load, and how: for people, and for whoever wants to load it himself.
std::string rules_text(const Settings& settings, Backend backend);

// The rules of these settings and no others of ours, by whatever program those were set; twice is the same as once. Where it
// fails there is nothing new in force.
Result apply(const Settings& settings, Backend backend);
// None of ours, of any program.
Result clear();

bool kernel_has_ipv6();

}  // namespace outrider::capture
