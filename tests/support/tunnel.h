#pragma once
// A client that asks for a tunnel, from a test's seat: by HTTP/1 Upgrade or by extended CONNECT of HTTP/2.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "http/websocket.h"
#include "tests/support/stream.h"
#include "tests/unit/http/rig.h"

namespace outrider::test {

inline constexpr char kWebSocketKey[] = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 1.3

// One connection, and one tunnel on it. Every wait has the limit of Stream.
class Tunnel {
 public:
  virtual ~Tunnel() = default;
  // Asks for `protocol` at /chat with `early` sent behind in the same breath, and waits for the answer: its status, which
  // is 101 where the tunnel is open, whatever the wire says.
  virtual int ask(const std::string& early = {}, const std::string& protocol = "websocket") = 0;
  virtual std::string field(std::string_view name) const = 0;  // of the answer
  virtual void send(std::string_view bytes) = 0;
  virtual std::string read_exactly(size_t n) = 0;  // less at the end
  virtual std::string read_all() = 0;              // until the other side has ended, or the tunnel is cut
  virtual bool cut() const = 0;                    // after read_all()
  virtual void finish_sending() = 0;
  virtual void abort() = 0;
  virtual std::string echo(const std::string& data) = 0;  // sends all, and reads as much meanwhile
};

class Http1Tunnel final : public Tunnel {
 public:
  explicit Http1Tunnel(Stream stream) : stream_(std::move(stream)) {}
  int ask(const std::string& early, const std::string& protocol) override {
    EXPECT_TRUE(stream_.send("GET /chat HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, Upgrade\r\nUpgrade: " + protocol +
                             "\r\nSec-WebSocket-Key: " + kWebSocketKey +
                             "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n" + early));
    const auto answer = stream_.read_message();
    if (answer) answer_ = *answer;
    return answer_.status();
  }
  const Message& answer() const { return answer_; }
  std::string field(std::string_view name) const override { return answer_.field(name); }
  void send(std::string_view bytes) override { EXPECT_TRUE(stream_.send(bytes)); }
  std::string read_exactly(size_t n) override { return stream_.read_exactly(n).value_or(""); }
  std::string read_all() override { return stream_.read_all(); }
  bool cut() const override { return stream_.ended_by_reset(); }
  void finish_sending() override { stream_.finish_sending(); }
  void abort() override { stream_.abort(); }
  std::string echo(const std::string& data) override {
    std::thread sender([&] { stream_.send(data); });
    std::string back;
    while (back.size() < data.size()) {
      const auto part = stream_.read_some(1 << 20);
      if (part.empty()) break;
      back += part;
    }
    sender.join();
    return back;
  }

 private:
  Stream stream_;
  Message answer_;
};

// What is under way is less than the windows, and fits the sockets: writing blocks nobody.
class Http2Tunnel final : public Tunnel {
 public:
  explicit Http2Tunnel(Stream stream) : stream_(std::move(stream)), events_(rig_, 0), unsent_(rig_.pool) {
    events_.on_refused = [this](const Error&) { reset_ = true; };
  }
  int ask(const std::string& early, const std::string& protocol) override {
    events_.id = rig_.codec->open(events_);
    events_.request.method_text = "CONNECT";
    events_.request.method = http::Method::Connect;
    events_.request.path = "/chat";
    events_.request.authority = "web";
    events_.request.protocol = protocol;
    events_.request.headers.add("sec-websocket-version", "13");
    events_.request.headers.add("sec-websocket-protocol", "chat");
    rig_.codec->send_request(events_.id, events_.request, {}, false);
    send(early);
    while (events_.response.status < 200 && events_.response.status != 101 && !gone())
      if (!read_more()) break;
    return events_.response.status;
  }
  std::string field(std::string_view name) const override {
    const auto* field = events_.response.headers.find(name);
    return field ? std::string(field->value) : std::string();
  }
  void send(std::string_view bytes) override {
    unsent_.append(bytes);
    flush();
  }
  std::string read_exactly(size_t n) override {
    while (events_.body.size() < n && !events_.whole && !gone() && read_more()) {}
    std::string part = events_.body.substr(0, n);
    events_.body.erase(0, n);
    return part;
  }
  std::string read_all() override {
    while (!events_.whole && !gone() && read_more()) {}
    return std::exchange(events_.body, {});
  }
  bool cut() const override { return !events_.whole; }
  void finish_sending() override {
    ended_ = true;
    flush();
  }
  void abort() override {
    rig_.codec->reset(events_.id, http::Reset::Cancelled);
    flush();
  }
  std::string echo(const std::string& data) override {
    std::string back;
    unsent_.append(data);
    flush();
    while (back.size() < data.size() && !events_.whole && !gone() && read_more()) back += std::exchange(events_.body, {});
    return back;
  }

 private:
  bool gone() const { return rig_.fatal || reset_; }
  void flush() {
    if (!unsent_.empty() || ended_) rig_.codec->send_body(events_.id, unsent_, ended_);
    rig_.take_output();
    if (!rig_.written.empty()) stream_.send(std::exchange(rig_.written, {}));
  }
  bool read_more() {
    const auto bytes = stream_.read_some(65536);
    if (bytes.empty()) return false;
    rig_.note("read");  // and the line of body bytes is over: it would grow for ever
    rig_.events.clear();
    rig_.read(bytes);
    flush();
    return true;
  }
  http::Rig rig_{http::Role::Client, {}, http::Wire::Http2};
  Stream stream_;
  http::RecordingStream events_;
  Buffer unsent_;
  bool ended_ = false, reset_ = false;
};

}  // namespace outrider::test
