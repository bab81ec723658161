#pragma once
// grpc.health.v1.Health/Check.

#include <string>
#include <string_view>

namespace outrider::upstream {

inline constexpr std::string_view kGrpcHealthPath = "/grpc.health.v1.Health/Check";

// The message with the name of a service; empty: the server as a whole.
std::string grpc_health_question(std::string_view service);
bool says_serving(std::string_view answer);  // one whole message, and SERVING in it

}  // namespace outrider::upstream
