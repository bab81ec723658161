// What `outrider capture` reads: lists of ports and networks, what iptables-save says, the kernel's list of connections.

#include <cstdlib>

#include "capture/iptables.h"
#include "capture/validate.h"

namespace {

using namespace outrider;
using namespace outrider::capture;

// What was read is in order, apart, and the same when it is written and read again.
void check_ports(std::string_view text) {
  std::vector<PortRange> ranges, again;
  if (!read_ports(text, ranges).empty()) return;
  std::string written;
  uint32_t before = 0;
  for (const PortRange& range : ranges) {
    if (range.first > range.last || (before && range.first <= before + 1)) std::abort();
    before = range.last;
    written += (written.empty() ? "" : ",") + text_of(range);
  }
  if (!read_ports(written, again).empty() || again != ranges) std::abort();
}

void check_networks(std::string_view text) {
  std::vector<Network> networks, again;
  if (!read_networks(text, networks).empty()) return;
  std::string written;
  for (const Network& network : networks) written += (written.empty() ? "" : ",") + text_of(network);
  if (!read_networks(written, again).empty() || again.size() != networks.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_ports(text);
  check_networks(text);
  (void)lists_connection(text, 15001, 50000);
  (void)iptables_rules(Settings(), Family::V4, text);
  if (!iptables_clear(text).empty() && text.find("OUTRIDER_") == text.npos) std::abort();
  return 0;
}
