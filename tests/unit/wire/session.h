#pragma once
// Who owns a connection in these tests.

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "http/vacant_codecs.h"
#include "tests/support/loop.h"
#include "tests/support/sockets.h"
#include "tests/unit/http/frames.h"
#include "wire/http_connection.h"

namespace outrider::wire {

using test::drive_until;
using test::Fd;
using test::run_until;

inline const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
inline const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

// A session that does what a test tells it, and writes down what it hears.
class Session final : public ConnectionOwner {
 public:
  struct Stream final : http::StreamEvents {
    Stream(Session& s, http::StreamId i) : session(s), id(i) {}
    http::RequestHead* request_head() override { return &request; }
    http::ResponseHead* response_head() override { return &response; }
    void on_head(bool end) override { headed = true, on_end(end); }
    void on_body(Buffer&& data, bool end) override {
      body += data.text();
      if (session.takes) session.connection->codec().consumed(id, data.size());
      on_end(end);
    }
    void on_trailers(http::HeaderMap&) override { on_end(true); }
    void on_sendable() override { ++sendables; }
    void on_reset(const Error& why) override { reset = why.what; }
    void on_end(bool end) {
      ended |= end;
      if (end && session.answers && response.status == 0) session.answer(id, 200, "fine", true);
    }
    Session& session;
    http::StreamId id;
    Arena arena;
    http::RequestHead request{arena};
    http::ResponseHead response{arena};
    std::string body, reset;
    bool headed = false, ended = false;
    int sendables = 0;
  };

  Session(net::Loop& l, int fd, http::Wire wire = http::Wire::Http1, http::CodecLimits limits = {})
      : loop(l), connection(new HttpConnection(l, *this)) {
    connection->accept(fd, wire, limits);
  }
  Session(net::Loop& l, int fd, http::VacantCodecs& c, Hears hears = Hears::Http)
      : loop(l), connection(new HttpConnection(l, *this)), codecs(&c) {
    connection->accept_resting(fd, 65536, hears);
  }
  Session(net::Loop& l, const net::Address& to) : loop(l), connection(new HttpConnection(l, *this)) {
    EXPECT_TRUE(connection->connect(to, http::Wire::Http1, {}));
  }
  ~Session() {
    HttpConnection::retire(std::move(connection));
    test::run_turns(loop);
  }
  void answer(http::StreamId id, uint16_t status, std::string_view body, bool end) {
    Arena arena;
    http::ResponseHead head(arena);
    head.status = status;
    if (end) head.headers.add("Content-Length", std::to_string(body.size()));
    connection->codec().send_response(id, head, false);
    say(id, body, end);
  }
  size_t say(http::StreamId id, std::string_view bytes, bool end) {  // how much was left
    Buffer data(loop.blocks());
    data.append(bytes);
    connection->codec().send_body(id, data, end);
    return data.size();
  }
  bool gone() const { return goings > 0; }

  http::StreamEvents* on_stream(http::StreamId id) override { return &streams.emplace_back(*this, id); }
  void on_connected() override { connected = true; }
  void on_partial() override { ++partials; }
  void on_idle() override {
    ++idles;
    if (!connection->codec().reusable()) connection->close_after_flush();
    else if (codecs)
      if (auto codec = connection->rest()) codecs->keep(std::move(codec));
  }
  std::unique_ptr<http::Codec> codec_for(http::CodecEvents& events, http::Wire wire) override {
    if (wire == http::Wire::Raw) return http::make_codec(wire, http::Role::Server, events, loop.blocks(), {});
    return codecs->take(events, {}, http::StreamId(streams.size()));
  }
  void on_limit() override { ++limits; }
  void on_draining() override {}
  void on_gone(const Error& why) override { ++goings, gone_why = why.what; }

  net::Loop& loop;
  std::deque<Stream> streams;
  std::unique_ptr<HttpConnection> connection;
  http::VacantCodecs* codecs = nullptr;  // of one that rests
  std::string gone_why;
  int partials = 0, idles = 0, goings = 0, limits = 0;
  bool connected = false, answers = true, takes = true;
};

// Reads on while the loop turns, until `mark` has come or the other side has ended.
inline std::string read_until(net::Loop& loop, Fd& from, std::string_view mark, Fd::Got* last = nullptr) {
  std::string all;
  EXPECT_TRUE(drive_until(loop, [&] {
    auto got = from.read_some();
    all += got.bytes;
    if (last) *last = got;
    return all.find(mark) != std::string::npos || got.end || got.error;
  }));
  return all;
}

inline const std::string kFine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

}  // namespace outrider::wire
