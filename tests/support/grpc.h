#pragma once
// Calls of gRPC made of frames, and endpoints that answer them.

#include <atomic>
#include <functional>

#include "tests/support/h2_peer.h"
#include "tests/support/origin.h"

namespace outrider::test {

inline const std::string kGrpcMessage("\0\0\0\0\2hi", 7);

inline http::Fields grpc_fields(http::Fields more = {}, const std::string& authority = "web") {
  http::Fields fields{{":method", "POST"},       {":scheme", "http"}, {":path", "/shop.Cart/Add"},
                      {":authority", authority}, {"te", "trailers"},  {"content-type", "application/grpc"}};
  for (auto& field : more) fields.push_back(std::move(field));
  return fields;
}

inline std::string grpc_call(uint32_t stream, http::Fields more = {}, const std::string& authority = "web") {
  return http::headers(stream, grpc_fields(std::move(more), authority), http::kEndHeaders) +
         http::data(stream, kGrpcMessage, true);
}

inline std::string grpc_head(uint32_t stream) {
  return http::headers(stream, {{":status", "200"}, {"content-type", "application/grpc"}}, http::kEndHeaders);
}

inline std::string grpc_answer(uint32_t stream) {
  return grpc_head(stream) + http::data(stream, kGrpcMessage) +
         http::headers(stream, {{"grpc-status", "0"}, {"x-more", "trailing"}});
}

// Every connection to it is one script.
struct GrpcEndpoint {
  explicit GrpcEndpoint(std::function<void(H2Peer&)> script)
      : origin([script = std::move(script)](Stream& accepted) {
          H2Peer peer(accepted);
          script(peer);
        }) {}
  Origin origin;
};

// Answers calls that come one after the other on each connection, and counts them.
struct CountingEndpoint {
  std::atomic<int> calls{0};
  GrpcEndpoint endpoint{[this](H2Peer& peer) {
    for (uint32_t stream = 1;; stream += 2) {
      const std::string mark = "DATA " + std::to_string(stream) + " end";
      if (!has(peer.read_until(mark), mark)) return;
      ++calls;
      peer.send(grpc_answer(stream));
    }
  }};
};

}  // namespace outrider::test
