#include "http/vacant_codecs.h"

namespace outrider::http {

namespace {
constexpr size_t kKept = 1024;
}  // namespace

std::unique_ptr<Codec> VacantCodecs::take(CodecEvents& owner, const CodecLimits& limits, StreamId last) {
  if (free_.empty()) free_.push_back(make_codec(Wire::Http1, Role::Server, owner, pool_, limits));
  auto codec = std::move(free_.back());
  free_.pop_back();
  codec->serve(owner, limits, last);
  return codec;
}

void VacantCodecs::keep(std::unique_ptr<Codec> codec) {
  if (free_.size() < kKept) free_.push_back(std::move(codec));
}

}  // namespace outrider::http
