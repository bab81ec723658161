#pragma once
// gRPC, as far as it is HTTP: which requests are of it, their deadlines, and the statuses their answers end with.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/header_map.h"

namespace outrider::http {

enum class GrpcStatus : uint8_t {
  Ok,
  Cancelled,
  Unknown,
  InvalidArgument,
  DeadlineExceeded,
  NotFound,
  AlreadyExists,
  PermissionDenied,
  ResourceExhausted,
  FailedPrecondition,
  Aborted,
  OutOfRange,
  Unimplemented,
  Internal,
  Unavailable,
  DataLoss,
  Unauthenticated,
  Count
};

// application/grpc, with or without what its messages are made of; not application/grpc-web.
bool is_grpc(const HeaderMap& headers);
// application/grpc-web and application/grpc-web-text, likewise.
bool is_grpc_web(const HeaderMap& headers);

// What a client of gRPC is told where HTTP would have this status. An endpoint that could not be asked is Unavailable, which
// clients may try again.
GrpcStatus grpc_status_of(uint16_t http_status);

const char* name_of(GrpcStatus status);  // "deadline_exceeded"

// What grpc-status says; a number nobody knows is Unknown. Null: there is none.
std::optional<GrpcStatus> grpc_status_in(const HeaderMap& headers);

// Those that speak ill of whoever answered, like HTTP's 5xx and 429, and not of the request.
bool is_grpc_failure(GrpcStatus status);

// One to eight digits and a unit; rounded up to milliseconds, a year at most. Null: malformed, or zero.
std::optional<std::chrono::milliseconds> parse_grpc_timeout(std::string_view text);
std::string_view write_grpc_timeout(std::chrono::milliseconds timeout, Arena& arena);

// Percent-encoded as grpc-message is; what is beyond a kilobyte is left out.
std::string_view write_grpc_message(std::string_view text, Arena& arena);

// Sets grpc-status and grpc-message.
void set_grpc_status(HeaderMap& headers, GrpcStatus status, std::string_view message);

// Where messages begin in the bytes of a stream, and how long they say they are.
class GrpcFrames {
 public:
  uint32_t pass(std::string_view bytes);  // the longest of the messages whose length is known by their end
  void clear() { *this = {}; }

 private:
  uint64_t left_ = 0;    // of the message
  uint32_t length_ = 0;  // as far as it is read
  uint8_t head_ = 0;     // bytes of its head that have come
};

}  // namespace outrider::http
