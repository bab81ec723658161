// What one process says to the one that takes its place: whatever it is, it is read or refused, and what was read says the same
// when it is written again.

#include <cstdlib>

#include "server/handover.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::server;
  const auto read = read_handed({reinterpret_cast<const char*>(data), size});
  if (!read) return 0;
  const auto again = read_handed(write_handed(*read));
  const bool long_one = read->name.size() > 4096 || read->text.size() > 8192;  // cut when written
  if (!again || again->kind != read->kind || again->number != read->number || again->more != read->more) std::abort();
  if (!long_one && (again->name != read->name || again->text != read->text)) std::abort();
  (void)key_of_socket(read->name, read->text);
  return 0;
}
