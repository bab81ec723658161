#include "net/datagram.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/loop.h"

namespace outrider::net {
namespace {

using test::run_turns;
using test::run_until;

struct Inbox final : DatagramEvents {
  void on_datagram(std::span<char> bytes, const Address& from) override {
    texts.emplace_back(bytes.data(), bytes.size());
    senders.push_back(from);
  }
  std::vector<std::string> texts;
  std::vector<Address> senders;
};

TEST(Datagram, SendsAndReceives) {
  Loop loop;
  Inbox a_box, b_box;
  Datagram a(loop, a_box), b(loop, b_box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  ASSERT_TRUE(b.bind(Address::loopback(0)));
  ASSERT_NE(a.local().port(), 0);
  for (const auto& text : {std::string("hello"), std::string(), std::string(60000, 'x')}) EXPECT_EQ(a.send(text, b.local()), 0);
  ASSERT_TRUE(run_until(loop, [&] { return b_box.texts.size() == 3; }));
  EXPECT_EQ(b_box.texts[0], "hello");
  EXPECT_EQ(b_box.texts[1], "");
  EXPECT_EQ(b_box.texts[2].size(), 60000u);
  EXPECT_EQ(b_box.senders[0], a.local());
  EXPECT_EQ(b.send("back", b_box.senders[0]), 0);
  ASSERT_TRUE(run_until(loop, [&] { return !a_box.texts.empty(); }));
  EXPECT_EQ(a.send(std::string(70000, 'x'), b.local()), EMSGSIZE);
}

// As the registry's does at an upgrade: first nobody reads, then the other, and what came meanwhile is not lost.
TEST(Datagram, ASocketPassesToAnotherReaderAndBack) {
  Loop loop;
  Inbox a_box, b_box, heir_box;
  Datagram a(loop, a_box), b(loop, b_box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  ASSERT_TRUE(b.bind(Address::loopback(0)));
  b.pause();
  EXPECT_EQ(a.send("meanwhile", b.local()), 0);
  run_turns(loop, 3);
  EXPECT_TRUE(b_box.texts.empty());
  {
    Datagram heir(loop, heir_box);
    ASSERT_TRUE(heir.adopt(b.share()));
    EXPECT_EQ(heir.local(), b.local());
    ASSERT_TRUE(run_until(loop, [&] { return !heir_box.texts.empty(); }));
    EXPECT_EQ(heir_box.texts[0], "meanwhile");
  }
  b.resume();
  EXPECT_EQ(a.send("again", b.local()), 0);
  ASSERT_TRUE(run_until(loop, [&] { return !b_box.texts.empty(); }));
  EXPECT_EQ(b_box.texts, std::vector<std::string>{"again"});
}

TEST(Datagram, OneSocketSpeaksBothFamilies) {
  Loop loop;
  Inbox a_box, b_box;
  Datagram dual(loop, a_box), v4(loop, b_box);
  ASSERT_TRUE(dual.bind(*Address::parse(":0")));
  ASSERT_TRUE(v4.bind(Address::loopback(0)));
  EXPECT_EQ(v4.send("in", Address::loopback(dual.local().port())), 0);
  ASSERT_TRUE(run_until(loop, [&] { return !a_box.texts.empty(); }));
  EXPECT_EQ(a_box.senders[0], v4.local());
  EXPECT_EQ(dual.send("out", v4.local()), 0);
  EXPECT_TRUE(run_until(loop, [&] { return !b_box.texts.empty(); }));
}

TEST(Datagram, GoesOnAfterSendingToNobody) {
  Loop loop;
  Inbox a_box, b_box;
  Datagram a(loop, a_box), b(loop, b_box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  Address gone;
  {
    Datagram c(loop, b_box);
    ASSERT_TRUE(c.bind(Address::loopback(0)));
    gone = c.local();
  }
  a.send("anybody?", gone);
  run_turns(loop);
  ASSERT_TRUE(b.bind(Address::loopback(0)));
  EXPECT_EQ(b.send("here", a.local()), 0);
  EXPECT_TRUE(run_until(loop, [&] { return a_box.texts == std::vector<std::string>{"here"}; }));
}

TEST(Datagram, SaysThatAPortIsTakenAndMayTryAnother) {
  Loop loop;
  Inbox box;
  Datagram a(loop, box), b(loop, box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  const auto taken = b.bind(a.local());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().os_error, EADDRINUSE);
  EXPECT_TRUE(b.bind(Address::loopback(0)));
}

TEST(Datagram, MayBeDestroyedFromInsideItsEvent) {
  struct Ends final : DatagramEvents {
    void on_datagram(std::span<char>, const Address&) override {
      ++count;
      socket.reset();
    }
    std::unique_ptr<Datagram> socket;
    int count = 0;
  } ends;
  Loop loop;
  Inbox box;
  Datagram a(loop, box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  ends.socket = std::make_unique<Datagram>(loop, ends);
  ASSERT_TRUE(ends.socket->bind(Address::loopback(0)));
  const Address to = ends.socket->local();
  a.send("one", to);
  a.send("two", to);
  ASSERT_TRUE(run_until(loop, [&] { return ends.count > 0; }));
  run_turns(loop);
  EXPECT_EQ(ends.count, 1);
}

}  // namespace
}  // namespace outrider::net
