#include "http/h1_write.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "http/grammar.h"

namespace outrider::http {

namespace {

constexpr size_t kHeadBlock = 4096;    // head and small body in one block
constexpr size_t kCopied = 16 * 1024;  // bodies up to this are copied behind their head
constexpr size_t kCrumb = 1024;        // and these always: a slice is not worth it
constexpr size_t kFramingRoom = 192;   // versions, separators, our own framing fields

// Appends to one run of known room at the tail of a buffer. Heads are bounded by limits far below the largest block;
// one that is not goes through the message's arena.
class HeadWriter {
 public:
  HeadWriter(Buffer& out, Arena& arena, size_t bound) : out_(out), bound_(bound) {
    if (bound <= BlockPool::kSizes.back()) start_ = out.reserve(out.empty() ? std::max(bound, kHeadBlock) : bound).data();
    else start_ = static_cast<char*>(arena.allocate(bound, 1));
    at_ = start_;
  }
  ~HeadWriter() {
    if (bound_ <= BlockPool::kSizes.back()) out_.commit(size_t(at_ - start_));
    else out_.append(std::string_view(start_, size_t(at_ - start_)));
  }
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  void put(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void put(uint64_t number) { at_ = std::to_chars(at_, at_ + 20, number).ptr; }
  void upgrade(std::string_view protocol) {
    field("Connection", "Upgrade");
    field("Upgrade", protocol);
  }
  void field(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  // A field that came with a message, or was set by a filter: never one that would end its own line.
  void field(const Field& field) {
    if (field.verbatim) return put(field.line());
    if (!is_clean(field)) return;
    this->field(field.name, field.value);
  }

 private:
  Buffer& out_;
  size_t bound_;
  char* start_;
  char* at_;
};

size_t bytes_of(std::span<const Field> fields) {
  size_t sum = 0;
  for (const Field& field : fields) sum += field.name.size() + field.value.size() + 4;
  return sum;
}

}  // namespace

BodyOut write_request(Buffer& out, const RequestHead& head, std::span<const Field> own, bool end) {
  const size_t target_room = 3 * (head.path.size() + head.authority.size());
  HeadWriter writer(
      out, head.headers.arena(),
      head.headers.bytes() + bytes_of(own) + head.method_text.size() + head.protocol.size() + target_room + kFramingRoom);
  const bool upgrading = !head.protocol.empty();
  const bool extended_connect = upgrading && head.method == Method::Connect;  // a GET to HTTP/1 (RFC 8441 5)
  writer.put(is_token(head.method_text) && !extended_connect ? head.method_text : "GET");
  writer.put(" ");
  if (head.form == Form::Authority) writer.put(written_target(head.authority, head.headers.arena()));
  else
    writer.put(head.path.empty()
                   ? "/"
                   : written_target(head.path, head.headers.arena()));  // absolute targets become origin ones: Host says the rest
  writer.put(" HTTP/1.1\r\n");
  if (upgrading) {
    writer.upgrade(head.protocol);
    end = true;
  }

  const auto length = declared_length(head.headers);
  bool length_written = false;
  for (const Field& field : head.headers.fields()) {
    if (is_hop_by_hop(field.id)) continue;
    if (field.id == HeaderId::ContentLength) {
      if (length_written || !length || (end && *length != 0)) continue;
      length_written = true;
    } else if (const Field* mine = own.empty() ? nullptr : find_named(own, field)) {  // where the first of that name stood
      if (find_named(head.headers.fields(), field) == &field) writer.field(*mine);
      continue;
    }
    writer.field(field);
  }
  for (const Field& field : own) {
    const bool framing = field.id == HeaderId::ContentLength || is_hop_by_hop(field.id);
    if (!framing && !find_named(head.headers.fields(), field)) writer.field(field);
  }

  BodyOut body;
  if (end) {
    const bool expected = head.method == Method::Post || head.method == Method::Put || head.method == Method::Patch;
    if (!length_written && (length || expected)) writer.field("Content-Length", "0");  // RFC 9110 8.6
  } else if (length) {
    body = {BodyOut::Kind::Length, *length};
  } else if (head.method != Method::Connect) {
    body.kind = BodyOut::Kind::Chunked;
    writer.field("Transfer-Encoding", "chunked");
  }
  writer.put("\r\n");
  return body;
}

BodyOut write_response(Buffer& out, const ResponseHead& head, ResponseShape& shape) {
  const auto phrase = head.reason.empty() || !is_field_value(head.reason) ? reason_of(head.status) : head.reason;
  HeadWriter writer(out, head.headers.arena(), head.headers.bytes() + phrase.size() + kFramingRoom);
  writer.put("HTTP/1.1 ");
  writer.put(uint64_t{head.status});
  writer.put(" ");
  writer.put(phrase);
  writer.put("\r\n");

  const bool bodiless = shape.to_head || !may_have_body(head.status);  // whatever the fields say (RFC 9112 6.3)
  const auto length = declared_length(head.headers);
  bool length_written = false;
  for (const Field& field : head.headers.fields()) {
    if (field.id == HeaderId::Connection) shape.keep_alive &= !list_contains(field.value, "close");
    if (is_hop_by_hop(field.id)) continue;
    if (field.id == HeaderId::ContentLength) {
      if (length_written || !length || head.status == 204 || head.status < 200) continue;  // RFC 9110 8.6
      if (shape.end && !bodiless && *length != 0) continue;
      length_written = true;
    }
    writer.field(field);
  }

  BodyOut body;
  if (bodiless) {
  } else if (shape.end) {
    if (!length_written) writer.field("Content-Length", "0");
  } else if (length) {
    body = {BodyOut::Kind::Length, *length};
  } else if (!shape.to_http10) {
    body.kind = BodyOut::Kind::Chunked;
    writer.field("Transfer-Encoding", "chunked");
  } else {
    body.kind = BodyOut::Kind::UntilClose;
    shape.keep_alive = false;
  }
  if (!shape.keep_alive) writer.field("Connection", "close");
  else if (shape.to_http10) writer.field("Connection", "keep-alive");
  writer.put("\r\n");
  return body;
}

void write_interim(Buffer& out, const ResponseHead& head, std::string_view protocol) {
  HeadWriter writer(out, head.headers.arena(), head.headers.bytes() + head.reason.size() + protocol.size() + kFramingRoom);
  writer.put("HTTP/1.1 ");
  writer.put(uint64_t{head.status});
  writer.put(" ");
  writer.put(head.reason.empty() || !is_field_value(head.reason) ? reason_of(head.status) : head.reason);
  writer.put("\r\n");
  if (!protocol.empty()) writer.upgrade(protocol);
  for (const Field& field : head.headers.fields())
    if (!is_hop_by_hop(field.id) && field.id != HeaderId::ContentLength) writer.field(field);
  writer.put("\r\n");
}

void write_piece(Buffer& out, Buffer& data, size_t n, const BodyOut& body) {
  const bool chunked = body.kind == BodyOut::Kind::Chunked;
  if (chunked) {
    char line[18];
    char* end = std::to_chars(line, line + 16, n, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    out.append(std::string_view(line, size_t(end - line)));
  }
  out.pull(data, n, out.empty() ? kCrumb : kCopied);
  if (chunked) out.append("\r\n");
}

void write_last_chunk(Buffer& out, const HeaderMap* trailers) {
  if (!trailers) return out.append("0\r\n\r\n");
  HeadWriter writer(out, trailers->arena(), trailers->bytes() + 16);
  writer.put("0\r\n");
  for (const Field& field : trailers->fields())
    if (may_be_trailer(field.id)) writer.field(field);
  writer.put("\r\n");
}

}  // namespace outrider::http
