#pragma once
// HTTP/2 header blocks to heads and back (RFC 9113 8.2, 8.3). What a block itself breaks of the rules of HPACK and of
// pseudo-fields nghttp2 has refused before; here is what a message means, and what other wires must never be given.

#include <nghttp2/nghttp2.h>

#include <span>
#include <vector>

#include "http/codec.h"
#include "http/grammar.h"

namespace outrider::http {

// Blocks of one connection come one at a time: one reader a codec. Fields past a refusal are counted and dropped.
class H2HeadReader {
 public:
  void request(RequestHead& head, const CodecLimits& limits);
  void response(ResponseHead& head, const CodecLimits& limits);
  void trailers(HeaderMap& fields, const CodecLimits& limits);
  void nobody(const CodecLimits& limits);    // the block must be read all the same
  void arriving(bool first, uint32_t size);  // of a frame that a block is in
  uint64_t decoded() const { return bytes_; }
  // False: far above every limit, and not worth reading to its end.
  bool field(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  Refusal finish();

 private:
  void begin(const CodecLimits& limits);
  void pseudo(std::string_view name, std::string_view value);
  void regular(std::string_view name, std::string_view value);
  Refusal finish_request();
  RequestHead* request_ = nullptr;
  ResponseHead* response_ = nullptr;
  HeaderMap* fields_ = nullptr;       // null: dropped
  uint64_t bytes_ = 0, arrived_ = 0;  // of the block: decoded, and as it came
  uint32_t count_ = 0, max_bytes_ = 0, max_count_ = 0;
  bool is_trailers_ = false, has_authority_ = false, crumbs_ = false;
  Refusal bad_;
};

// Blocks to write; views of the head and of `own`, in the order they go out.
using H2Block = std::vector<nghttp2_nv>;
// `encrypted`: over TLS, where some servers refuse another scheme.
void write_h2_request(H2Block& block, const RequestHead& head, std::span<const Field> own, bool end, bool encrypted);
void write_h2_response(H2Block& block, const ResponseHead& head, bool end, bool to_head, bool to_connect);
void write_h2_trailers(H2Block& block, const HeaderMap& trailers);

}  // namespace outrider::http
