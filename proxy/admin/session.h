#pragma once
// One connection to an admin port, and the one request it is serving.

#include <optional>

#include "admin/admin_server.h"

namespace outrider::admin {

// Owned by its server; on the server's loop; ends with its connection, at a deadline, or with the server. Reads a
// whole request, asks the server for the page, sends the whole reply, and is there for the next.
class Session final : wire::ConnectionOwner, http::StreamEvents, public Visit, public net::Retired {
 public:
  struct Visitor {
    bool local = false, by_path = false;  // from this machine; on a unix socket
    bool stranger = false;                // another user's process: it gets no page at all
  };
  Session(AdminServer& server, int fd, Visitor visitor);
  ~Session();
  const Ask& ask() const override { return ask_; }
  void reply(Reply whole) override;
  bool begin(Reply head) override;
  bool send(std::string_view piece) override;
  void end() override;
  void wait_for(Page& page) { page_ = &page; }  // who is to be told if the connection goes first
  const Visitor& visitor() const { return visitor_; }
  std::string host() const { return std::string(head_.authority); }  // as it was asked for
  bool passed_on() const { return passed_on_; }
  bool idle() const { return state_ == State::Idle; }
  TimePoint since() const { return since_; }  // when its state changed last
  void close();                               // at once
  int release();                              // the descriptor, where it waits for a request, and then it is gone; else -1

 private:
  enum class State : uint8_t { Idle, Reading, Asking, Streaming, Sending };
  http::StreamEvents* on_stream(http::StreamId id) override;
  void on_idle() override {  // a kept-alive connection waits under deadline_
    if (!connection_->codec().reusable() || server_.left()) connection_->close_after_flush();
  }
  void on_draining() override {}
  void on_input_end() override;
  void on_gone(const Error& why) override;
  http::RequestHead* request_head() override { return &head_; }
  void on_head(bool end) override;
  void on_body(Buffer&& data, bool end) override;
  void on_trailers(http::HeaderMap& trailers) override;
  void on_sendable() override;
  void on_reset(const Error& why) override;
  void on_retired() override { delete this; }
  void on_deadline();
  void request_complete();
  void send_head(const Reply& of, std::optional<size_t> length, bool end);
  void send_body();
  void become(State state);
  void forget_page();

  AdminServer& server_;
  std::unique_ptr<wire::HttpConnection> connection_;  // null once it is gone
  const Visitor visitor_;
  State state_ = State::Idle;
  bool head_only_ = false, passed_on_ = false, close_behind_ = false;
  http::StreamId stream_ = 0;
  Arena arena_;
  http::RequestHead head_{arena_};
  Ask ask_;
  Page* page_ = nullptr;
  Buffer body_;  // of the reply, what the codec has not taken
  TimePoint since_;
  net::BoundTimer<Session, &Session::on_deadline> deadline_{*this};
};

}  // namespace outrider::admin
