#pragma once
// The identity that an agent gives us: SPIFFE Workload API, FetchX509SVID.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "http/codec.h"
#include "net/address.h"
#include "net/loop.h"
#include "wire/http_connection.h"

namespace outrider::server {

class WorkloadApiEvents {
 public:
  virtual void on_svids(std::string_view message) = 0;        // X509SVIDResponse; one whenever something is another
  virtual void on_agent_trouble(const std::string& why) = 0;  // nothing comes just now; it is asked again

 protected:
  ~WorkloadApiEvents() = default;
};

// One call whose answer never ends, made again whenever it does: after a second, and up to half a minute later each time.
// Owned by Credentials; control loop.
class WorkloadApi final : wire::ConnectionOwner, http::StreamEvents {
 public:
  WorkloadApi(net::Loop& control, net::Address agent, WorkloadApiEvents& events);
  ~WorkloadApi() { hang_up(); }
  void start() { call(); }

 private:
  void call();
  void over(const std::string& why);
  void hang_up();
  void read_messages();
  std::string status_of(http::HeaderMap& fields);
  http::StreamEvents* on_stream(http::StreamId) override { return nullptr; }
  void on_connected() override;
  void on_idle() override {}
  void on_draining() override {}
  void on_gone(const Error& why) override;
  http::ResponseHead* response_head() override { return &response_; }
  void on_head(bool end) override;
  void on_body(Buffer&& data, bool end) override;
  void on_trailers(http::HeaderMap& trailers) override { over(status_of(trailers)); }
  void on_sendable() override {}
  void on_reset(const Error& why) override { over(why.what); }

  net::Loop& control_;
  const net::Address agent_;
  WorkloadApiEvents& events_;
  std::unique_ptr<wire::HttpConnection> connection_;
  Arena arena_;
  http::RequestHead request_{arena_};
  http::ResponseHead response_{arena_};
  std::string unread_;  // of the answer
  http::StreamId stream_ = 0;
  bool asked_ = false;
  milliseconds pause_;
  net::BoundTimer<WorkloadApi, &WorkloadApi::call> again_{*this};
};

}  // namespace outrider::server
