#include "tests/support/wires.h"

namespace outrider::test {

namespace {

const char* const kHttp2 = "protocol: http2, health_check: off";
const std::vector<std::string> kOneWorker{"overload.threads=1"};

// No limit of its own may come before those of the proxy under test.
std::unique_ptr<Proxy> changer(const std::string& to, const std::string& cluster) {
  return std::make_unique<Proxy>(
      Proxy::edge(
          {to},
          cluster + ", panic: 100%, retry: off, timeout: 0, connect_timeout: 60s, circuit_breaker: {max_connections: 65536}",
          "http: {forwarded: off, max_body: off, max_header_bytes: 1MiB, max_headers: 1000, normalize_path: false}, "
          "timeouts: {request_headers: 0, idle: 0, stream_idle: 0, request: 0}"),
      kOneWorker);
}

}  // namespace

std::string Chain::to(const Origin& origin) {
  if (!wires_.http2_out) return origin.text();
  behind_.push_back(changer(origin.text(), "protocol: http1"));
  return behind_.back()->address().text();
}

Proxy& Chain::start(const std::vector<std::string>& endpoints, const std::string& cluster, const std::string& listener,
                    std::vector<std::string> set) {
  std::string more = wires_.http2_out ? kHttp2 : "";
  if (!cluster.empty()) more += (more.empty() ? "" : ", ") + cluster;
  proxy_ = std::make_unique<Proxy>(Proxy::edge(endpoints, more, listener), std::move(set));
  if (wires_.http2_in) before_ = changer(proxy_->address().text(), kHttp2);
  return *proxy_;
}

void Chain::expect_quiet() {
  before_.reset();
  test::expect_quiet(*proxy_);
}

}  // namespace outrider::test
