// What is different where a request is of gRPC: how it is answered, how it ends, and what is counted of that.

#include "http/grpc.h"

#include <algorithm>
#include <utility>

#include "exchange/exchange.h"
#include "exchange/http_session.h"

namespace outrider::exchange {

using http::GrpcStatus;
using http::HeaderId;

// A request of gRPC-Web stays one when a filter has made gRPC of it.
void Exchange::note_grpc() {
  if (tunnel_) return;
  grpc_web_ = grpc_web_ || http::is_grpc_web(request_.headers);
  grpc_ = grpc_web_ || http::is_grpc(request_.headers);
}

// What came by HTTP/1 is not of gRPC's own wire, but for gRPC-Web that a filter has made gRPC of.
bool Exchange::is_native_grpc() const {
  return grpc_ && (grpc_web_ ? http::is_grpc(request_.headers) : request_.version == http::Version::Http2);
}

// A head that is all there is: clients take their status from it, and would have to guess from one of HTTP.
void Exchange::answer_grpc(uint16_t status, std::string_view message) {
  if (message.ends_with('\n')) message.remove_suffix(1);
  const bool bridged = http::is_grpc(request_.headers);
  answer_.headers.set(HeaderId::ContentType, bridged ? "application/grpc" : request_.headers.value(HeaderId::ContentType));
  http::set_grpc_status(answer_.headers, std::exchange(grpc_answer_, {}).value_or(http::grpc_status_of(status)), message);
}

// A response that has begun cannot be replaced, but its last word is still to be said. Over HTTP/1 it is cut instead: trailers
// may be framed there only where the response was. A browser's are what the filter makes of them, if they can go now.
bool Exchange::end_grpc(GrpcStatus status) {
  const bool trails = request_.version == http::Version::Http2 && http::is_grpc(response_->headers);
  if (!grpc_ || (!grpc_web_ && !trails)) return false;
  auto* const trailers = arena_.make<http::HeaderMap>(arena_);
  http::set_grpc_status(*trailers, status, arena_.concat("outrider: ", reason_));
  if (grpc_web_) {
    http::Pipe& pipe = response_pipe();
    if (pipe.ended) return false;
    pipe.ended = true;
    pipe.trailers = trailers;
    chain().run_body(*this, Way::Response, pipe);
    if (!pipe.trailers_taken) return false;
    downstream().send_body(stream_, pipe.held, true);
    if (!pipe.held.empty()) return false;
  } else {
    downstream().send_trailers(stream_, *trailers);
  }
  own_trailers_ = trailers;
  phase_ = Phase::Finish;
  return true;
}

// A stream has no end by which it could be too long; a browser sends one message.
bool Exchange::too_large(Buffer& arrived, uint64_t limit) {
  if (!grpc_ || grpc_web_) return request_bytes_ > limit;
  Buffer seen(arrived.pool());
  uint64_t longest = 0;
  while (!arrived.empty()) {
    const auto run = arrived.front();
    longest = std::max<uint64_t>(longest, request_frames_.pass(run));
    seen.append(arrived.take(run.size()));
  }
  arrived = std::move(seen);
  return longest > limit;
}

// Whoever serves the request is to know how long anybody waits for it, whatever was lost of that on the way.
std::optional<GrpcStatus> Exchange::grpc_status() {
  if (!grpc_) return {};
  if (client_gone_) return flag_ == Flag::Draining ? GrpcStatus::Unavailable : GrpcStatus::Cancelled;
  const http::HeaderMap* trailers = own_trailers_ ? own_trailers_ : response_pipe().trailers;
  if (trailers)
    if (const auto status = http::grpc_status_in(*trailers)) return status;
  if (const auto status = http::grpc_status_in(response_->headers)) return status;
  if (grpc_web_ && flag_ == Flag::None && !http::is_grpc(request_.headers)) return {};  // it is in the body
  return flag_ != Flag::None ? GrpcStatus::Unavailable : http::grpc_status_of(response_->status);
}

}  // namespace outrider::exchange
