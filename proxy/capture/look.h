#pragma once
// What rules the kernel has now, whoever set them, and what they do.

#include <cstdint>
#include <string>

namespace outrider::capture {

struct Seen {
  std::string text;  // of nft and iptables
  std::string why;   // they cannot be read; `text` is empty
};
Seen look();

bool redirects_to(const std::string& rules, uint16_t port);
bool leaves_out(const std::string& rules, uint32_t user);

}  // namespace outrider::capture
