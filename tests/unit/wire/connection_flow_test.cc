// Back-pressure, and ends that are said so that they are heard.

#include "tests/unit/wire/session.h"

namespace outrider::wire {
namespace {

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
