// Which trace a request says it is of. First byte % 4: a traceparent, a tracestate, b3, or the fields X-B3-*, which lines part.
// What is read has ids that are not 0, and is the same when it is written and read again.

#include <array>
#include <cstdlib>

#include "base/text.h"
#include "http/trace_context.h"

namespace {

using namespace outrider;
using namespace outrider::http;

void expect(bool so) {
  if (!so) std::abort();
}

void check(const std::optional<TraceContext>& read, bool w3c) {
  if (!read) return;
  if (!*read) return expect(!w3c && read->span == 0 && read->sampled != TraceContext::Sampled::Undecided);
  expect(read->span != 0);
  Arena arena;
  TraceContext plain = *read;
  if (w3c) return expect(parse_traceparent(write_traceparent(plain, arena)) == plain);
  expect(parse_b3(write_b3(plain, arena)) == plain);
  expect(write_trace_id(plain, arena) == write_b3(plain, arena).substr(0, 32));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: check(parse_traceparent(text), true); break;
    case 1:
      if (is_tracestate(text)) {
        Arena arena;
        HeaderMap headers(arena);
        headers.add("tracestate", text);
        headers.add("tracestate", "a=1");
        expect(read_tracestate(headers).empty() || read_tracestate(headers).size() == text.size() + 4);
      }
      break;
    case 2: check(parse_b3(text), false); break;
    case 3: {
      std::array<std::string_view, 4> fields;
      for (auto& field : fields) field = next_part(text, '\n');
      check(parse_b3_fields(fields[0], fields[1], fields[2], fields[3]), false);
      break;
    }
  }
  return 0;
}
