#pragma once
// The one table of filters.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "filter/filter.h"

namespace outrider::filters {

std::span<const filter::Entry> all();
const filter::Entry* find(std::string_view name);  // null: there is none
std::vector<std::string_view> names();

// Whether a filter takes these options; if not, where below them and why. config::Sources has a place for it.
bool check(std::string_view name, const config::Node& options, std::string& path, std::string& message);

}  // namespace outrider::filters
