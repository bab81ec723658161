#include "tests/support/wires.h"

namespace outrider::test {

namespace {

const std::vector<std::string> kOneWorker{"overload.threads=1"};

std::string joined(std::initializer_list<std::string> parts) {
  std::string all;
  for (const auto& part : parts)
    if (!part.empty()) all += (all.empty() ? "" : ", ") + part;
  return all;
}

std::string spoken(bool http2) { return http2 ? "protocol: http2, health_check: off" : "protocol: http1"; }

}  // namespace

// No limit of its own may come before those of the proxy under test.
std::unique_ptr<Proxy> Chain::changer(const std::string& to, const std::string& cluster, const std::string& listener) {
  return std::make_unique<Proxy>(
      Proxy::edge(
          {to},
          joined(
              {cluster, "panic: 100%, retry: off, timeout: 0, connect_timeout: 60s, circuit_breaker: {max_connections: 65536}"}),
          joined({"http: {forwarded: off, max_body: off, max_header_bytes: 1MiB, max_headers: 1000, normalize_path: false}, "
                  "timeouts: {request_headers: 0, idle: 0, stream_idle: 0, request: 0}",
                  listener})),
      kOneWorker);
}

std::string Chain::to(const Origin& origin) {
  if (!wires_.changed_out()) return origin.text();
  behind_.push_back(changer(origin.text(), spoken(false), certificates_ ? certificates_->listener() : ""));
  return behind_.back()->address().text();
}

Proxy& Chain::start(const std::vector<std::string>& endpoints, const std::string& cluster, const std::string& listener,
                    std::vector<std::string> set) {
  const std::string to = certificates_ ? certificates_->cluster() : "";
  proxy_ = std::make_unique<Proxy>(Proxy::edge(endpoints,
                                               joined({wires_.http2_out ? spoken(true)
                                                       : certificates_  ? spoken(false)
                                                                        : "",
                                                       to, cluster}),
                                               joined({certificates_ ? certificates_->listener() : "", listener})),
                                   std::move(set));
  if (wires_.changed_in()) before_ = changer(proxy_->address().text(), joined({spoken(wires_.http2_in), to}));
  return *proxy_;
}

void Chain::expect_quiet() {
  before_.reset();
  test::expect_quiet(*proxy_);
}

}  // namespace outrider::test
