#include "http/message.h"

namespace outrider::http {

namespace {

struct Phrase {
  uint16_t status;
  std::string_view text;
};

// The HTTP status code registry (RFC 9110 15 and successors), ordered.
// clang-format off
constexpr Phrase kPhrases[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {102, "Processing"}, {103, "Early Hints"},
    {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"}, {204, "No Content"},
    {205, "Reset Content"}, {206, "Partial Content"}, {207, "Multi-Status"}, {208, "Already Reported"}, {226, "IM Used"},
    {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
    {305, "Use Proxy"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
    {400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
    {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {407, "Proxy Authentication Required"},
    {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"}, {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {423, "Locked"},
    {424, "Failed Dependency"}, {425, "Too Early"}, {426, "Upgrade Required"}, {428, "Precondition Required"},
    {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"}, {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}, {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"}, {508, "Loop Detected"}, {511, "Network Authentication Required"}};
// clang-format on

}  // namespace

Method method_of(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::Get;
      if (text == "PUT") return Method::Put;
      break;
    case 4:
      if (text == "POST") return Method::Post;
      if (text == "HEAD") return Method::Head;
      break;
    case 5:
      if (text == "PATCH") return Method::Patch;
      if (text == "TRACE") return Method::Trace;
      break;
    case 6:
      if (text == "DELETE") return Method::Delete;
      break;
    case 7:
      if (text == "OPTIONS") return Method::Options;
      if (text == "CONNECT") return Method::Connect;
      break;
  }
  return Method::Other;
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::Get:
    case Method::Head:
    case Method::Put:
    case Method::Delete:
    case Method::Options:
    case Method::Trace: return true;
    case Method::Post:
    case Method::Connect:
    case Method::Patch:
    case Method::Other: break;
  }
  return false;
}

std::string_view reason_of(uint16_t status) {
  size_t low = 0, high = std::size(kPhrases);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (kPhrases[middle].status < status) low = middle + 1;
    else high = middle;
  }
  return low < std::size(kPhrases) && kPhrases[low].status == status ? kPhrases[low].text : std::string_view{};
}

bool may_have_body(uint16_t status) { return status >= 200 && status != 204 && status != 304; }

void RequestHead::clear() {
  method = Method::Other;
  version = Version::Http11;
  form = Form::Origin;
  method_text = scheme = authority = path = protocol = {};
  headers.clear();
}

void ResponseHead::clear() {
  status = 0;
  version = Version::Http11;
  reason = {};
  headers.clear();
}

}  // namespace outrider::http
