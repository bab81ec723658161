#pragma once
// llhttp, always strict, given whole blocks that HeadScan has passed: one message at a time, no callback left over.

#include <llhttp.h>

#include "http/grammar.h"

namespace outrider::http {

// What frames a message and what its connection is told, read from its fields.
struct Framing {
  enum class Kind : uint8_t { None, Length, Chunked, UntilClose };
  Kind kind = Kind::None;
  uint64_t length = 0;
  bool keep_alive = false;
};

// Embedded in a codec; never allocates.
class H1Parser {
 public:
  explicit H1Parser(bool requests);
  H1Parser(const H1Parser&) = delete;
  H1Parser& operator=(const H1Parser&) = delete;
  // `block` is a whole head that lives as long as `head`, whose strings become views of it. Empty: fine.
  Refusal request(std::string_view block, RequestHead& head, Framing& framing, bool http10);
  Refusal response(std::string_view block, ResponseHead& head, Framing& framing);
  // The body of a chunked message, in this order, each call with a whole line except data().
  Refusal chunk_line(std::string_view line, uint64_t& size);
  bool chunk_data(std::string_view data);
  bool chunk_end(std::string_view crlf);
  Refusal trailers(std::string_view block, HeaderMap& fields);  // behind a chunk of size 0

 private:
  Refusal run_head(std::string_view block, HeaderMap& fields);
  Refusal explain(std::string_view block) const;
  static Refusal read_fields(const HeaderMap& fields, Version version, Framing& framing, struct FieldNotes& notes);
  static const llhttp_settings_t& settings();
  static int on_name(llhttp_t* parser, const char* at, size_t length);
  static int on_value(llhttp_t* parser, const char* at, size_t length);
  static int on_field_end(llhttp_t* parser);
  static int on_head_end(llhttp_t* parser);
  static int on_chunk(llhttp_t* parser);
  static int on_message_end(llhttp_t* parser);
  llhttp_t parser_;
  HeaderMap* fields_ = nullptr;
  std::string_view name_, value_;
  uint64_t chunk_size_ = 0;
  uint64_t extension_bytes_ = 0;  // of a message, in chunk lines beyond what sizes need
  bool head_ended_ = false, chunk_seen_ = false, message_ended_ = false;
};

}  // namespace outrider::http
