#include "upstream/health_checker.h"

#include <algorithm>
#include <utility>

#include "base/arena.h"
#include "http/grpc.h"
#include "upstream/grpc_health.h"
#include "upstream/origination.h"
#include "wire/http_connection.h"

namespace outrider::upstream {

namespace {
constexpr size_t kLongestAnswer = 1024;
constexpr milliseconds kStagger{2};  // between the first probes of a set, so that they are no burst
constexpr milliseconds kSoon{50};    // until the first success, doubling: a program that starts is met early

const char* reason_of(Code code) {
  switch (code) {
    case Code::Refused: return "refused";
    case Code::Unreachable: return "unreachable";
    case Code::Timeout: return "timeout";
    case Code::Tls: return "tls";
    case Code::Overload: return "overload";
    default: return "closed";
  }
}

}  // namespace

// One endpoint that is asked again and again, each time on a connection of its own. Owned by its group; control loop.
class HealthChecker::Check final : wire::ConnectionOwner, http::StreamEvents {
 public:
  Check(HealthChecker& checker, const Group& group, std::shared_ptr<Endpoint> endpoint, milliseconds first)
      : checker_(checker), group_(group), endpoint_(std::move(endpoint)) {
    checker_.control_.arm(next_, first);
  }
  ~Check() { hang_up(); }

 private:
  bool is_grpc() const;
  void probe();
  void write_request();
  void fail(const char* reason, std::string why);
  void fail(const Error& error);
  void over(const ProbeFailure* failure);
  void hang_up() {
    limit_.cancel();
    if (!connection_) return;
    if (asked_) connection_->codec().detach(stream_);
    asked_ = false;
    wire::HttpConnection::retire(std::move(connection_));
  }
  void on_limit();
  http::StreamEvents* on_stream(http::StreamId) override { return nullptr; }
  std::unique_ptr<http::Codec> codec_for(http::CodecEvents& events, http::Wire wire) override {
    return encrypted_codec(wire, events, checker_.control_.blocks(), {});
  }
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

  HealthChecker& checker_;
  const Group& group_;
  const std::shared_ptr<Endpoint> endpoint_;
  std::unique_ptr<wire::HttpConnection> connection_;
  Arena arena_;
  http::RequestHead request_{arena_};
  http::ResponseHead response_{arena_};
  std::string answer_;  // of gRPC
  http::StreamId stream_ = 0;
  bool asked_ = false;
  uint32_t passed_ = 0, failed_ = 0;  // in a row
  std::string_view said_;             // why it is unhealthy, as was told
  milliseconds soon_ = kSoon;         // the interval until the first success
  net::BoundTimer<Check, &Check::probe> next_{*this};
  net::BoundTimer<Check, &Check::on_limit> limit_{*this};
};

// The endpoints of one cluster.
struct HealthChecker::Group {
  std::string cluster;
  HealthPlan plan;
  std::unordered_map<const Endpoint*, std::unique_ptr<Check>> checks;
};

bool HealthChecker::Check::is_grpc() const { return group_.plan.kind == HealthPlan::Kind::Grpc; }

void HealthChecker::Check::probe() {
  const HealthPlan& plan = group_.plan;
  net::Address to = endpoint_->socket;
  if (!to.valid()) return fail("unreachable", "bad_address");
  if (plan.port && !to.is_unix()) to.set_port(plan.port);
  connection_.reset(new wire::HttpConnection(checker_.control_, *this));
  checker_.control_.arm(limit_, plan.timeout);
  const auto protocol = plan.kind == HealthPlan::Kind::Tcp ? Protocol::Raw : plan.protocol;
  const auto identity = plan.port ? std::string_view{} : endpoint_->mutual_identity();  // that port is its app's
  const auto tls = peer_of(plan.tls, to, identity, protocol, nullptr, endpoint_->host);
  const auto foreword = wire::write_proxy_header(plan.port ? wire::ProxyProtocol::Off : plan.proxy_protocol, nullptr);
  if (const auto ok = connection_->connect(to, wire_of(protocol), {}, tls ? &*tls : nullptr, foreword); !ok) fail(ok.error());
}

void HealthChecker::Check::on_connected() {
  if (group_.plan.kind == HealthPlan::Kind::Tcp) {
    connection_->flush();  // that it is nobody's
    return over(nullptr);
  }
  write_request();
  http::Codec& codec = connection_->codec();
  stream_ = codec.open(*this);
  asked_ = true;
  codec.send_request(stream_, request_, {}, !is_grpc());
  if (!is_grpc()) return;
  Buffer question(checker_.control_.blocks());
  question.append(grpc_health_question(group_.plan.path));
  codec.send_body(stream_, question, true);
}

void HealthChecker::Check::write_request() {
  request_.clear();
  response_.clear();
  arena_.reset();
  answer_.clear();
  request_.method = is_grpc() ? http::Method::Post : http::Method::Get;
  request_.method_text = is_grpc() ? "POST" : "GET";
  request_.path = is_grpc() ? kGrpcHealthPath : arena_.copy(group_.plan.path);
  request_.authority = endpoint_->address;
  request_.headers.add("host", endpoint_->address);
  request_.headers.add("user-agent", "outrider-health");
  if (is_grpc()) request_.headers.add("content-type", "application/grpc");
  else request_.headers.add("connection", "close");
}

void HealthChecker::Check::on_head(bool end) {
  if (is_grpc()) {
    if (end || response_.status != 200)
      fail("status", "no answer of gRPC's health service: status " + std::to_string(response_.status));
    return;
  }
  if (response_.status >= group_.plan.expect_low && response_.status <= group_.plan.expect_high) return over(nullptr);
  fail("status", "status " + std::to_string(response_.status));
}

void HealthChecker::Check::on_body(Buffer&& data, bool end) {
  for (; !data.empty(); data.drop(data.front().size())) answer_.append(data.front());
  if (end || answer_.size() > kLongestAnswer) fail("not_serving", "no answer of gRPC's health service");
}

void HealthChecker::Check::on_trailers(http::HeaderMap& trailers) {
  const auto status = http::grpc_status_in(trailers);
  if (!status) return fail("not_serving", "no grpc-status");
  if (*status != http::GrpcStatus::Ok) return fail("not_serving", "grpc-status " + std::to_string(int(*status)));
  says_serving(answer_) ? over(nullptr) : fail("not_serving", "it says that it is not serving");
}

void HealthChecker::Check::on_limit() {
  const bool encrypting = connection_ && connection_->connected() && connection_->in_handshake();
  fail("timeout", !connection_ || !connection_->connected() ? "connect_timeout"
                  : encrypting                              ? "tls_timeout"
                                                            : "no answer in time");
}

void HealthChecker::Check::fail(const Error& error) {
  std::string why = error.what;
  const auto* const tls = connection_ ? connection_->transport().tls() : nullptr;
  if (error.code == Code::Tls && tls && !tls->trouble().empty()) why += ": " + tls->trouble();
  fail(reason_of(error.code), std::move(why));
}

void HealthChecker::Check::fail(const char* reason, std::string why) {
  const ProbeFailure failure{reason, std::move(why)};
  over(&failure);
}

// The last thing it does is to tell: whoever hears may forget this check.
void HealthChecker::Check::over(const ProbeFailure* failure) {
  hang_up();
  const bool passed = !failure;
  const HealthPlan& plan = group_.plan;
  net::Loop& loop = checker_.control_;
  const double spread = 1 + plan.jitter * (2 * loop.random().unit() - 1);
  const milliseconds interval = passed ? plan.interval : std::min(soon_, plan.interval);
  soon_ = passed ? plan.interval : std::min(soon_ * 2, plan.interval);
  loop.arm(next_, std::max(milliseconds(1), milliseconds(int64_t(double(interval.count()) * spread))));

  passed_ = passed ? passed_ + 1 : 0;
  failed_ = passed ? 0 : failed_ + 1;
  const Health before = endpoint_->health.load(std::memory_order_relaxed), now = passed ? Health::Healthy : Health::Unhealthy;
  const bool enough = before == Health::Unknown || (passed ? passed_ >= plan.healthy : failed_ >= plan.unhealthy);
  const std::string cluster = group_.cluster;
  const std::shared_ptr<Endpoint> endpoint = endpoint_;
  HealthEvents& events = checker_.events_;
  const bool flips = before != now && enough;
  if (flips) {
    endpoint->health_since_ms.store(to_ms(net::Loop::wall()), std::memory_order_relaxed);
    endpoint->health.store(now, std::memory_order_relaxed);
  }
  const bool another = failure && before == Health::Unhealthy && said_ != failure->reason;
  if (flips || another) said_ = failure ? failure->reason : std::string_view{};
  events.on_probe(cluster, failure);
  if (flips || another) events.on_health(cluster, *endpoint, now, failure);
}

HealthChecker::HealthChecker(net::Loop& control, HealthEvents& events) : control_(control), events_(events) {}

HealthChecker::~HealthChecker() = default;

void HealthChecker::follow(const std::string& cluster, const HealthPlan& plan, std::shared_ptr<const EndpointSet> set) {
  if (plan.kind == HealthPlan::Kind::Off || !set) return forget(cluster);
  auto& group = groups_[cluster];
  if (!group) group = std::make_unique<Group>();
  group->cluster = cluster;
  group->plan = plan;
  auto before = std::exchange(group->checks, {});
  milliseconds first{0};
  for (const Member& member : set->members) {
    auto& check = group->checks[member.endpoint.get()];
    if (auto survivor = before.find(member.endpoint.get()); survivor != before.end()) {
      check = std::move(survivor->second);
    } else {
      check = std::make_unique<Check>(*this, *group, member.endpoint, first);
      first = std::min(first + kStagger, plan.interval);
    }
  }
}

void HealthChecker::forget(const std::string& cluster) { groups_.erase(cluster); }

}  // namespace outrider::upstream
