// How long session tickets are good for.

#include "net/ticket_keys.h"

#include <gtest/gtest.h>

#include "meeting.h"
#include "tests/support/tls.h"

namespace outrider::net {
namespace {

TimePoint now_then{};
TimePoint then() { return now_then; }

// Each test by both versions.
struct Tickets : testing::TestWithParam<int> {
  Tickets() {
    now_then = TimePoint(seconds(1'000'000));
    SSL_CTX_set_max_proto_version(client.get(), GetParam());
  }
  Context server_with(TicketKeys& keys) {
    Context made(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    SSL_CTX_use_certificate_chain_file(made.get(), certificates.cert().c_str());
    SSL_CTX_use_PrivateKey_file(made.get(), certificates.key().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
    keys.seal_for(made.get());
    return made;
  }
  bool resumes(const Context& at, const Session& session) { return Meeting(at.get(), client.get(), {}, session.get()).resumed(); }
  test::Certificates certificates;
  Context client = any_client();
  TicketKeys keys{then};
  Context server = server_with(keys);
};

TEST_P(Tickets, AreSharedByAllWhoHaveThem) {
  const auto ticket = Meeting(server.get(), client.get()).session();
  EXPECT_TRUE(resumes(server_with(keys), ticket));
  TicketKeys others{then};
  EXPECT_FALSE(resumes(server_with(others), ticket));
}

TEST_P(Tickets, AreOpenedByTheProcessThatTakesOver) {
  const auto first = Meeting(server.get(), client.get()).session();
  now_then += TicketKeys::kLife;
  const auto second = Meeting(server.get(), client.get()).session();  // by another key
  TicketKeys heir{then};
  EXPECT_FALSE(heir.load("no keys"));
  ASSERT_TRUE(heir.load(keys.save()));
  const Context taken_over = server_with(heir);
  EXPECT_TRUE(resumes(taken_over, first));
  EXPECT_TRUE(resumes(taken_over, second));
  now_then += TicketKeys::kLife;
  EXPECT_FALSE(resumes(taken_over, first)) << "they are as old there as they were";
}

TEST_P(Tickets, OpenForAnHourAfterTheirHourOfSealing) {
  const auto first = Meeting(server.get(), client.get()).session();
  now_then += TicketKeys::kLife - seconds(1);
  const auto last = Meeting(server.get(), client.get()).session();
  now_then += seconds(1);
  Meeting renewed(server.get(), client.get(), {}, first.get());
  EXPECT_TRUE(renewed.resumed());
  now_then += TicketKeys::kLife - seconds(1);
  EXPECT_TRUE(resumes(server, last));
  now_then += seconds(1);
  EXPECT_FALSE(resumes(server, last)) << "two hours after the key was made it is wiped";
  EXPECT_TRUE(resumes(server, renewed.session())) << "what a resumption has brought is sealed by the key of its time";
}

TEST_P(Tickets, AreNotKeptByAServerThatIsIdle) {
  const auto ticket = Meeting(server.get(), client.get()).session();
  now_then += 3 * TicketKeys::kLife;
  EXPECT_FALSE(resumes(server, ticket));
}

TEST_P(Tickets, WhatSomebodyMadeUpIsNoTicket) {
  const auto ticket = Meeting(server.get(), client.get()).session();
  unsigned char* bytes = nullptr;
  const int n = i2d_SSL_SESSION(ticket.get(), &bytes);
  std::string forged(reinterpret_cast<const char*>(bytes), size_t(n));
  OPENSSL_free(bytes);
  const unsigned char* sealed = nullptr;
  size_t length = 0;
  SSL_SESSION_get0_ticket(ticket.get(), &sealed, &length);
  ASSERT_GT(length, 60u);
  const size_t at = forged.find(std::string(reinterpret_cast<const char*>(sealed), length));
  ASSERT_NE(at, std::string::npos);
  forged[at + 50] ^= 1;
  const auto* from = reinterpret_cast<const unsigned char*>(forged.data());
  const Session changed(d2i_SSL_SESSION(nullptr, &from, long(forged.size())), SSL_SESSION_free);
  ASSERT_TRUE(changed);
  Meeting meeting(server.get(), client.get(), {}, changed.get());
  EXPECT_TRUE(meeting.established);
  EXPECT_FALSE(meeting.resumed());
}

INSTANTIATE_TEST_SUITE_P(Versions, Tickets, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& of) { return of.param == TLS1_2_VERSION ? "Tls12" : "Tls13"; });

}  // namespace
}  // namespace outrider::net
