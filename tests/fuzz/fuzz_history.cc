// A version of the configuration, as a file in the history's folder has it.

#include <string>

#include "server/history.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto version = outrider::server::History::parse(text);
  if (!version) return 0;
  // What was understood is written so that it is understood again; a head is tidied once.
  const auto again = outrider::server::History::parse(outrider::server::History::as_file(*version));
  if (!again || again->text != version->text || again->number != version->number) __builtin_trap();
  if (outrider::server::History::as_file(*again) != outrider::server::History::as_file(*version)) __builtin_trap();
  return 0;
}
