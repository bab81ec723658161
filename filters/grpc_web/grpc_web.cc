// Between browsers, which speak gRPC-Web, and servers of gRPC: a browser sees no trailers, so they are the last message of
// the body; and where it cannot read bytes either, the body is base64.
//   grpc_web: {}

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/node.h"
#include "filter/filter.h"
#include "filters/grpc_web/base64.h"
#include "http/grpc.h"

namespace outrider::filters {

namespace {

using filter::Verdict;
using http::HeaderId;

constexpr std::string_view kGrpc = "application/grpc", kWeb = "application/grpc-web", kText = "application/grpc-web-text";
constexpr char kTrailers = char(0x80);  // in place of the flag of a message

// What is behind "application/grpc" and so on: "+proto", "; charset=utf-8".
std::string_view behind(std::string_view type, std::string_view kind) { return type.substr(std::min(type.size(), kind.size())); }

// One call, in its arena.
struct Bridge {
  bool web = false, text_in = false, text_out = false;
  bool answering = false;  // the response is of gRPC
  Base64Decoder decoder;
};

// Names in lower case, one line each, behind a head like that of a message.
void append_trailers(Buffer& out, const http::HeaderMap& trailers) {
  std::string block;
  for (const http::Field& field : trailers.fields())
    block.append(to_lower(field.name)).append(": ").append(field.value).append("\r\n");
  const auto n = uint32_t(block.size());
  const std::array<char, 5> head{kTrailers, char(n >> 24), char(n >> 16), char(n >> 8), char(n)};
  out.append({head.data(), head.size()});
  out.append(block);
}

// Owned by the chains that use it; const, any worker.
class GrpcWeb final : public filter::Filter {
 public:
  filter::Hook hooks() const override {
    using filter::Hook;
    return Hook::RequestHead | Hook::RequestBody | Hook::ResponseHead | Hook::ResponseBody;
  }

  Verdict on_request(filter::Call& call) const override {
    http::HeaderMap& headers = call.request().headers;
    if (!http::is_grpc_web(headers)) return Verdict::Continue;
    const auto type = headers.value(HeaderId::ContentType), accept = headers.value(HeaderId::Accept);
    auto& bridge = call.state<Bridge>(*this);
    bridge.web = true;
    bridge.text_in = has_prefix(type, kText);
    bridge.text_out = has_prefix(accept, kWeb) ? has_prefix(accept, kText) : bridge.text_in;
    headers.set(HeaderId::ContentType, call.arena().concat(kGrpc, behind(type, bridge.text_in ? kText : kWeb)));
    headers.remove(HeaderId::ContentLength);
    return Verdict::Continue;
  }

  Verdict on_request_body(filter::Call& call, Buffer& data, bool end) const override {
    auto& bridge = call.state<Bridge>(*this);
    if (!bridge.text_in || (bridge.decoder.decode(data) && (!end || bridge.decoder.whole()))) return Verdict::Continue;
    call.respond(400, "bad_base64", "the body is no base64\n");
    return Verdict::Answered;
  }

  Verdict on_response(filter::Call& call) const override {
    auto& bridge = call.state<Bridge>(*this);
    http::HeaderMap& headers = call.response().headers;
    bridge.answering = bridge.web && http::is_grpc(headers);
    if (!bridge.answering) return Verdict::Continue;
    const auto more = behind(headers.value(HeaderId::ContentType), kGrpc);
    headers.set(HeaderId::ContentType, call.arena().concat(bridge.text_out ? kText : kWeb, more));
    headers.remove(HeaderId::ContentLength);
    return Verdict::Continue;
  }

  // A head with a status is all there is, here and there.
  Verdict on_response_body(filter::Call& call, Buffer& data, bool end) const override {
    const auto& bridge = call.state<Bridge>(*this);
    if (!bridge.answering) return Verdict::Continue;
    if (end) {
      if (const http::HeaderMap* trailers = call.take_trailers()) append_trailers(data, *trailers);
      else if (!http::grpc_status_in(call.response().headers)) append_trailers(data, no_status(call.arena()));
    }
    if (bridge.text_out) data = encode_base64(data);
    return Verdict::Continue;
  }

 private:
  static bool has_prefix(std::string_view text, std::string_view prefix) {
    return equals_ignore_case(text.substr(0, prefix.size()), prefix);
  }

  // A client of gRPC would notice; one of gRPC-Web may take what it has for everything.
  static const http::HeaderMap& no_status(Arena& arena) {
    auto* const trailers = arena.make<http::HeaderMap>(arena);
    http::set_grpc_status(*trailers, http::GrpcStatus::Unknown, "the server has ended the call without a status");
    return *trailers;
  }
};

}  // namespace

std::unique_ptr<const filter::Filter> make_grpc_web(const config::Node& options, filter::Complaint& complaint) {
  if (options.is_null() || (options.is_map() && options.entries().empty())) return std::make_unique<GrpcWeb>();
  complaint = {"", "it has no options: grpc_web: {}"};
  return nullptr;
}

}  // namespace outrider::filters
