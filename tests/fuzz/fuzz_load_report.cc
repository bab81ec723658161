// What an endpoint says of its load. First byte % 3: as text, JSON or a message. Whatever it is, numbers that come of it are
// finite and not negative, or not there.

#include <cmath>
#include <cstdlib>

#include "upstream/load_report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::upstream;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const LoadReport report = data[0] % 3 == 0   ? parse_load_text(bytes)
                            : data[0] % 3 == 1 ? parse_load_json(bytes)
                                               : parse_load_message(bytes);
  for (const float number : {report.utilization, report.rps, report.in_flight, report.slots})
    if (!std::isfinite(number) || (number < 0 && number != -1)) std::abort();
  return 0;
}
