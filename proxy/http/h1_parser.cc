#include "http/h1_parser.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace outrider::http {

namespace {

constexpr uint64_t kExtensionBytes = 16 * 1024;
constexpr size_t kPlainChunkLine = 18;  // sixteen digits and CRLF

H1Parser& self_of(llhttp_t* parser) { return *static_cast<H1Parser*>(parser->data); }

std::string_view first_line(std::string_view block) { return block.substr(0, block.find('\r')); }

}  // namespace

struct FieldNotes {
  const Field* host = nullptr;
  const Field* transfer = nullptr;
  const Field* upgrade = nullptr;
  const Field* length = nullptr;
  bool close = false, keep_alive = false, upgrading = false;
};

H1Parser::H1Parser(bool requests) {
  llhttp_init(&parser_, requests ? HTTP_REQUEST : HTTP_RESPONSE, &settings());
  parser_.data = this;
}

const llhttp_settings_t& H1Parser::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_header_field = on_name;
    s.on_header_value = on_value;
    s.on_header_value_complete = on_field_end;
    s.on_headers_complete = on_head_end;
    s.on_chunk_header = on_chunk;
    s.on_message_complete = on_message_end;
    return s;
  }();
  return kSettings;
}

int H1Parser::on_name(llhttp_t* parser, const char* at, size_t length) {
  H1Parser& self = self_of(parser);
  self.name_ = self.name_.empty() ? std::string_view(at, length)
                                  : std::string_view(self.name_.data(), size_t(at + length - self.name_.data()));
  return 0;
}

int H1Parser::on_value(llhttp_t* parser, const char* at, size_t length) {
  H1Parser& self = self_of(parser);
  self.value_ = self.value_.empty() ? std::string_view(at, length)
                                    : std::string_view(self.value_.data(), size_t(at + length - self.value_.data()));
  return 0;
}

int H1Parser::on_field_end(llhttp_t* parser) {
  H1Parser& self = self_of(parser);
  const auto value = trim(self.value_);
  const char* const colon = self.name_.data() + self.name_.size();
  const char* const end = value.data() + value.size();
  const bool verbatim = value.data() == colon + 2 && colon[1] == ' ' && end[0] == '\r' && end[1] == '\n';
  self.fields_->add_view(header_id(self.name_), self.name_, value, verbatim);
  self.name_ = self.value_ = {};
  return 0;
}

// What frames the body is ours to decide first: llhttp goes on only where the body is chunked.
int H1Parser::on_head_end(llhttp_t* parser) {
  self_of(parser).head_ended_ = true;
  return HPE_PAUSED;
}

int H1Parser::on_chunk(llhttp_t* parser) {
  H1Parser& self = self_of(parser);
  self.chunk_seen_ = true;
  self.chunk_size_ = parser->content_length;
  return 0;
}

int H1Parser::on_message_end(llhttp_t* parser) {
  self_of(parser).message_ended_ = true;
  return HPE_PAUSED;
}

Refusal H1Parser::run_head(std::string_view block, HeaderMap& fields) {
  llhttp_reset(&parser_);
  fields_ = &fields;
  name_ = value_ = {};
  head_ended_ = message_ended_ = false;
  extension_bytes_ = 0;
  const auto error = llhttp_execute(&parser_, block.data(), block.size());
  if (error == HPE_PAUSED && head_ended_) return {};
  return explain(block);
}

// Cold: which of our words fits what llhttp found.
Refusal H1Parser::explain(std::string_view block) const {
  if (block.find('\0') != std::string_view::npos) return {400, "nul_byte"};
  const bool transfer = fields_->find(HeaderId::TransferEncoding), length = fields_->find(HeaderId::ContentLength);
  switch (llhttp_get_errno(&parser_)) {
    case HPE_INVALID_METHOD: return {501, "method_not_implemented"};
    case HPE_INVALID_URL: return {400, "bad_target"};
    case HPE_INVALID_VERSION: return {505, "version_not_supported"};
    case HPE_INVALID_CONTENT_LENGTH: return {400, "bad_content_length"};
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return {400, transfer ? "content_length_and_transfer_encoding" : "duplicate_content_length"};
    case HPE_INVALID_TRANSFER_ENCODING:
      if (length) return {400, "content_length_and_transfer_encoding"};
      return {400, transfer ? "duplicate_transfer_encoding" : "bad_transfer_encoding"};
    default: break;
  }
  const char* const error = llhttp_get_error_pos(&parser_);
  const size_t at = error >= block.data() && error <= block.data() + block.size() ? size_t(error - block.data()) : 0;
  if (at <= first_line(block).size())  // a method of another protocol (DESCRIBE) is a bad constant to llhttp
    return parser_.type == HTTP_REQUEST ? Refusal{501, "method_not_implemented"} : Refusal{502, "bad_status_line"};
  const auto line = block.substr(block.rfind('\n', at - 1) + 1);
  const size_t colon = line.find(':'), from = size_t(line.data() - block.data());
  const auto name = line.substr(0, colon);
  if (colon != std::string_view::npos && (name.ends_with(' ') || name.ends_with('\t'))) return {400, "space_before_colon"};
  return {400, colon != std::string_view::npos && from + colon < at ? "bad_field_value" : "bad_field_name"};
}

Refusal H1Parser::read_fields(const HeaderMap& fields, Version version, Framing& framing, FieldNotes& notes) {
  for (const Field& field : fields.fields()) {
    switch (field.id) {
      case HeaderId::Host:
        if (notes.host) return {400, "duplicate_host"};
        notes.host = &field;
        break;
      case HeaderId::ContentLength:
        if (notes.length) return {400, "duplicate_content_length"};
        notes.length = &field;
        break;
      case HeaderId::TransferEncoding:
        if (notes.transfer) return {400, "duplicate_transfer_encoding"};
        notes.transfer = &field;
        break;
      case HeaderId::Upgrade: notes.upgrade = &field; break;
      case HeaderId::Connection:
        for (std::string_view rest = field.value; !rest.empty();) {
          const auto option = trim(next_part(rest, ','));
          notes.close |= equals_ignore_case(option, "close");
          notes.keep_alive |= equals_ignore_case(option, "keep-alive");
          notes.upgrading |= equals_ignore_case(option, "upgrade");
        }
        break;
      default: break;
    }
  }
  framing = {};
  framing.keep_alive = !notes.close && (version == Version::Http11 || notes.keep_alive);
  if (notes.transfer && notes.length) return {400, "content_length_and_transfer_encoding"};
  if (notes.transfer) {
    // RFC 9112 6.1: a message of HTTP/1.0 that has it is framed by somebody who did not understand it.
    if (version == Version::Http10) return {400, "transfer_encoding_in_http10"};
    if (!equals_ignore_case(notes.transfer->value, "chunked")) {
      std::string_view last = notes.transfer->value;
      if (const size_t comma = last.rfind(','); comma != std::string_view::npos) last.remove_prefix(comma + 1);
      return equals_ignore_case(trim(last), "chunked") ? Refusal{501, "transfer_coding_not_implemented"}
                                                       : Refusal{400, "bad_transfer_encoding"};
    }
    framing.kind = Framing::Kind::Chunked;
  } else if (notes.length) {
    const auto length = parse_number(notes.length->value);
    if (!length || *length > uint64_t(std::numeric_limits<int64_t>::max())) return {400, "bad_content_length"};
    framing.kind = *length ? Framing::Kind::Length : Framing::Kind::None;
    framing.length = *length;
  }
  return {};
}

Refusal H1Parser::request(std::string_view block, RequestHead& head, Framing& framing, bool http10) {
  RequestLine line;
  if (const auto bad = read_request_line(first_line(block), line)) return bad;
  if (line.version == Version::Http10 && !http10) return {505, "version_not_supported"};
  if (line.method == "SOURCE") return {501, "method_not_implemented"};  // Icecast's; llhttp 8 lets it through
  if (const auto bad = read_target(line, head)) return bad;
  if (const auto bad = run_head(block, head.headers)) return bad;
  FieldNotes notes;
  if (const auto bad = read_fields(head.headers, head.version, framing, notes)) return bad;
  if (!notes.host && head.version == Version::Http11) return {400, "missing_host"};
  if (notes.host && !is_authority(notes.host->value)) return {400, "bad_host"};
  if (head.method == Method::Connect && framing.kind != Framing::Kind::None) return {400, "connect_with_body"};
  // RFC 9110 7.8: not from HTTP/1.0. An offer of h2c is made to everybody and need not be taken up (RFC 9113 3.1).
  // Where a body comes first, the request is served as it is: nobody needs to take an offer up.
  if (notes.upgrade && notes.upgrading && head.version == Version::Http11 && framing.kind == Framing::Kind::None) {
    for (std::string_view rest = notes.upgrade->value; !rest.empty() && head.protocol.empty();)
      if (const auto offer = trim(next_part(rest, ',')); is_protocol(offer) && !equals_ignore_case(offer, "h2c"))
        head.protocol = offer;
  }
  // RFC 9112 3.2.2: the target's authority is the host, whatever Host said.
  if (head.form == Form::Absolute) head.headers.set(HeaderId::Host, head.authority);
  else if (head.form != Form::Authority && notes.host) head.authority = notes.host->value;
  return {};
}

Refusal H1Parser::response(std::string_view block, ResponseHead& head, Framing& framing) {
  StatusLine line;
  if (const auto bad = read_status_line(first_line(block), line)) return bad;
  head.status = line.status;
  head.version = line.version;
  head.reason = line.reason;
  if (const auto bad = run_head(block, head.headers)) return bad;
  FieldNotes notes;
  if (const auto bad = read_fields(head.headers, head.version, framing, notes)) return bad;
  if (!notes.length && !notes.transfer) framing.kind = Framing::Kind::UntilClose;
  return {};
}

Refusal H1Parser::chunk_line(std::string_view line, uint64_t& size) {
  if (line.size() > kPlainChunkLine) extension_bytes_ += line.size() - kPlainChunkLine;
  if (extension_bytes_ > kExtensionBytes) return {400, "chunk_extensions_too_long"};
  if (line.size() < 2 || line[line.size() - 2] != '\r') return {400, "bare_lf"};
  // RFC 9112 7.1.1: extensions nobody knows are ignored. llhttp would refuse those with quoted values.
  line.remove_suffix(2);
  const auto number = line.substr(0, line.find(';'));
  if (!is_field_value(line.substr(number.size()))) return {400, "bad_chunk_extension"};
  llhttp_resume(&parser_);  // it paused behind the head
  chunk_seen_ = false;
  for (const std::string_view part : {number, std::string_view("\r\n")})
    if (llhttp_execute(&parser_, part.data(), part.size()) != HPE_OK) return {400, "bad_chunk_size"};
  if (!chunk_seen_) return {400, "bad_chunk_size"};
  size = chunk_size_;
  return {};
}

bool H1Parser::chunk_data(std::string_view data) { return llhttp_execute(&parser_, data.data(), data.size()) == HPE_OK; }

bool H1Parser::chunk_end(std::string_view crlf) {
  return crlf == "\r\n" && llhttp_execute(&parser_, crlf.data(), crlf.size()) == HPE_OK;
}

Refusal H1Parser::trailers(std::string_view block, HeaderMap& fields) {
  fields_ = &fields;
  name_ = value_ = {};
  const auto error = llhttp_execute(&parser_, block.data(), block.size());
  const bool whole = message_ended_ && (error == HPE_OK || error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE);
  const auto dropped = [](const Field& field) { return !may_be_trailer(field.id); };
  for (const Field& field : fields.fields())
    if (breaks_as_trailer(field.id)) return {400, "forbidden_trailer"};
  if (!whole) return {400, block.find('\0') != std::string_view::npos ? "nul_byte" : "bad_trailer"};
  // Others that are ours to act on were acted on with the head (RFC 9110 6.5.1): dropped.
  while (true) {
    const auto all = fields.fields();
    const auto found = std::find_if(all.begin(), all.end(), dropped);
    if (found == all.end()) return {};
    fields.remove(found->id);
  }
}

}  // namespace outrider::http
