#pragma once
// Connections that are passed on to the address they were meant for, and why some are not.

#include <string_view>

namespace outrider::exchange {

inline constexpr char kNotRedirected[] = "not_redirected", kOwnListener[] = "own_listener", kOwnConnection[] = "own_connection",
                      kVirtualAddress[] = "virtual_address";

// For people: what is wrong, and what helps.
const char* meaning_of(std::string_view why);

}  // namespace outrider::exchange
