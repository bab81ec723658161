// Base64 of gRPC-Web: however a text is cut, the same is made of it; and bytes come back from theirs.

#include <cstdlib>

#include "filters/grpc_web/base64.h"

namespace {

using namespace outrider;

// In pieces of `step`; empty-handed where it is none.
bool read(BlockPool& pool, std::string_view text, size_t step, std::string& bytes) {
  filters::Base64Decoder decoder;
  for (size_t at = 0; at < text.size(); at += step) {
    Buffer piece(pool);
    piece.append(text.substr(at, step));
    if (!decoder.decode(piece)) return false;
    bytes += piece.text();
  }
  return decoder.whole();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  BlockPool pool;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string whole, cut, back;
  const bool good = read(pool, input, input.size() + 1, whole);
  if (read(pool, input, 1 + data[0] % 7, cut) != good || (good && cut != whole)) std::abort();
  Buffer bytes(pool);
  bytes.append(input);
  const std::string text = filters::encode_base64(bytes).text();
  if (!read(pool, text, 1 + data[0] % 7, back) || back != input) std::abort();
  return 0;
}
