#include "wire/http_connection.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "http/vacant_codecs.h"
#include "tests/support/loop.h"
#include "tests/support/sockets.h"
#include "tests/unit/http/frames.h"
#include "tests/unit/net/client_hello.h"

namespace outrider::wire {
namespace {

using test::drive_until;
using test::Fd;
using test::run_until;

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

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
std::string read_until(net::Loop& loop, Fd& from, std::string_view mark, Fd::Got* last = nullptr) {
  std::string all;
  EXPECT_TRUE(drive_until(loop, [&] {
    auto got = from.read_some();
    all += got.bytes;
    if (last) *last = got;
    return all.find(mark) != std::string::npos || got.end || got.error;
  }));
  return all;
}

const std::string kFine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

TEST(HttpConnection, AnswersOneRequestAfterAnother) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  for (int i = 1; i <= 3; ++i) {
    client.write_some(kGet);
    EXPECT_EQ(read_until(loop, client, "fine"), kFine);
    ASSERT_TRUE(run_until(loop, [&] { return session.idles == i; }));
  }
  client.write_some(kGet + kGet + kGet);
  EXPECT_EQ(read_until(loop, client, kFine + kFine + kFine), kFine + kFine + kFine);
  EXPECT_EQ(session.connection->bytes_in(), 6 * kGet.size());
  EXPECT_EQ(session.connection->bytes_out(), 6 * kFine.size());
  EXPECT_FALSE(session.gone());
}

// What each turn of the loop adds to the streams, at most, until there are `all`.
size_t most_of_a_turn(net::Loop& loop, Session& session, size_t all) {
  size_t most = 0;
  EXPECT_TRUE(run_until(loop, [&, seen = size_t{0}]() mutable {
    most = std::max(most, session.streams.size() - seen);
    seen = session.streams.size();
    return seen >= all || session.gone();
  }));
  return most;
}

TEST(HttpConnection, WhoAsksForMuchAtOnceIsServedInSeveralTurns) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  http::CodecLimits limits;
  limits.max_streams = 500;
  Session session(loop, server.release(), http::Wire::Http2, limits);
  std::string bytes = http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0);
  for (uint32_t i = 0; i < 400; ++i) bytes += http::headers(1 + 2 * i, http::request_fields());
  client.write_some(bytes);
  EXPECT_LE(most_of_a_turn(loop, session, 400), 65u);
  EXPECT_EQ(session.streams.size(), 400u);
  ASSERT_TRUE(run_until(loop, [&] { return session.idles > 0; })) << "all are answered";
}

TEST(HttpConnection, WhoTakesItsRequestsBackGetsLittleOfATurn) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release(), http::Wire::Http2);
  const auto cancelled = [](uint32_t from, uint32_t to) {
    std::string bytes;
    for (uint32_t i = from; i < to; ++i)
      bytes += http::headers(1 + 2 * i, http::request_fields()) +
               http::frame(NGHTTP2_RST_STREAM, 0, 1 + 2 * i, http::number(NGHTTP2_CANCEL));
    return bytes;
  };
  client.write_some(http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0) + cancelled(0, 60));
  most_of_a_turn(loop, session, 60);
  client.write_some(cancelled(60, 120));
  const size_t before = session.streams.size();
  EXPECT_EQ(before, 60u);
  size_t turns = 0;
  ASSERT_TRUE(run_until(loop, [&] { return ++turns, session.streams.size() == 120; }));
  EXPECT_GE(turns, 6u);
  EXPECT_FALSE(session.gone());
}

TEST(HttpConnection, SaysWhenARequestIsHalfThere) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  client.write_some("GET / HT");
  ASSERT_TRUE(run_until(loop, [&] { return session.partials == 1; }));
  EXPECT_TRUE(session.streams.empty());
}

TEST(HttpConnection, AFinIsTheEndAfterTheAnswers) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  client.write_some(kGet + kGet);
  client.shut_write();
  const std::string all = read_until(loop, client, "never");
  EXPECT_TRUE(all.starts_with(kFine.substr(0, 17)));
  EXPECT_EQ(session.streams.size(), 2u);
  EXPECT_TRUE(all.ends_with("fine")) << all;
  EXPECT_TRUE(run_until(loop, [&] { return session.gone(); }));
  EXPECT_EQ(session.goings, 1);
}

// One codec is enough for connections that take turns, and each goes on counting its own streams.
TEST(HttpConnection, RestsBetweenRequests) {
  net::Loop loop;
  http::VacantCodecs codecs(loop.blocks());
  auto [a, a_client] = test::unix_pair();
  auto [b, b_client] = test::unix_pair();
  Session first(loop, a.release(), codecs), second(loop, b.release(), codecs);
  EXPECT_TRUE(first.connection->resting());
  std::set<http::Codec*> seen;
  for (size_t round = 1; round <= 3; ++round)
    for (auto [session, client] : {std::pair(&first, &a_client), std::pair(&second, &b_client)}) {
      client->write_some(kGet.substr(0, 5));
      ASSERT_TRUE(run_until(loop, [&] { return session->partials == int(round); }));
      EXPECT_FALSE(session->connection->resting());
      seen.insert(&session->connection->codec());
      client->write_some(kGet.substr(5));
      EXPECT_EQ(read_until(loop, *client, "fine"), kFine);
      ASSERT_TRUE(run_until(loop, [&] { return session->connection->resting(); }));
      EXPECT_EQ(session->streams.back().id, round);
    }
  EXPECT_EQ(seen.size(), 1u);
}

TEST(HttpConnection, TlsIsHandedOnAsItCameOnceItsHelloIsWhole) {
  const std::string hello = net::hello_to("a.test");
  for (const Hears hears : {Hears::HttpAndTls, Hears::Everything, Hears::Tls}) {
    net::Loop loop;
    http::VacantCodecs codecs(loop.blocks());
    auto [server, client] = test::unix_pair();
    Session session(loop, server.release(), codecs, hears);
    client.write_some(hello.substr(0, hello.size() - 1));
    ASSERT_TRUE(run_until(loop, [&] { return session.partials == 1; }));
    EXPECT_TRUE(session.connection->in_hello());
    EXPECT_TRUE(session.streams.empty());
    client.write_some(hello.substr(hello.size() - 1) + "more");
    ASSERT_TRUE(run_until(loop, [&] { return session.streams.size() == 1 && session.streams[0].body == hello + "more"; }));
    EXPECT_EQ(int(session.connection->wire()), int(http::Wire::Raw));
    EXPECT_FALSE(session.connection->in_hello());
  }
}

TEST(HttpConnection, AHelloThatIsNotWaitedForAnyMoreIsHandedOnToo) {
  net::Loop loop;
  http::VacantCodecs codecs(loop.blocks());
  auto [server, client] = test::unix_pair();
  Session session(loop, server.release(), codecs, Hears::HttpAndTls);
  client.write_some(net::hello_to("a.test").substr(0, 20));
  ASSERT_TRUE(run_until(loop, [&] { return session.partials == 1; }));
  session.connection->presume_tls();
  ASSERT_TRUE(run_until(loop, [&] { return session.streams.size() == 1 && session.streams[0].body.size() == 20; }));
}

TEST(HttpConnection, WhereTlsIsNotHeardItIsHttpsToMakeSomethingOfIt) {
  net::Loop loop;
  http::VacantCodecs codecs(loop.blocks());
  auto [server, client] = test::unix_pair();
  Session session(loop, server.release(), codecs);
  client.write_some(net::hello_to("a.test"));
  ASSERT_TRUE(run_until(loop, [&] { return session.partials == 1; }));
  EXPECT_FALSE(session.connection->undecided());
  EXPECT_EQ(int(session.connection->wire()), int(http::Wire::Http1));
}

TEST(HttpConnection, DoesNotRestWhileItsAnswerIsOnTheWay) {
  net::Loop loop;
  http::VacantCodecs codecs(loop.blocks());
  auto [server, client] = test::unix_pair();
  const int small = 4096;
  setsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  Session session(loop, server.release(), codecs);
  session.answers = false;
  client.write_some(kGet);
  ASSERT_TRUE(run_until(loop, [&] { return session.streams.size() == 1 && session.streams[0].ended; }));
  session.answer(1, 200, std::string(64 << 10, 'x') + "end", true);
  test::run_turns(loop);
  EXPECT_EQ(session.idles, 1);
  EXPECT_FALSE(session.connection->resting());
  EXPECT_TRUE(read_until(loop, client, "end").ends_with("end"));
}

TEST(HttpConnection, WhileItRestsItEndsAsEver) {
  net::Loop loop;
  http::VacantCodecs codecs(loop.blocks());
  auto [a, leaving] = test::tcp_pair();
  auto [b, told] = test::tcp_pair();
  Session left(loop, a.release(), codecs), closed(loop, b.release(), codecs);
  leaving.close();
  ASSERT_TRUE(run_until(loop, [&] { return left.gone(); }));
  EXPECT_EQ(left.gone_why, "client_closed");
  closed.connection->close_after_flush();
  Fd::Got last;
  EXPECT_EQ(read_until(loop, told, "never", &last), "");
  EXPECT_TRUE(last.end);
  told.close();
  EXPECT_TRUE(run_until(loop, [&] { return closed.gone(); }));
}

TEST(HttpConnection, TellsItsOwnerOfALimitUntilItCloses) {
  net::Loop loop;
  auto [server, client] = test::unix_pair();
  Session session(loop, server.release());
  session.connection->limit(milliseconds(600000));
  session.connection->limit(milliseconds(10));
  ASSERT_TRUE(run_until(loop, [&] { return session.limits == 1; }));
  session.connection->limit(milliseconds(10));
  session.connection->close_after_flush(milliseconds(0));
  client.close();
  ASSERT_TRUE(run_until(loop, [&] { return session.gone(); }));
  EXPECT_EQ(session.limits, 1);
}

TEST(HttpConnection, AFinBetweenRequestsIsTheEndAtOnce) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  client.shut_write();
  ASSERT_TRUE(run_until(loop, [&] { return session.gone(); }));
  EXPECT_EQ(session.gone_why, "client_closed");
}

TEST(HttpConnection, APeerThatIsLostIsToldToEveryone) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  client.write_some(kPost + "3\r\nabc\r\n");
  ASSERT_TRUE(run_until(loop, [&] { return !session.streams.empty() && session.streams[0].body == "abc"; }));
  client.close_with_reset();
  ASSERT_TRUE(run_until(loop, [&] { return session.gone(); }));
  EXPECT_EQ(session.streams[0].reset, "connection_reset");
  EXPECT_EQ(session.goings, 1);
}

TEST(HttpConnection, OnceRetiredItCallsNobody) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  auto session = std::make_unique<Session>(loop, server.release());
  client.write_some(kGet);
  session.reset();
  test::run_turns(loop);
  Fd::Got last;
  read_until(loop, client, "never", &last);
  EXPECT_TRUE(last.end || last.error);
}

TEST(HttpConnection, AsAClientItAsksAndIsAnswered) {
  net::Loop loop;
  Fd listener = test::tcp_listener();
  Session session(loop, net::Address::local_of(listener.get()));
  ASSERT_TRUE(run_until(loop, [&] { return session.connected; }));
  Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  auto& stream = session.streams.emplace_back(session, 0);
  stream.id = session.connection->codec().open(stream);
  Arena arena;
  http::RequestHead head(arena);
  head.method = http::Method::Get;
  head.method_text = "GET";
  head.path = "/x";
  session.connection->codec().send_request(stream.id, head, {}, true);
  EXPECT_EQ(read_until(loop, server, "\r\n\r\n"), "GET /x HTTP/1.1\r\n\r\n");
  server.write_some(kFine);
  ASSERT_TRUE(run_until(loop, [&] { return stream.ended; }));
  EXPECT_EQ(stream.body, "fine");
  server.close();
  ASSERT_TRUE(run_until(loop, [&] { return session.gone(); }));
  EXPECT_EQ(session.gone_why, "upstream_closed");
}

// --- back-pressure -----------------------------------------------------------------------------------------------------

TEST(HttpConnection, WhatNobodyTakesIsNotRead) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  session.takes = false;
  client.write_some(kPost);
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  std::string left;
  size_t sent = 0;
  for (int still = 0; still < 50; ++still) {
    if (left.empty()) left = chunk;
    const size_t n = client.write_some(left);
    left.erase(0, n);
    sent += n;
    if (n) still = 0;
    loop.run_turn(false);
    ASSERT_LT(sent, size_t(16) << 20);
  }
  EXPECT_LT(loop.blocks().in_use_bytes(), size_t(1) << 20);
  session.takes = true;
  session.connection->codec().consumed(session.streams[0].id, session.streams[0].body.size());
  ASSERT_TRUE(drive_until(loop, [&] {
    left.erase(0, client.write_some(left));
    return left.empty();
  }));
}

TEST(HttpConnection, WhatThePeerDoesNotReadIsNotMade) {
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  session.answers = false;
  client.write_some(kGet);
  ASSERT_TRUE(run_until(loop, [&] { return !session.streams.empty(); }));
  session.answer(1, 200, "", false);
  size_t made = 0;
  for (int still = 0; still < 20; ++still) {
    const size_t n = 20000 - session.say(1, std::string(20000, 'y'), false);
    made += n;
    if (n) still = 0;
    loop.run_turn(false);
    ASSERT_LT(made, size_t(16) << 20);
  }
  EXPECT_LT(loop.blocks().in_use_bytes(), size_t(1) << 20);
  EXPECT_EQ(session.streams[0].sendables, 0);
  size_t drained = 0;
  ASSERT_TRUE(drive_until(loop, [&] {
    drained += client.read_some().bytes.size();
    return session.streams[0].sendables > 0;
  }));
}

// --- the end, said so that it is heard -----------------------------------------------------------------------------------

// RST would take the answer away from a client that is still sending (RFC 9112 9.6).
TEST(HttpConnection, TheLastAnswerArrivesThoughTheClientIsStillSending) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  session.answers = false;
  client.write_some("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  ASSERT_TRUE(run_until(loop, [&] { return !session.streams.empty(); }));
  client.write_some(std::string(100000, 'x'));
  session.answer(1, 413, "too much", true);
  session.connection->codec().detach(1);
  Fd::Got last;
  const std::string all = read_until(loop, client, "never", &last);
  EXPECT_TRUE(all.ends_with("too much")) << all;
  EXPECT_TRUE(last.end);
  EXPECT_EQ(last.error, 0);
  EXPECT_FALSE(session.gone());
  client.close();
  ASSERT_TRUE(run_until(loop, [&] { return session.gone(); }));
}

TEST(HttpConnection, WhoGoesOnSendingForeverIsCutOff) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  session.connection->close_after_flush();
  size_t sent = 0;
  ASSERT_TRUE(drive_until(loop, [&] {
    sent += client.write_some(std::string(65536, 'x'));
    return session.gone();
  }));
  EXPECT_GT(sent, 0u);
}

TEST(HttpConnection, AMessageThatIsCutShortEndsInAReset) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  session.answers = false;
  client.write_some(kGet);
  ASSERT_TRUE(run_until(loop, [&] { return !session.streams.empty(); }));
  session.answer(1, 200, "half", false);
  session.connection->codec().reset(1, http::Reset::Internal);
  Fd::Got last;
  const std::string all = read_until(loop, client, "never", &last);
  EXPECT_NE(all.find("half"), std::string::npos);
  EXPECT_EQ(last.error, ECONNRESET);
  ASSERT_TRUE(run_until(loop, [&] { return session.gone(); }));
}

// Fills the socket of a client that does not read.
void fill(net::Loop& loop, Session& session, Fd& client) {
  session.answers = false;
  client.write_some(kGet);
  ASSERT_TRUE(run_until(loop, [&] { return !session.streams.empty(); }));
  session.answer(1, 200, "", false);
  int still = 0;
  ASSERT_TRUE(drive_until(loop, [&] {
    still = session.say(1, std::string(60000, 'y'), false) == 60000 ? still + 1 : 0;
    return still == 50;
  }));
  ASSERT_FALSE(session.connection->flushed());
}

TEST(HttpConnection, AMessageThatIsCutShortDoesNotWaitForAClientThatReadsNothing) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  fill(loop, session, client);
  session.connection->codec().reset(1, http::Reset::Timeout);
  ASSERT_TRUE(run_until(
      loop, [&] { return session.gone(); }, milliseconds(5000)));
}

TEST(HttpConnection, AnAnswerThatNobodyReadsIsGivenUpAfterItsLimit) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  fill(loop, session, client);
  session.connection->close_after_flush(milliseconds(50));
  ASSERT_TRUE(run_until(
      loop, [&] { return session.gone(); }, milliseconds(5000)));
  Fd::Got last;
  read_until(loop, client, "never", &last);
  EXPECT_EQ(last.error, ECONNRESET);  // not an end that looks like one
}

TEST(HttpConnection, AnAnswerThatIsReadSlowlyIsNot) {
  net::Loop loop;
  auto [client, server] = test::tcp_pair();
  Session session(loop, server.release());
  session.answers = false;
  client.write_some(kGet);
  ASSERT_TRUE(run_until(loop, [&] { return !session.streams.empty(); }));
  session.answer(1, 200, std::string(50000, 'y'), true);
  session.connection->close_after_flush(milliseconds(5000));
  EXPECT_TRUE(read_until(loop, client, "never").ends_with("yyyy"));
}

}  // namespace
}  // namespace outrider::wire
