#include "upstream/probe.h"

#include "base/text.h"
#include "http/grpc.h"
#include "upstream/grpc_health.h"
#include "upstream/origination.h"

namespace outrider::upstream {

namespace {
constexpr size_t kLongestAnswer = 1024;

const char* reason_of(Code code) {
  switch (code) {
    case Code::Refused: return "refused";
    case Code::Unreachable: return "unreachable";
    case Code::Timeout: return "timeout";
    case Code::Tls: return "tls";
    case Code::Overload: return "overload";
    default: return "closed";
  }
}

bool is_among(const std::vector<std::pair<std::string, std::string>>& headers, std::string_view name) {
  for (const auto& [given, value] : headers)
    if (equals_ignore_case(given, name)) return true;
  return false;
}

}  // namespace

void Probe::ask(const net::Address& to, ProbeQuestion question, const net::TlsPeer* tls) {
  hang_up();
  question_ = std::move(question);
  response_.clear();
  connection_.reset(new wire::HttpConnection(loop_, *this));
  loop_.arm(limit_, question_.timeout);
  const auto protocol = question_.kind == HealthPlan::Kind::Tcp ? Protocol::Raw : question_.protocol;
  if (const auto ok = connection_->connect(to, wire_of(protocol), {}, tls, question_.foreword); !ok) fail(ok.error());
}

void Probe::hang_up() {
  limit_.cancel();
  if (!connection_) return;
  if (asked_) connection_->codec().detach(stream_);
  asked_ = false;
  wire::HttpConnection::retire(std::move(connection_));
}

std::unique_ptr<http::Codec> Probe::codec_for(http::CodecEvents& events, http::Wire wire) {
  return encrypted_codec(wire, events, loop_.blocks(), {});
}

void Probe::on_connected() {
  if (question_.kind == HealthPlan::Kind::Tcp) {
    if (!question_.foreword.empty()) connection_->flush();  // that it is nobody's
    return over(nullptr);
  }
  write_request();
  http::Codec& codec = connection_->codec();
  stream_ = codec.open(*this);
  asked_ = true;
  codec.send_request(stream_, request_, {}, !is_grpc());
  if (!is_grpc()) return;
  Buffer body(loop_.blocks());
  body.append(grpc_health_question(question_.path));
  codec.send_body(stream_, body, true);
}

void Probe::write_request() {
  request_.clear();
  response_.clear();
  arena_.reset();
  answer_.clear();
  request_.method = is_grpc() ? http::Method::Post : http::Method::Get;
  request_.method_text = is_grpc() ? "POST" : "GET";
  request_.path = is_grpc() ? kGrpcHealthPath : std::string_view(question_.path);
  request_.authority = question_.authority;
  request_.headers.add("host", question_.authority);
  if (!is_among(question_.headers, "user-agent")) request_.headers.add("user-agent", question_.agent);
  for (const auto& [name, value] : question_.headers) request_.headers.add(name, value);
  if (is_grpc()) request_.headers.add("content-type", "application/grpc");
  else request_.headers.add("connection", "close");
}

void Probe::on_head(bool end) {
  const uint16_t status = response_.status;
  if (is_grpc()) {
    if (end || status != 200) fail("status", "no answer of gRPC's health service: status " + std::to_string(status));
    return;
  }
  if (status >= question_.expect_low && status <= question_.expect_high) return over(nullptr);
  fail("status", "status " + std::to_string(status));
}

void Probe::on_body(Buffer&& data, bool end) {
  for (; !data.empty(); data.drop(data.front().size())) answer_.append(data.front());
  if (end || answer_.size() > kLongestAnswer) fail("not_serving", "no answer of gRPC's health service");
}

void Probe::on_trailers(http::HeaderMap& trailers) {
  const auto status = http::grpc_status_in(trailers);
  if (!status) return fail("not_serving", "no grpc-status");
  if (*status != http::GrpcStatus::Ok) return fail("not_serving", "grpc-status " + std::to_string(int(*status)));
  says_serving(answer_) ? over(nullptr) : fail("not_serving", "it says that it is not serving");
}

void Probe::on_limit() {
  const bool encrypting = connection_ && connection_->connected() && connection_->in_handshake();
  fail("timeout", !connection_ || !connection_->connected() ? "connect_timeout"
                  : encrypting                              ? "tls_timeout"
                                                            : "no answer in time");
}

void Probe::fail(const Error& error) {
  std::string why = error.what;
  const auto* const tls = connection_ ? connection_->transport().tls() : nullptr;
  if (error.code == Code::Tls && tls && !tls->trouble().empty()) why += ": " + tls->trouble();
  fail(reason_of(error.code), std::move(why));
}

void Probe::fail(const char* reason, std::string why) {
  const ProbeFailure failure{reason, std::move(why)};
  over(&failure);
}

// The last thing it does is to tell.
void Probe::over(const ProbeFailure* failure) {
  hang_up();
  events_.on_probed(failure);
}

}  // namespace outrider::upstream
