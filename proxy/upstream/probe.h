#pragma once
// One question to somebody whether he is well, on a connection of its own.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "net/loop.h"
#include "upstream/cluster_plan.h"
#include "wire/http_connection.h"

namespace outrider::upstream {

struct ProbeFailure {
  const char* reason;  // refused, timeout, unreachable, tls, closed, overload, status, not_serving
  std::string why;     // what a person should know of it
};

struct ProbeQuestion {
  HealthPlan::Kind kind = HealthPlan::Kind::Tcp;  // not Off
  Protocol protocol = Protocol::Http1;            // of Http and Grpc
  std::string path;                               // Http: with its query. Grpc: the service's name
  std::string authority, agent = "outrider-health";
  std::vector<std::pair<std::string, std::string>> headers;  // Http: further ones
  uint16_t expect_low = 200, expect_high = 299;
  milliseconds timeout{1000};
  std::string foreword;  // goes before everything: a header of PROXY protocol, or nothing
};

class ProbeEvents {
 public:
  virtual void on_probed(const ProbeFailure* failure) = 0;  // once a question, and then it may be gone; null: all is well

 protected:
  ~ProbeEvents() = default;
};

// A connect (tcp), one GET (http), or one call of grpc.health.v1.Health/Check (grpc). Owned by whoever asks; control loop; its
// end hangs up, and nothing is told.
class Probe final : wire::ConnectionOwner, http::StreamEvents {
 public:
  Probe(net::Loop& loop, ProbeEvents& events) : loop_(loop), events_(events) {}
  ~Probe() { hang_up(); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  void ask(const net::Address& to, ProbeQuestion question, const net::TlsPeer* tls = nullptr);
  void fail(const char* reason, std::string why);  // without having asked, too
  void hang_up();
  bool asking() const { return connection_ != nullptr; }
  uint16_t status() const { return response_.status; }  // of the last answer over HTTP; 0: there was none
  std::string location() const { return std::string(response_.headers.value("location")); }

 private:
  bool is_grpc() const { return question_.kind == HealthPlan::Kind::Grpc; }
  void write_request();
  void fail(const Error& error);
  void over(const ProbeFailure* failure);
  void on_limit();
  http::StreamEvents* on_stream(http::StreamId) override { return nullptr; }
  std::unique_ptr<http::Codec> codec_for(http::CodecEvents& events, http::Wire wire) override;
  void on_connected() override;
  void on_idle() override {}
  void on_draining() override {}
  void on_gone(const Error& why) override { fail(why); }
  http::ResponseHead* response_head() override { return &response_; }
  void on_head(bool end) override;
  void on_body(Buffer&& data, bool end) override;
  void on_trailers(http::HeaderMap& trailers) override;
  void on_sendable() override {}
  void on_reset(const Error& why) override { fail(why); }

  net::Loop& loop_;
  ProbeEvents& events_;
  ProbeQuestion question_;
  std::unique_ptr<wire::HttpConnection> connection_;
  Arena arena_;
  http::RequestHead request_{arena_};
  http::ResponseHead response_{arena_};
  std::string answer_;  // of gRPC
  http::StreamId stream_ = 0;
  bool asked_ = false;
  net::BoundTimer<Probe, &Probe::on_limit> limit_{*this};
};

}  // namespace outrider::upstream
