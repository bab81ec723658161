#include "http/codec.h"

#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "http/raw_codec.h"

namespace outrider::http {

std::unique_ptr<Codec> make_codec(Wire wire, Role role, CodecEvents& events, BlockPool& pool, const CodecLimits& limits) {
  switch (wire) {
    case Wire::Http1:
      if (role == Role::Server) return std::make_unique<H1Server>(events, pool, limits);
      return std::make_unique<H1Client>(events, pool, limits);
    case Wire::Raw: return std::make_unique<RawCodec>(role, events, pool, limits);
    case Wire::Http2: return std::make_unique<H2Codec>(role, events, pool, limits);
  }
  return nullptr;
}

}  // namespace outrider::http
