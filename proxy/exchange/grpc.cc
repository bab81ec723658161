// What is different where a request is of gRPC: how it is answered, how it ends, and what is counted of that.

#include "http/grpc.h"

#include <algorithm>
#include <utility>

#include "exchange/exchange.h"
#include "exchange/http_session.h"

namespace outrider::exchange {

using http::GrpcStatus;
using http::HeaderId;

// A head that is all there is: clients take their status from it, and would have to guess from one of HTTP.
void Exchange::answer_grpc(uint16_t status, std::string_view message) {
  if (message.ends_with('\n')) message.remove_suffix(1);
  answer_.headers.set_view(HeaderId::ContentType, "application/grpc");
  http::set_grpc_status(answer_.headers, std::exchange(grpc_answer_, {}).value_or(http::grpc_status_of(status)), message);
}

// A response that has begun cannot be replaced, but its last word is still to be said. Over HTTP/1 it is cut instead: trailers
// may be framed there only where the response was.
bool Exchange::end_grpc(GrpcStatus status) {
  if (!grpc_ || request_.version != http::Version::Http2 || !http::is_grpc(response_->headers)) return false;
  own_trailers_ = arena_.make<http::HeaderMap>(arena_);
  http::set_grpc_status(*own_trailers_, status, arena_.concat("outrider: ", reason_));
  downstream().send_trailers(stream_, *own_trailers_);
  phase_ = Phase::Finish;
  return true;
}

// A stream has no end by which it could be too long.
bool Exchange::too_large(Buffer& arrived, uint64_t limit) {
  if (!grpc_) return request_bytes_ > limit;
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
void Exchange::pass_deadline_on() {
  has_own_ = deadline_.armed();
  if (!has_own_) return;
  const auto left = std::chrono::ceil<milliseconds>(due_ - site_.loop.now());
  own_ = {.id = HeaderId::GrpcTimeout, .clean = true, .name = "grpc-timeout", .value = http::write_grpc_timeout(left, arena_)};
}

std::optional<GrpcStatus> Exchange::grpc_status() {
  if (!grpc_) return {};
  if (client_gone_) return flag_ == Flag::Draining ? GrpcStatus::Unavailable : GrpcStatus::Cancelled;
  const http::HeaderMap* trailers = own_trailers_ ? own_trailers_ : response_pipe().trailers;
  if (trailers)
    if (const auto status = http::grpc_status_in(*trailers)) return status;
  if (const auto status = http::grpc_status_in(response_->headers)) return status;
  return flag_ != Flag::None ? GrpcStatus::Unavailable : http::grpc_status_of(response_->status);
}

}  // namespace outrider::exchange
