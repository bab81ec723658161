#include <algorithm>

#include "tests/unit/net/client_hello.h"
#include "tests/unit/wire/session.h"

namespace outrider::wire {
namespace {

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

// RST behind the answer would be a risk only where something unread lies with us.
TEST(HttpConnection, WhoSaidThatItClosesIsNotWaitedFor) {
  const std::string last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  net::Loop loop;
  auto [client, server] = test::unix_pair();
  Session session(loop, server.release());
  client.write_some(last);
  Fd::Got end;
  EXPECT_TRUE(read_until(loop, client, "never", &end).ends_with("fine"));
  EXPECT_TRUE(end.end && !end.error);
  EXPECT_TRUE(session.gone()) << "with its FIN";

  auto [talker, other] = test::unix_pair();
  Session waiting(loop, other.release());
  talker.write_some(last + "and more");
  EXPECT_TRUE(read_until(loop, talker, "never", &end).ends_with("fine"));
  EXPECT_TRUE(end.end && !end.error);
  EXPECT_FALSE(waiting.gone()) << "it has not kept its word";
  talker = Fd();
  EXPECT_TRUE(run_until(loop, [&] { return waiting.gone(); }));
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

struct Crowd {  // of requests that are under way
  Crowd() {
    session.answers = false;
    std::string bytes = http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0);
    for (uint32_t i = 0; i < 20; ++i) bytes += http::headers(1 + 2 * i, http::request_fields());
    ends.first.write_some(bytes);
    EXPECT_TRUE(run_until(loop, [&] { return session.streams.size() == 20; }));
  }
  size_t told() const {
    return size_t(std::ranges::count_if(session.streams, [](const auto& stream) { return stream.reset == "cut_short"; }));
  }
  static constexpr Error kCut{Code::Canceled, Side::Local, Retry::No, 0, "cut_short"};
  net::Loop loop;
  std::pair<Fd, Fd> ends = test::unix_pair();
  Session session{loop, ends.second.release(), http::Wire::Http2};
};

TEST(HttpConnection, ACrowdOfStreamsIsToldOfItsEndOneByOne) {
  Crowd crowd;
  crowd.session.connection->fail(Crowd::kCut);
  EXPECT_EQ(crowd.told(), 1u) << "others are served before the next";
  EXPECT_FALSE(crowd.session.gone());
  crowd.session.answer(crowd.session.streams.back().id, 200, "too late", true);
  crowd.session.connection->codec().detach(crowd.session.streams[5].id);
  ASSERT_TRUE(run_until(crowd.loop, [&] { return crowd.session.gone(); }));
  EXPECT_EQ(crowd.told(), 19u) << "but who left before";
  EXPECT_EQ(crowd.session.goings, 1);
}

TEST(HttpConnection, ACrowdOfStreamsIsToldAtOnceWhereThatIsAskedFor) {
  Crowd crowd;
  crowd.session.connection->fail(Crowd::kCut);
  crowd.session.connection->tell_all();
  EXPECT_EQ(crowd.told(), 20u);
  EXPECT_EQ(crowd.session.goings, 1);
}

TEST(HttpConnection, WhoIsRetiredBeforeItsCrowdIsToldCallsNobody) {
  Crowd crowd;
  crowd.session.connection->fail(Crowd::kCut);
  crowd.session.connection->leave();
  test::run_turns(crowd.loop);
  EXPECT_EQ(crowd.told(), 1u);
  EXPECT_FALSE(crowd.session.gone());
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

}  // namespace
}  // namespace outrider::wire
