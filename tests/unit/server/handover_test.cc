// What is said at an upgrade, without a second process: the messages, the channel, and what is taken out of it.

#include "server/handover.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "net/messenger.h"
#include "tests/support/sockets.h"

namespace outrider::server {
namespace {

using test::Fd;
using Kind = Handed::Kind;

// A channel as a process that is started finds it: the other end is the old one's.
struct Channel {
  Channel() {
    const auto [ours, theirs] = net::messenger_pair();
    const auto keeper = net::messenger_pair();
    old = Fd(ours);
    keeper_end = Fd(keeper.first);
    setenv(Inheritance::kWord, (std::to_string(theirs) + "," + std::to_string(keeper.second)).c_str(), 1);
    heir = Inheritance::from_environment();
  }
  void say(const Handed& message, int fd = -1) { EXPECT_TRUE(net::send_message(old.get(), write_handed(message), fd)); }
  Fd old, keeper_end;
  std::unique_ptr<Inheritance> heir;
};

TEST(Handover, MessagesAreReadAsTheyWereWritten) {
  const Handed message{Kind::Connection, "edge", std::string("\0\xff any bytes", 11), 17, uint64_t(1) << 40};
  const auto read = read_handed(write_handed(message));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, message.kind);
  EXPECT_EQ(read->name, message.name);
  EXPECT_EQ(read->text, message.text);
  EXPECT_EQ(read->number, message.number);
  EXPECT_EQ(read->more, message.more);
}

TEST(Handover, WhatALaterVersionAddsIsLeftAlone) {
  EXPECT_TRUE(read_handed(write_handed({Kind::Ready, {}, {}}) + "more"));
  std::string unknown = write_handed({Kind::Ready, {}, {}});
  unknown[2] = char(200);
  EXPECT_FALSE(read_handed(unknown));
}

TEST(Handover, EveryCutIsRefused) {
  const std::string whole = write_handed({Kind::Listener, "edge", "127.0.0.1:80", 1});
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(read_handed(whole.substr(0, n))) << n;
}

TEST(Handover, NoiseIsNoMessageThatCannotBeWrittenAgain) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string whole = write_handed({Kind::Listener, "edge", "127.0.0.1:80", 1});
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole;
    for (int changes = 0; changes < 3; ++changes) bytes[random() % bytes.size()] = char(random());
    if (const auto read = read_handed(bytes)) {
      EXPECT_TRUE(read_handed(write_handed(*read)));
    }
  }
}

TEST(Handover, SocketsAreFoundByAddressAndWhereThatIsOpenByNameToo) {
  EXPECT_EQ(key_of_socket("edge", "127.0.0.1:80"), key_of_socket("other", "127.0.0.1:80"));
  EXPECT_NE(key_of_socket("edge", "127.0.0.1:0"), key_of_socket("other", "127.0.0.1:0"));
  EXPECT_EQ(key_of_socket("edge", ":80"), key_of_socket("edge", "[::]:80"));
  EXPECT_NE(key_of_socket("edge", "unix:/a"), key_of_socket("edge", "unix:/b"));
}

TEST(Inheritance, WhoWasStartedByAPersonHasNone) {
  unsetenv(Inheritance::kWord);
  EXPECT_FALSE(Inheritance::from_environment());
  setenv(Inheritance::kWord, "nothing", 1);
  EXPECT_FALSE(Inheritance::from_environment());
  setenv(Inheritance::kWord, "100000,100001", 1);  // no such descriptors
  EXPECT_FALSE(Inheritance::from_environment());
  EXPECT_EQ(getenv(Inheritance::kWord), nullptr) << "no child is to take it for its own";
}

TEST(Inheritance, SocketsComeInTheOrderOfWorkersAndOnce) {
  Channel channel;
  const Fd first = test::tcp_listener(), second = test::tcp_listener();
  channel.say({Kind::Greeting, "shop/cart", "0011", 4});
  channel.say({Kind::Listener, "edge", "127.0.0.1:0", 1}, second.get());
  channel.say({Kind::Listener, "edge", "127.0.0.1:0", 0}, first.get());
  channel.say({Kind::Tickets, "edge", "keys"});
  channel.say({Kind::Page, "admin", "127.0.0.1:15000"}, first.get());
  channel.say({Kind::Everything, {}, {}});
  ASSERT_EQ(channel.heir->receive(milliseconds(10000)), "");
  EXPECT_EQ(channel.heir->instance(), "0011");
  EXPECT_EQ(channel.heir->announced_as(), "shop/cart");
  EXPECT_EQ(channel.heir->times(), 4u);
  EXPECT_EQ(channel.heir->tickets("edge"), "keys");
  EXPECT_TRUE(channel.heir->listeners("other", "127.0.0.1:0").empty());
  const auto taken = channel.heir->listeners("edge", "127.0.0.1:0");
  ASSERT_EQ(taken.size(), 2u);
  const Fd mine[] = {Fd(taken[0]), Fd(taken[1])};
  EXPECT_EQ(net::Address::local_of(mine[0].get()), net::Address::local_of(first.get()));
  EXPECT_EQ(net::Address::local_of(mine[1].get()), net::Address::local_of(second.get()));
  EXPECT_TRUE(channel.heir->listeners("edge", "127.0.0.1:0").empty());
}

TEST(Inheritance, NobodyWaitsForEverForWhoSaysNothing) {
  Channel silent;
  EXPECT_NE(silent.heir->receive(milliseconds(10)), "");
  Channel gone;
  gone.old.close();
  EXPECT_NE(gone.heir->receive(milliseconds(10000)), "");
}

TEST(Inheritance, TheRegistrysSocketComesWhenItIsAskedFor) {
  Channel channel;
  const Fd socket = test::tcp_listener();
  channel.say({Kind::Registry, {}, {}}, socket.get());
  const Fd mine(channel.heir->registry("127.0.0.1:4222", milliseconds(10000)));
  EXPECT_EQ(net::Address::local_of(mine.get()), net::Address::local_of(socket.get()));
  const auto asked = read_handed(net::receive_message(channel.old.get()).bytes);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->kind, Kind::RegistryAsked);
  EXPECT_EQ(asked->name, "127.0.0.1:4222");
}

}  // namespace
}  // namespace outrider::server
