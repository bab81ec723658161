// The first message of TLS from a stranger: however it comes, a verdict stands and is there in time, and it
// is not whole before the bytes that were said to be needed.

#include <cstdlib>
#include <string>

#include "net/client_hello.h"

namespace {

void must(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::net;
  using State = ClientHello::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string all, part;
  const auto whole = read_client_hello(bytes, all);
  must(whole.state != State::Partial || (whole.needed > size && size < kClientHelloBytes));
  must((whole.state == State::Malformed) == (*whole.why != 0));
  must(whole.server_name.size() <= 255);
  const size_t step = 1 + size / 256;
  for (size_t n = 0, needed = 0; n <= size; n += step) {
    const auto now = read_client_hello(bytes.substr(0, n), part);
    if (now.state == State::Partial) {
      must(now.needed > n && now.needed >= needed);
      needed = now.needed;
      continue;
    }
    must((n >= needed || now.state != State::Whole) && now.state == whole.state && now.server_name == whole.server_name &&
         now.protocols == whole.protocols);
  }
  return 0;
}
