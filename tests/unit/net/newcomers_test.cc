#include "net/newcomers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/listener.h"
#include "net/transport.h"
#include "tests/support/loop.h"
#include "tests/support/sockets.h"

namespace outrider::net {
namespace {

using test::Fd;

// A connection that takes all the time there is, and reads a byte of many, whenever it is served.
struct Slow final : TransportEvents {
  Slow(Loop& loop, Fd ours, Fd theirs) : transport(loop, *this), peer(std::move(theirs)) {
    peer.write_some(std::string(1000, 'x'));
    transport.adopt(ours.release());
  }
  void on_ready() override {}
  void on_readable() override {
    char byte;
    ASSERT_TRUE(transport.read({&byte, 1}));
    ++served;
    for (const auto end = Loop::clock() + Newcomers::kATurn; Loop::clock() < end;) {}
  }
  void on_writable() override {}
  void on_closed(const Error&) override {}
  Transport transport;
  Fd peer;
  int served = 0;
};

struct Slows {
  explicit Slows(int n) {
    for (int i = 0; i < n; ++i) {
      auto [ours, theirs] = test::tcp_pair();
      all.push_back(std::make_unique<Slow>(loop, std::move(ours), std::move(theirs)));
    }
  }
  std::vector<int> turn() {
    loop.run_turn(false);
    std::vector<int> served;
    for (auto& one : all) served.push_back(std::exchange(one->served, 0));
    return served;
  }
  int sum() {
    int n = 0;
    for (const int one : turn()) n += one;
    return n;
  }
  Loop loop;
  std::vector<std::unique_ptr<Slow>> all;
};

TEST(Newcomers, AreServedOneATurnWhileEachTakesLong) {
  Slows strangers(5);
  for (int turn = 0; turn < 20; ++turn) EXPECT_LE(strangers.sum(), 1) << turn;
}

// Each always has more: without rounds the first would be found ready first, for ever.
TEST(Newcomers, AreServedAsOftenAsOneAnother) {
  Slows strangers(5);
  std::vector<int> served(5);
  for (int turn = 0; turn < 120; ++turn) {
    const auto now = strangers.turn();
    for (size_t i = 0; i < now.size(); ++i) served[i] += now[i];
  }
  const auto [least, most] = std::minmax_element(served.begin(), served.end());
  EXPECT_GE(*least, 15);
  EXPECT_LE(*most - *least, 1);
}

TEST(Newcomers, WaitForNobodyOnceTheyAreAnswered) {
  Slows known(5);
  for (auto& one : known.all) one->transport.settle();
  for (int turn = 0; turn < 20; ++turn) EXPECT_EQ(known.sum(), 5) << turn;
}

TEST(Newcomers, DoNotKeepThoseWhoAreKnownFromBeingServedInEachTurn) {
  Slows all(6);
  all.all[3]->transport.settle();
  for (int turn = 0; turn < 20; ++turn) EXPECT_EQ(all.turn()[3], 1) << turn;
}

// One that is accepted costs time as well: the queue of the kernel is where the others wait.
TEST(Newcomers, AreAcceptedOneATurnWhileThatTakesLong) {
  struct Accepting final : ListenerEvents {
    void on_accept(int fd, const Address&) override {
      fds.emplace_back(fd);
      for (const auto end = Loop::clock() + Newcomers::kATurn; Loop::clock() < end;) {}
    }
    std::vector<Fd> fds;
  };
  Loop loop;
  Accepting accepting;
  Listener listener(loop, accepting, *open_listener(Address::loopback(0)));
  std::vector<Fd> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(test::connected_to(listener.local()));
  for (int turn = 0; turn < 8; ++turn) {
    const size_t before = accepting.fds.size();
    loop.run_turn(false);
    EXPECT_LE(accepting.fds.size(), before + 1) << turn;
  }
  EXPECT_TRUE(test::run_until(loop, [&] { return accepting.fds.size() == 8; }));
}

}  // namespace
}  // namespace outrider::net
