#pragma once
// Codecs of HTTP/1 servers that serve nobody just now: a connection has one only while there is something to read or to
// answer.

#include <memory>
#include <vector>

#include "http/codec.h"

namespace outrider::http {

// Owned by a worker, whose blocks it uses; one thread.
class VacantCodecs {
 public:
  explicit VacantCodecs(BlockPool& pool) : pool_(pool) {}
  // `last`: the id of the connection's last stream; those to come are counted on from there.
  std::unique_ptr<Codec> take(CodecEvents& owner, const CodecLimits& limits, StreamId last);
  void keep(std::unique_ptr<Codec> codec);

 private:
  BlockPool& pool_;
  std::vector<std::unique_ptr<Codec>> free_;  // the last one kept is taken first: it is still in the cache
};

}  // namespace outrider::http
