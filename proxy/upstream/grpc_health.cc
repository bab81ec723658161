#include "upstream/grpc_health.h"

#include "base/protobuf.h"
#include "http/grpc_frame.h"

namespace outrider::upstream {

namespace {
constexpr uint32_t kServiceField = 1;  // HealthCheckRequest.service
constexpr uint64_t kStatusField = 1;   // HealthCheckResponse.status
constexpr uint64_t kServing = 1;
}  // namespace

std::string grpc_health_question(std::string_view service) {
  return http::write_grpc_frame(service.empty() ? std::string() : protobuf::write_bytes(kServiceField, service));
}

bool says_serving(std::string_view answer) {
  const auto frame = http::read_grpc_frame(answer);
  if (!frame || frame->compressed || answer.size() - http::GrpcFrame::kHead != frame->length) return false;
  protobuf::Reader reader(answer.substr(http::GrpcFrame::kHead));
  uint64_t status = 0;
  while (const auto field = reader.next())
    if (field->number == kStatusField && field->value) status = *field->value;
  return !reader.broken() && status == kServing;
}

}  // namespace outrider::upstream
