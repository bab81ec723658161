// A header of PROXY protocol: however it comes, a verdict stands and is there in time, what is whole has its bounds, and what is
// told survives being told on.

#include <algorithm>
#include <cstdlib>
#include <string>

#include "wire/proxy_protocol.h"

namespace {

void must(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::wire;
  using State = ProxyHeader::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ProxyHeader whole = read_proxy_header(bytes);
  must(whole.state != State::Partial || size < kProxyHeaderBytes);
  must((whole.state == State::Malformed) == (*whole.why != 0));
  must((whole.state == State::Whole) == (*whole.kind != 0));
  must(whole.size <= std::min(size, kProxyHeaderBytes));
  must(whole.told.source.valid() == whole.told.destination.valid());
  const size_t step = 1 + size / 256;
  for (size_t n = 0; n <= size; n += step) {
    const ProxyHeader now = read_proxy_header(bytes.substr(0, n));
    if (now.state == State::Partial) continue;
    must(now.state == whole.state && now.size == whole.size && now.told.source == whole.told.source);
    must(now.state != State::Whole || n >= now.size);
  }
  if (whole.state != State::Whole || !whole.told.source.valid()) return 0;
  for (const auto version : {ProxyProtocol::V1, ProxyProtocol::V2}) {
    const std::string again = write_proxy_header(version, &whole.told);
    const ProxyHeader back = read_proxy_header(again);
    must(back.state == State::Whole && back.size == again.size());
    must(back.told.source.ip() == whole.told.source.ip() && back.told.source.port() == whole.told.source.port());
    must(back.told.destination.ip() == whole.told.destination.ip());
    if (version == ProxyProtocol::V2)
      must(back.told.server_name == whole.told.server_name && back.told.encrypted == whole.told.encrypted);
  }
  return 0;
}
