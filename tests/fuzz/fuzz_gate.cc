// Datagrams of members of the mesh, on their way to OpenDHT: each begins with its length, two bytes. Whatever is let
// through is let through by a gate that sees it alone, and is no longer than its parts.

#include "discovery/dht/gate.h"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace outrider;
using discovery::Gate;
using discovery::RecordVerdict;

const net::Address kFrom = net::Address::loopback(4222);

void must(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Gate gate;
  TimePoint now{};
  size_t sum = 0;
  for (size_t at = 0; at + 2 <= size; now += seconds(1)) {
    const size_t length = std::min(size_t(data[at] << 8 | data[at + 1]), size - at - 2);
    const std::string packet(reinterpret_cast<const char*>(data + at + 2), length);
    at += 2 + length;
    sum += length + 64;
    const auto admitted = gate.admit(packet, kFrom, now);
    must(admitted.verdict == RecordVerdict::Ok || admitted.bytes.empty());
    if (admitted.bytes.empty()) continue;
    must(admitted.bytes.size() <= sum);
    const std::string passed(admitted.bytes);
    Gate other;
    const auto again = other.admit(passed, kFrom, now);
    must(again.verdict == RecordVerdict::Ok && again.bytes == passed);
  }
  return 0;
}
