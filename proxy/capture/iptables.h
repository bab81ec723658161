#pragma once
// The rules as iptables-restore and ip6tables-restore read them, for kernels and machines without nft.

#include <string>
#include <string_view>

#include "capture/settings.h"

namespace outrider::capture {

enum class Family : uint8_t { V4, V6 };

// For `--noflush`. `saved`: what iptables-save says now; rules of ours in there are replaced, those of others stay as they are.
std::string iptables_rules(const Settings& settings, Family family, std::string_view saved = {});
std::string iptables_clear(std::string_view saved);  // empty: there is nothing of ours
bool has_ours(std::string_view saved);

}  // namespace outrider::capture
