// Many handshakes at once, on one loop.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "meeting.h"
#include "net/tls_context.h"
#include "net/transport.h"
#include "tests/support/loop.h"
#include "tests/support/tls.h"

namespace outrider::net {
namespace {

using namespace std::chrono_literals;

struct Greeter final : TransportEvents {
  explicit Greeter(Loop& loop) : transport(loop, *this) {}
  void on_ready() override { ready = true; }
  void on_readable() override {}
  void on_writable() override {}
  void on_closed(const Error&) override { closed = true; }
  Transport transport;
  bool ready = false, closed = false;
};

// Each has its whole hello with the kernel before the loop looks for the first time.
TEST(Handshakes, TakeAShareOfATurnAndTheOthersWaitForTheNext) {
  constexpr size_t kClients = 200;
  const test::Certificates certificates;
  TlsServerSettings settings;
  settings.cert = {certificates.cert()};
  settings.key = {certificates.key()};
  const auto context = TlsContext::server({settings});
  ASSERT_TRUE(context) << context.why();
  const Context clients = any_client();
  Loop loop;
  std::vector<std::unique_ptr<Greeter>> greeters;
  std::vector<std::pair<test::Fd, SSL*>> far;
  for (size_t i = 0; i < kClients; ++i) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    greeters.push_back(std::make_unique<Greeter>(loop));
    greeters.back()->transport.adopt(ends[0], *context);
    SSL* const ssl = SSL_new(clients.get());
    SSL_set_fd(ssl, ends[1]);
    EXPECT_NE(SSL_connect(ssl), 1);
    far.emplace_back(test::Fd(ends[1]), ssl);
  }
  loop.run_turn(false);
  EXPECT_GT(loop.handshakes().put_off(), 0u) << "all of them in one turn";
  size_t done = 0;
  EXPECT_TRUE(test::drive_until(loop,
                                [&] {
                                  done = 0;
                                  for (size_t i = 0; i < kClients; ++i) {
                                    if (!SSL_is_init_finished(far[i].second)) (void)SSL_connect(far[i].second);
                                    done += greeters[i]->ready;
                                  }
                                  return done == kClients;
                                }))
      << done << " of them came about";
  ERR_clear_error();
  for (auto& [fd, ssl] : far) SSL_free(ssl);
  greeters.clear();
  test::run_turns(loop);
}

TEST(TurnShare, IsWholeAgainInTheNextTurn) {
  TurnShare share;
  TimePoint turn{1s};
  EXPECT_TRUE(share.left(turn));
  share.spend(TurnShare::kMost - 1us);
  EXPECT_TRUE(share.left(turn));
  share.spend(1us);
  EXPECT_FALSE(share.left(turn));
  EXPECT_FALSE(share.left(turn));
  EXPECT_TRUE(share.left(turn += 1ms));
  EXPECT_EQ(share.put_off(), 2u);
  EXPECT_EQ(share.put_off(), 0u);
}

}  // namespace
}  // namespace outrider::net
