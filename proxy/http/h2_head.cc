#include "http/h2_head.h"

#include <algorithm>

#include "base/text.h"
#include "http/grpc.h"

namespace outrider::http {

namespace {

constexpr uint32_t kFlood = 4;  // times the limits: an answer is not worth reading on for
// What HPACK makes of honest fields: some of the table's, once, and strings that Huffman has made shorter.
constexpr uint32_t kTable = 4096, kRatio = 4;

std::string_view text_of(nghttp2_rcbuf* text) {
  const auto bytes = nghttp2_rcbuf_get_buf(text);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

std::string_view kept(nghttp2_rcbuf* text, Arena& arena) {  // those of HPACK's static table live for ever
  return nghttp2_rcbuf_is_static(text) ? text_of(text) : arena.copy(text_of(text));
}

// Where HTTP/2 splits a Cookie for the sake of its compression, everybody else wants it whole (RFC 9113 8.2.3).
void join_crumbs(HeaderMap& headers) {
  size_t size = 0;
  for (const Field& field : headers.fields())
    if (field.id == HeaderId::Cookie) size += field.value.size() + 2;
  char* const whole = headers.arena().array<char>(size);
  char* at = whole;
  for (const Field& field : headers.fields()) {
    if (field.id != HeaderId::Cookie) continue;
    if (at != whole) at = std::copy_n("; ", 2, at);
    at = std::copy(field.value.begin(), field.value.end(), at);
  }
  headers.set_view(HeaderId::Cookie, {whole, size_t(at - whole)});
}

nghttp2_nv pair_of(std::string_view name, std::string_view value, bool never_index = false) {
  const auto bytes = [](std::string_view text) { return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data())); };
  return {bytes(name), bytes(value), name.size(), value.size(),
          uint8_t(never_index ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
}

// An extended CONNECT has no need of it (RFC 8441 5.1).
bool is_websocket_key(std::string_view name) { return equals_ignore_case(name, "sec-websocket-key"); }

// nghttp2 copies both, and lowers names, as they are handed over.
void put(H2Block& block, const Field& field) {
  if (is_clean(field)) block.push_back(pair_of(field.name, field.value, field.never_index));
}

}  // namespace

// --- reading -------------------------------------------------------------------------------------------------------

void H2HeadReader::begin(const CodecLimits& limits) {
  request_ = nullptr;
  response_ = nullptr;
  fields_ = nullptr;
  bytes_ = count_ = 0;
  max_bytes_ = limits.max_header_bytes;
  max_count_ = limits.max_headers;
  is_trailers_ = has_authority_ = crumbs_ = false;
  bad_ = {};
}

void H2HeadReader::request(RequestHead& head, const CodecLimits& limits) {
  begin(limits);
  request_ = &head;
  fields_ = &head.headers;
  head.version = Version::Http2;
}

void H2HeadReader::response(ResponseHead& head, const CodecLimits& limits) {
  begin(limits);
  response_ = &head;
  fields_ = &head.headers;
  head.version = Version::Http2;
}

void H2HeadReader::trailers(HeaderMap& fields, const CodecLimits& limits) {
  begin(limits);
  is_trailers_ = true;
  fields_ = &fields;
}

void H2HeadReader::nobody(const CodecLimits& limits) { begin(limits); }

void H2HeadReader::arriving(bool first, uint32_t size) { arrived_ = (first ? 0 : arrived_) + size; }

bool H2HeadReader::field(nghttp2_rcbuf* name_buf, nghttp2_rcbuf* value_buf) {
  const auto name = text_of(name_buf), value = text_of(value_buf);
  bytes_ += name.size() + value.size() + 4;
  ++count_;
  if (bytes_ > uint64_t{kFlood} * max_bytes_ || count_ > kFlood * max_count_) return false;
  if (bytes_ > max_bytes_ && bytes_ > kTable + kRatio * arrived_) return false;  // a bomb
  if (bytes_ > max_bytes_ || count_ > max_count_) bad_ = {431, bytes_ > max_bytes_ ? "head_too_large" : "too_many_headers"};
  if (!fields_ || bad_) return true;
  Arena& arena = fields_->arena();
  if (name.starts_with(':')) pseudo(name, kept(value_buf, arena));
  else regular(kept(name_buf, arena), kept(value_buf, arena));
  return true;
}

void H2HeadReader::pseudo(std::string_view name, std::string_view value) {
  if (response_) {
    response_->status = uint16_t(parse_number(value).value_or(0));
  } else if (name == ":method") {
    request_->method_text = value;
  } else if (name == ":scheme") {
    request_->scheme = value;
  } else if (name == ":path") {
    request_->path = value;
  } else if (name == ":protocol") {
    request_->protocol = value;
  } else if (name == ":authority") {
    has_authority_ = true;
    request_->authority = value;
    if (!is_authority(value)) bad_ = {400, "bad_authority"};
    else fields_->add_view(HeaderId::Host, "Host", value);
  }
}

void H2HeadReader::regular(std::string_view name, std::string_view value) {
  const HeaderId id = header_id(name);
  if ((id == HeaderId::Other && !is_token(name)) || !is_field_value(value)) {
    bad_ = {400, "bad_field"};
    return;
  }
  if (is_trailers_) {
    if (breaks_as_trailer(id)) bad_ = {400, "forbidden_trailer"};
    else if (may_be_trailer(id)) fields_->add_view(id, name, value);
    return;
  }
  if (id == HeaderId::Host && request_) {  // one authority, however it is written (RFC 9113 8.3.1)
    const Field* known = fields_->find(HeaderId::Host);
    if (!known && !is_authority(value)) bad_ = {400, "bad_host"};
    else if (known && !has_authority_) bad_ = {400, "duplicate_host"};
    else if (known && !equals_ignore_case(known->value, value)) bad_ = {400, "host_and_authority_differ"};
    if (known || bad_) return;
  }
  if (id == HeaderId::Cookie) crumbs_ |= fields_->find(id) != nullptr;
  fields_->add_view(id, name, value);
}

Refusal H2HeadReader::finish() {
  if (!fields_ || bad_) return bad_;
  if (crumbs_) join_crumbs(*fields_);
  if (const Field* length = fields_->find(HeaderId::ContentLength); length && !parse_number(length->value))
    return {400, "bad_content_length"};
  if (response_) return response_->status >= 100 && response_->status < 1000 ? Refusal{} : Refusal{502, "bad_status_line"};
  return request_ ? finish_request() : Refusal{};
}

Refusal H2HeadReader::finish_request() {
  RequestHead& head = *request_;
  if (!is_token(head.method_text)) return {400, "bad_method"};
  head.method = method_of(head.method_text);
  if (!has_authority_) head.authority = fields_->value(HeaderId::Host);
  if (head.method == Method::Connect && head.protocol.empty()) {
    const size_t colon = head.authority.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == head.authority.size() || head.authority.back() == ']')
      return {400, "bad_target"};
    head.form = Form::Authority;
    return {};
  }
  if (!head.protocol.empty() && !is_protocol(head.protocol)) return {400, "bad_protocol"};
  if (!is_token(head.scheme)) return {400, "bad_scheme"};
  if (head.authority.empty() || head.authority.front() == ':') return {400, "missing_host"};
  if (!is_target(head.path) || head.path.find('#') != std::string_view::npos) return {400, "bad_target"};
  if (head.path == "*") head.form = Form::Asterisk;
  if (head.path == "*" ? head.method != Method::Options : head.path.front() != '/') return {400, "bad_target"};
  return {};
}

// --- writing -------------------------------------------------------------------------------------------------------

void write_h2_request(H2Block& block, const RequestHead& head, std::span<const Field> own, bool end, bool encrypted) {
  Arena& arena = head.headers.arena();
  const bool tunnel = head.tunnel(), plain_connect = tunnel && head.protocol.empty();
  std::string_view authority = head.authority;
  for (const Field& field : own)
    if (field.id == HeaderId::Host && is_clean(field)) authority = field.value;
  block.clear();
  block.push_back(pair_of(":method", tunnel ? "CONNECT" : is_token(head.method_text) ? head.method_text : "GET"));
  if (!plain_connect) {
    block.push_back(pair_of(":scheme", encrypted ? "https" : is_token(head.scheme) ? head.scheme : "http"));
    block.push_back(pair_of(":path", head.path.empty() ? "/" : written_target(head.path, arena)));
  }
  if (!authority.empty()) block.push_back(pair_of(":authority", written_target(authority, arena)));
  if (!head.protocol.empty()) block.push_back(pair_of(":protocol", head.protocol));

  bool length_written = false;
  for (const Field& field : head.headers.fields()) {
    if (is_hop_by_hop(field.id) || field.id == HeaderId::Host || (tunnel && is_websocket_key(field.name))) continue;
    if (field.id == HeaderId::ContentLength) {
      const auto length = parse_number(field.value);
      if (length_written || tunnel || !length || (end && *length != 0)) continue;
      length_written = true;
    } else if (const Field* mine = own.empty() ? nullptr : find_named(own, field)) {
      if (find_named(head.headers.fields(), field) == &field) put(block, *mine);
      continue;
    }
    put(block, field);
  }
  for (const Field& field : own) {
    const bool framing = field.id == HeaderId::ContentLength || field.id == HeaderId::Host || is_hop_by_hop(field.id);
    if (!framing && !find_named(head.headers.fields(), field)) put(block, field);
  }
  // We read trailers whoever asked; gRPC servers want to be told.
  if (is_grpc(head.headers)) block.push_back(pair_of("te", "trailers"));
}

void write_h2_response(H2Block& block, const ResponseHead& head, bool end, bool to_head, bool to_connect) {
  const uint16_t status = to_connect && head.status == 101 ? 200 : head.status;
  const bool bodiless = to_head || !may_have_body(status);
  char* const digits = head.headers.arena().array<char>(3);
  for (int i = 2, rest = status; i >= 0; --i, rest /= 10) digits[i] = char('0' + rest % 10);
  block.clear();
  block.push_back(pair_of(":status", {digits, 3}));
  bool length_written = false;
  for (const Field& field : head.headers.fields()) {
    if (is_hop_by_hop(field.id)) continue;
    if (field.id == HeaderId::ContentLength) {
      const auto length = parse_number(field.value);
      if (length_written || !length || status == 204 || status < 200 || to_connect) continue;  // RFC 9110 8.6
      if (end && !bodiless && *length != 0) continue;
      length_written = true;
    }
    put(block, field);
  }
}

void write_h2_trailers(H2Block& block, const HeaderMap& trailers) {
  block.clear();
  for (const Field& field : trailers.fields())
    if (may_be_trailer(field.id)) put(block, field);
}

}  // namespace outrider::http
