#include "server/workload_api.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "http/grpc.h"
#include "http/grpc_frame.h"
#include "identity/svid.h"

namespace outrider::server {

namespace {
constexpr milliseconds kFirstPause{1000}, kLongestPause{30000};
}

WorkloadApi::WorkloadApi(net::Loop& control, net::Address agent, WorkloadApiEvents& events)
    : control_(control), agent_(agent), events_(events), pause_(kFirstPause) {}

void WorkloadApi::call() {
  connection_.reset(new wire::HttpConnection(control_, *this));
  if (const auto ok = connection_->connect(agent_, http::Wire::Http2, {}); !ok) over(std::strerror(ok.error().os_error));
}

void WorkloadApi::on_connected() {
  request_.clear();
  response_.clear();
  arena_.reset();
  request_.method = http::Method::Post;
  request_.method_text = "POST";
  request_.path = "/SpiffeWorkloadAPI/FetchX509SVID";
  request_.authority = "localhost";
  request_.headers.add("host", "localhost");
  request_.headers.add("content-type", "application/grpc");
  request_.headers.add("te", "trailers");
  request_.headers.add("workload.spiffe.io", "true");  // so that nobody is led here who can only make requests for others
  http::Codec& codec = connection_->codec();
  stream_ = codec.open(*this);
  asked_ = true;
  codec.send_request(stream_, request_, {}, false);
  Buffer question(control_.blocks());
  question.append(http::write_grpc_frame({}));
  codec.send_body(stream_, question, true);
}

void WorkloadApi::on_head(bool end) {
  if (end) return over(status_of(response_.headers));
  if (response_.status != 200) over("it answers " + std::to_string(response_.status) + ": no Workload API");
}

void WorkloadApi::on_body(Buffer&& data, bool end) {
  size_t size = 0;
  for (; !data.empty(); data.drop(data.front().size())) {
    size += data.front().size();
    unread_.append(data.front());
  }
  connection_->codec().consumed(stream_, size);
  read_messages();
  if (end && connection_) over("its answer has ended");
}

void WorkloadApi::read_messages() {
  while (connection_) {
    const auto frame = http::read_grpc_frame(unread_);
    if (!frame) return;
    if (frame->compressed || frame->length > identity::kMaxSvids) return over("its answer is compressed, or larger than 4 MiB");
    if (unread_.size() - http::GrpcFrame::kHead < frame->length) return;
    pause_ = kFirstPause;
    std::string message = unread_.substr(http::GrpcFrame::kHead, frame->length);
    std::string rest = unread_.substr(http::GrpcFrame::kHead + frame->length);
    identity::wipe(unread_);
    unread_.swap(rest);
    events_.on_svids(message);
    identity::wipe(message);
  }
}

std::string WorkloadApi::status_of(http::HeaderMap& fields) {
  const auto status = http::grpc_status_in(fields);
  if (!status) return "its answer has ended";
  const std::string said(fields.value("grpc-message").substr(0, 200));
  return http::name_of(*status) + (said.empty() ? "" : ": " + said);
}

void WorkloadApi::on_gone(const Error& why) { over(why.os_error ? std::strerror(why.os_error) : std::string(why.what)); }

void WorkloadApi::hang_up() {
  identity::wipe(unread_);
  if (!connection_) return;
  if (asked_) connection_->codec().detach(stream_);
  asked_ = false;
  wire::HttpConnection::retire(std::move(connection_));
}

void WorkloadApi::over(const std::string& why) {
  if (!connection_) return;
  hang_up();
  control_.arm(again_, pause_);
  pause_ = std::min(pause_ * 2, kLongestPause);
  events_.on_agent_trouble(why);
}

}  // namespace outrider::server
