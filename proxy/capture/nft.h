#pragma once
// The rules as nft reads them: one table for both families, in one transaction.

#include <string>

#include "capture/settings.h"

namespace outrider::capture {

inline constexpr const char* kNftTable = "inet outrider";

// Takes the place of whatever the table was before, or fails and leaves it.
std::string nft_rules(const Settings& settings);
std::string nft_clear();  // whether it is there or not

}  // namespace outrider::capture
