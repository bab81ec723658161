#include "admin/session.h"

#include <utility>

#include "base/text.h"

namespace outrider::admin {

namespace {

constexpr milliseconds kForRequest{10'000}, kForReply{120'000};

http::CodecLimits limits() {
  http::CodecLimits result;
  result.max_header_bytes = 16 * 1024;
  return result;
}

}  // namespace

Session::Session(AdminServer& server, int fd, Visitor visitor)
    : server_(server), visitor_(visitor), body_(server.loop().blocks()), since_(server.loop().now()) {
  wire::ConnectionOwner& self = *this;
  connection_ = std::make_unique<wire::HttpConnection>(server.loop(), self);
  server_.loop().arm(deadline_, kForRequest);
  connection_->accept(fd, http::Wire::Http1, limits());
}

Session::~Session() {
  forget_page();
  if (!connection_) return;
  if (state_ != State::Idle) connection_->codec().detach(stream_);
  wire::HttpConnection::retire(std::move(connection_));
}

void Session::become(State state) {
  state_ = state;
  since_ = server_.loop().now();
}

http::StreamEvents* Session::on_stream(http::StreamId id) {
  if (state_ != State::Idle) return nullptr;  // only a client that breaks HTTP/1 gets here
  become(State::Reading);
  server_.loop().arm(deadline_, kForRequest);
  stream_ = id;
  arena_.reset();
  head_.clear();
  ask_ = Ask{};
  return this;
}

void Session::on_head(bool end) {
  head_only_ = head_.method == http::Method::Head;
  // What a web page or a proxy on this machine passes on comes from this machine, and is somebody else's.
  passed_on_ = head_.headers.find(http::HeaderId::Origin) || head_.headers.find(http::HeaderId::XForwardedFor) ||
               head_.headers.find(http::HeaderId::Forwarded);
  ask_.method = head_only_ ? http::Method::Get : head_.method;
  std::string_view rest = head_.path;
  ask_.path = std::string(next_part(rest, '?'));
  ask_.query = std::string(rest);
  ask_.local = visitor_.local;
  ask_.accept = std::string(head_.headers.value(http::HeaderId::Accept));
  ask_.accept_encoding = std::string(head_.headers.value("accept-encoding"));
  ask_.if_none_match = std::string(head_.headers.value("If-None-Match"));
  if (end) return request_complete();
  if (list_contains(head_.headers.value(http::HeaderId::Expect), "100-continue")) {
    http::ResponseHead go_on(arena_);
    go_on.status = 100;
    connection_->codec().send_interim(stream_, go_on);
  }
}

void Session::on_body(Buffer&& data, bool end) {
  const size_t size = data.size();
  if (state_ == State::Reading && ask_.body.size() + size <= server_.most_body()) ask_.body += data.text();
  else if (state_ == State::Reading) {
    close_behind_ = true;
    reply({.status = 413, .body = "A body is at most " + std::to_string(server_.most_body() / 1024) + " KiB here.\n"});
  }
  if (!connection_) return;
  connection_->codec().consumed(stream_, size);
  if (end && state_ == State::Reading) request_complete();
}

void Session::on_trailers(http::HeaderMap&) {
  if (state_ == State::Reading) request_complete();
}

void Session::request_complete() {
  become(State::Asking);
  deadline_.cancel();
  server_.visit(*this);
}

void Session::send_head(const Reply& of, std::optional<size_t> length, bool end) {
  http::ResponseHead head(arena_);
  head.status = of.status;
  head.reason = http::reason_of(of.status);
  head.headers.add("content-type", of.type);
  if (length) head.headers.add("content-length", std::to_string(*length));
  head.headers.add("cache-control", of.cache);
  head.headers.add("x-content-type-options", "nosniff");
  head.headers.add("cross-origin-resource-policy", "same-origin");
  if (!of.allow.empty()) head.headers.add("allow", of.allow);
  if (!of.coding.empty()) head.headers.add("content-encoding", of.coding);
  for (const auto& [name, value] : of.fields) head.headers.add(name, value);
  if (close_behind_) head.headers.add("connection", "close");
  connection_->codec().send_response(stream_, head, end);
}

void Session::reply(Reply whole) {
  page_ = nullptr;
  if (!connection_) return;
  become(State::Sending);
  server_.loop().arm(deadline_, kForReply);
  const bool empty = head_only_ || whole.body.empty();
  send_head(whole, whole.status == 304 ? std::nullopt : std::optional(whole.body.size()), empty);
  if (!empty) body_.append(whole.body);
  empty ? become(State::Idle) : send_body();
  if (close_behind_) connection_->close_after_flush();
}

bool Session::begin(Reply head) {
  if (head_only_) page_ = nullptr;
  if (!connection_) return false;
  become(head_only_ ? State::Idle : State::Streaming);
  if (head_only_) server_.loop().arm(deadline_, kForReply);
  send_head(head, std::nullopt, head_only_);
  return !head_only_;
}

// How long he may take for it begins anew with whatever he takes.
bool Session::send(std::string_view piece) {
  if (state_ != State::Streaming || !connection_) return true;
  body_.append(piece);
  const size_t before = body_.size();
  connection_->codec().send_body(stream_, body_, false);
  if (body_.empty()) deadline_.cancel();
  else if (body_.size() < before || !deadline_.armed()) server_.loop().arm(deadline_, kForReply);
  return body_.empty();
}

void Session::end() {
  page_ = nullptr;
  if (state_ != State::Streaming || !connection_) return;
  become(State::Sending);
  server_.loop().arm(deadline_, kForReply);
  send_body();
}

void Session::on_input_end() {
  if (state_ == State::Streaming) close();
}

void Session::send_body() {
  connection_->codec().send_body(stream_, body_, true);
  if (body_.empty()) become(State::Idle);
}

void Session::on_sendable() {
  if (state_ == State::Sending && connection_) send_body();
  else if (send({}) && state_ == State::Streaming && page_) page_->on_room(*this);
}

// Either the request makes no sense, which deserves an answer, or nobody waits for one.
void Session::on_reset(const Error& why) {
  const bool malformed = why.side == Side::Downstream && (why.code == Code::Protocol || why.code == Code::TooLarge);
  if (malformed && state_ == State::Reading) {
    const uint16_t status = why.status ? why.status : uint16_t(400);
    return reply({.status = status, .body = std::string(why.what) + "\n"});
  }
  forget_page();
  body_.clear();
  become(State::Idle);
}

void Session::forget_page() {
  if (page_) std::exchange(page_, nullptr)->on_gone(*this);
}

void Session::on_gone(const Error&) {
  become(State::Idle);
  close();
}

void Session::on_deadline() { close(); }

int Session::release() {
  if (state_ != State::Idle || !connection_ || !connection_->codec().reusable()) return -1;
  const auto codec = connection_->rest();
  const int fd = codec ? connection_->release() : -1;
  if (codec) close();
  return fd;
}

void Session::close() {
  forget_page();
  deadline_.cancel();
  if (connection_) {
    if (state_ != State::Idle) connection_->codec().detach(stream_);
    wire::HttpConnection::retire(std::move(connection_));
  }
  become(State::Idle);
  server_.ended(*this);
}

}  // namespace outrider::admin
