#pragma once
// The two clocks, by name. Only net::Loop reads the steady one; see ARCHITECTURE: time is read once a turn.

#include <chrono>
#include <cstdint>

namespace outrider {

using std::chrono::milliseconds;
using std::chrono::seconds;
using TimePoint = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

inline int64_t to_ms(WallTime at) { return std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count(); }
inline WallTime from_ms(int64_t ms) { return WallTime(milliseconds(ms)); }

}  // namespace outrider
