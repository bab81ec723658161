#include "net/messenger.h"

#include <gtest/gtest.h>

#include <deque>

#include "tests/support/sockets.h"

namespace outrider::net {
namespace {

using test::Fd;

struct End final : MessengerEvents {
  End(Loop& loop, int socket) : messenger(std::make_unique<Messenger>(loop, static_cast<MessengerEvents&>(*this), socket)) {}
  void on_message(std::string_view bytes, int fd) override {
    heard.emplace_back(bytes);
    descriptors.emplace_back(fd);
    if (bytes == "end it") messenger.reset();
  }
  void on_hung_up() override { hung_up = true; }
  std::unique_ptr<Messenger> messenger;
  std::vector<std::string> heard;
  std::deque<Fd> descriptors;
  bool hung_up = false;
};

struct Pair {
  Pair() {
    const auto [a, b] = messenger_pair();
    one.emplace(loop, a);
    other.emplace(loop, b);
  }
  ~Pair() {
    one.reset();
    other.reset();
    for (int i = 0; i < 3; ++i) loop.run_turn(false);
  }
  Loop loop;
  std::optional<End> one, other;
};

TEST(Messenger, EachMessageArrivesWholeWithItsDescriptor) {
  Pair pair;
  const Fd listener = test::tcp_listener();
  pair.one->messenger->send("first");
  pair.one->messenger->send(std::string(kMostMessage, 'x'), ::dup(listener.get()));
  while (pair.other->heard.size() < 2) pair.loop.run_turn(true);
  EXPECT_EQ(pair.other->heard[0], "first");
  EXPECT_FALSE(pair.other->descriptors[0]);
  EXPECT_EQ(pair.other->heard[1], std::string(kMostMessage, 'x'));
  EXPECT_EQ(Address::local_of(pair.other->descriptors[1].get()), Address::local_of(listener.get()));
}

// More than the kernel holds: what waits goes when there is room, in order, and nothing stays open here.
TEST(Messenger, WhatDoesNotGoAtOnceGoesLater) {
  Pair pair;
  constexpr size_t kMany = 5000;
  for (size_t i = 0; i < kMany; ++i) pair.one->messenger->send(std::to_string(i) + std::string(1000, ' '), ::dup(0));
  EXPECT_GT(pair.one->messenger->unsent(), 0u);
  while (pair.other->heard.size() < kMany) {
    pair.loop.run_turn(true);
    pair.other->descriptors.clear();
  }
  for (size_t i = 0; i < kMany; ++i) ASSERT_TRUE(pair.other->heard[i].starts_with(std::to_string(i) + " ")) << i;
  EXPECT_EQ(pair.one->messenger->unsent(), 0u);
}

TEST(Messenger, HearsThatTheOtherEndIsGone) {
  Pair pair;
  pair.one->messenger->send("last");
  pair.one->messenger.reset();
  while (!pair.other->hung_up) pair.loop.run_turn(true);
  EXPECT_EQ(pair.other->heard, std::vector<std::string>{"last"});
}

// A process that ends at once has not read what it was told; why it ends is heard all the same.
TEST(Messenger, TheLastWordOfWhoDidNotListenArrives) {
  Pair pair;
  pair.one->messenger->send("never read");
  pair.other->messenger->send("last word");
  pair.other->messenger.reset();
  while (!pair.one->hung_up) pair.loop.run_turn(true);
  EXPECT_EQ(pair.one->heard, std::vector<std::string>{"last word"});
}

TEST(Messenger, MayEndInsideItsEvent) {
  Pair pair;
  for (const char* text : {"end it", "nobody hears this"}) pair.one->messenger->send(text);
  while (pair.other->messenger) pair.loop.run_turn(true);
  EXPECT_EQ(pair.other->heard.size(), 1u);
}

TEST(Messenger, WhoHasNoLoopWaitsWithALimit) {
  const auto [a, b] = messenger_pair();
  const Fd one(a);
  Fd other(b);
  EXPECT_EQ(await_message(a, milliseconds(5)).what, Received::What::Nothing);
  EXPECT_TRUE(send_message(b, "word"));
  EXPECT_EQ(await_message(a, milliseconds(10000)).bytes, "word");
  other.close();
  EXPECT_EQ(await_message(a, milliseconds(10000)).what, Received::What::End);
}

}  // namespace
}  // namespace outrider::net
