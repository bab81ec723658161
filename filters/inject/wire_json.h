#pragma once
// JSON that somebody sends us, as a tree that we can afford.

#include <string_view>

#include "identity/outcome.h"
#include "inject/tree.h"

namespace outrider::filters {

// What a tree may be at most, whatever its text says. A pod has hundreds of values, ten levels deep.
struct WireLimits {
  size_t depth = 64;
  size_t values = 100'000;  // each takes a hundred bytes or more, where its text may have two
};

// One value and nothing behind it: texts stay texts, numbers are as they were written. A key that is there twice is an error,
// since others may have read the other one. Without recursion; the reason says where.
identity::Outcome<inject::Node> read_wire_json(std::string_view text, const WireLimits& limits = {});

}  // namespace outrider::filters
