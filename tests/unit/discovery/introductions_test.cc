// How nodes get to know each other, without a network.

#include "discovery/dht/introductions.h"

#include <gtest/gtest.h>

#include "tests/unit/identity/pki.h"

namespace outrider::discovery {
namespace {

using identity::kNow;
constexpr const char* kCart = "spiffe://mesh.local/ns/shop/sa/cart";

net::Address address(std::string_view text) { return *net::Address::parse(text); }

struct Introducing : testing::Test {
  // One node: what it sends lies in `sent` until it is delivered.
  struct End final : IntroductionsEvents {
    End(DhtOptions given, const net::Address& at)
        : options(std::move(given)), at(at), verifier(options, stats), introductions(options, verifier, stats, *this) {
      introductions.open(at);
    }
    void on_introduced(std::string_view packet, const net::Address&, const std::string& id) override {
      introduced.emplace_back(packet);
      last_id = id;
    }
    void send_introduction(std::string_view bytes, const net::Address& to) override { sent.emplace_back(bytes, to); }
    void on_false_proof(const net::Address&) override { ++false_proofs; }
    uint64_t rejected(RecordVerdict why) const { return stats.rejected[size_t(why)]; }
    DhtOptions options;
    const net::Address at;
    DhtStats stats;
    Verifier verifier;
    Introductions introductions;
    std::vector<std::pair<std::string, net::Address>> sent;
    std::vector<std::string> introduced;
    std::string last_id;
    int false_proofs = 0;
  };

  DhtOptions options(std::shared_ptr<const identity::Identity> identity) {
    DhtOptions options;
    options.mesh_keys.keys = {std::string(32, 'k')};
    options.identity = std::move(identity);
    return options;
  }
  std::shared_ptr<const identity::Identity> member(std::string_view uri = kCart) {
    return std::make_shared<const identity::Identity>(identity::make_identity(authority, uri));
  }
  const std::string* admit(End& at, const std::string& packet, const End& from) {
    return at.introductions.admit(packet, from.at, now);
  }
  // Everything between these two, until nobody says more; how many datagrams.
  int deliver(End& a, End& b) {
    int count = 0;
    while (!a.sent.empty() || !b.sent.empty()) {
      End& from = a.sent.empty() ? b : a;
      End& to = a.sent.empty() ? a : b;
      const auto [bytes, where] = from.sent.front();
      from.sent.erase(from.sent.begin());
      EXPECT_EQ(where, to.at);
      to.introductions.take(bytes, from.at, now, wall);
      ++count;
    }
    return count;
  }
  void pass(milliseconds time) { now += time, wall += time; }
  // A proof by `from`, as an answer to what `to` has asked.
  std::string proof(End& to, End& from) {
    EXPECT_EQ(to.sent.size(), 1u);
    from.introductions.take(to.sent.front().first, to.at, now, wall);
    to.sent.clear();
    EXPECT_EQ(from.sent.size(), 1u);
    return std::exchange(from.sent, {}).front().first;
  }

  identity::Authority authority = identity::make_authority();
  TimePoint now{std::chrono::hours(1)};
  WallTime wall = kNow;
  End a{options(member("spiffe://mesh.local/ns/shop/sa/web")), address("10.0.0.1:4222")};
  End b{options(member()), address("10.0.0.2:4222")};
};

TEST_F(Introducing, TwoStrangersKnowEachOtherAfterThreeDatagrams) {
  EXPECT_EQ(admit(a, "ping", b), nullptr);
  EXPECT_EQ(admit(a, "get", b), nullptr);
  EXPECT_EQ(deliver(a, b), 3);
  EXPECT_EQ(a.introduced, (std::vector<std::string>{"ping", "get"}));
  EXPECT_EQ(a.last_id, b.introductions.node_id());
  EXPECT_EQ(a.introductions.kept_bytes(), 0u);
  const auto* id = admit(b, "pong", a);
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, node_id_of(a.options.identity->id, a.at));
  ASSERT_TRUE(admit(a, "more", b));
  EXPECT_EQ(deliver(a, b), 0);
  EXPECT_EQ(a.stats.rejected_in_all() + b.stats.rejected_in_all(), 0u);
}

TEST_F(Introducing, WhoeverProvesNothingIsAskedThriceAndDropped) {
  EXPECT_EQ(admit(a, "ping", b), nullptr);
  for (int second = 0; second < 5; ++second) a.introductions.tick(now), pass(seconds(1));
  EXPECT_EQ(a.sent.size(), 3u);
  EXPECT_EQ(a.rejected(RecordVerdict::NoCertificate), 1u);
  EXPECT_EQ(a.introductions.strangers(), 0u);
  EXPECT_EQ(a.introductions.kept_bytes(), 0u);
}

TEST_F(Introducing, ALostQuestionIsAskedAgain) {
  admit(a, "ping", b);
  a.sent.clear();
  pass(seconds(1));
  a.introductions.tick(now);
  EXPECT_EQ(deliver(a, b), 3);
  EXPECT_EQ(a.introduced.size(), 1u);
}

TEST_F(Introducing, ARecordedProofIsOfNoUseToAnybodyElse) {
  admit(a, "ping", b);
  const std::string recorded = proof(a, b);
  End thief(options(member()), address("10.0.0.3:4222"));
  admit(a, "ping", thief);
  a.introductions.take(recorded, thief.at, now, wall);
  EXPECT_EQ(a.rejected(RecordVerdict::Replayed), 1u) << "asked at another address";
  End other(options(member()), address("10.0.0.4:4222"));
  admit(other, "ping", b);
  other.introductions.take(recorded, b.at, now, wall);
  EXPECT_EQ(other.rejected(RecordVerdict::Replayed), 1u) << "asked by another";
  pass(std::chrono::minutes(2));
  admit(a, "ping", b);
  a.introductions.take(recorded, b.at, now, wall);
  EXPECT_EQ(a.rejected(RecordVerdict::Replayed), 2u) << "asked before";
  EXPECT_EQ(a.introductions.known(), 0u);
}

TEST_F(Introducing, WhoeverPassesTheQuestionOnGetsAProofOfAnothersPlace) {
  End sybil(options(member()), address("10.0.0.3:4222"));
  admit(a, "ping", sybil);
  const std::string passed_on = proof(a, b);
  a.introductions.take(passed_on, sybil.at, now, wall);
  EXPECT_GE(a.rejected(RecordVerdict::WrongIdentity), 1u);
  EXPECT_EQ(a.introductions.known(), 0u);
}

TEST_F(Introducing, BehindATranslatedAddressBothSidesSayWhatIsWrong) {
  const net::Address seen = address("192.0.2.7:61234");
  EXPECT_EQ(a.introductions.admit("ping", seen, now), nullptr);
  b.introductions.take(a.sent.front().first, a.at, now, wall);
  EXPECT_NE(b.introductions.trouble().find("192.0.2.7:61234"), std::string::npos) << b.introductions.trouble();
  EXPECT_NE(b.introductions.trouble().find("10.0.0.2:4222"), std::string::npos);
  a.introductions.take(b.sent.front().first, seen, now, wall);
  EXPECT_EQ(a.rejected(RecordVerdict::WrongIdentity), 2u) << "the proof, and the packet that had waited for it";
  EXPECT_EQ(a.false_proofs, 0) << "it is not lying";
  EXPECT_EQ(a.introductions.admit("ping", seen, now), nullptr);
  EXPECT_EQ(a.rejected(RecordVerdict::WrongIdentity), 3u);
  a.sent.clear();
  b.sent.clear();
  pass(Introductions::kRefused);
  a.introductions.tick(now);
  admit(a, "ping", b);
  deliver(a, b);
  EXPECT_EQ(b.introductions.trouble(), "") << "it is well";
}

TEST_F(Introducing, AForeignAuthoritysMemberIsRefusedForAWhile) {
  const auto foreign = std::make_shared<const identity::Identity>(identity::make_identity(identity::make_authority(), kCart));
  End stranger(options(foreign), address("10.0.0.3:4222"));
  admit(a, "ping", stranger);
  deliver(a, stranger);
  EXPECT_EQ(a.rejected(RecordVerdict::UnknownCa), 2u);
  EXPECT_EQ(a.introductions.known(), 0u);
  for (int i = 0; i < 10; ++i) admit(a, "ping", stranger);
  EXPECT_EQ(deliver(a, stranger), 0) << "nobody asks";
  EXPECT_EQ(a.rejected(RecordVerdict::UnknownCa), 12u);
  pass(Introductions::kRefused);
  a.introductions.tick(now);
  admit(a, "ping", stranger);
  EXPECT_GT(deliver(a, stranger), 0);
}

TEST_F(Introducing, ANewCertificateOfTheSameIdentityCutsNobodyOff) {
  admit(a, "ping", b);
  deliver(a, b);
  const std::string before = *admit(a, "ping", b);
  b.options.identity = member();
  b.introductions.on_identity_changed(false, now);
  pass(Introductions::kRenew);
  ASSERT_TRUE(admit(a, "ping", b)) << "is listened to while it is asked";
  EXPECT_EQ(a.sent.size(), 1u);
  deliver(a, b);
  pass(Introductions::kKnown - seconds(10));
  const auto* id = admit(a, "ping", b);
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, before);
  EXPECT_EQ(a.stats.rejected_in_all(), 0u);
}

TEST_F(Introducing, WhoeverIsNotHeardForLongIsAskedAnew) {
  admit(a, "ping", b);
  deliver(a, b);
  pass(Introductions::kKnown);
  EXPECT_EQ(admit(a, "later", b), nullptr);
  deliver(a, b);
  EXPECT_EQ(a.introduced.back(), "later");
}

TEST_F(Introducing, NobodyIsKnownForLongerThanHisCertificate) {
  const auto brief = std::make_shared<const identity::Identity>(
      *identity::Identity::of(identity::issue(authority, kCart, std::chrono::minutes(5)), authority.certificate()));
  End guest(options(brief), address("10.0.0.3:4222"));
  admit(a, "ping", guest);
  deliver(a, guest);
  ASSERT_TRUE(admit(a, "ping", guest));
  pass(std::chrono::minutes(6));
  EXPECT_EQ(admit(a, "ping", guest), nullptr);
  deliver(a, guest);
  EXPECT_EQ(a.rejected(RecordVerdict::Expired), 2u);
  EXPECT_EQ(admit(a, "ping", guest), nullptr);
}

TEST_F(Introducing, WhenTrustChangesEverybodyIsAskedAndHasAMinute) {
  admit(a, "ping", b);
  deliver(a, b);
  const auto authority = identity::make_authority();
  a.options.identity =
      std::make_shared<const identity::Identity>(identity::make_identity(authority, a.options.identity->id.text()));
  a.verifier.set_identity(a.options.identity);
  a.introductions.on_identity_changed(true, now);
  ASSERT_TRUE(admit(a, "ping", b));
  EXPECT_EQ(a.sent.size(), 1u);
  a.sent.clear();
  pass(std::chrono::minutes(1));
  EXPECT_EQ(admit(a, "ping", b), nullptr);
  deliver(a, b);
  EXPECT_EQ(a.introductions.known(), 0u) << "nobody vouches for it any more";
}

TEST_F(Introducing, AnAddressThatBearsAnotherIdIsAskedAnewButNotAtOnce) {
  admit(a, "ping", b);
  deliver(a, b);
  a.introductions.doubt(b.at, now);
  EXPECT_TRUE(admit(a, "ping", b)) << "it has just proven it: whoever sends another lies";
  pass(Introductions::kSettled);
  a.introductions.doubt(b.at, now);
  End heir(options(member("spiffe://mesh.local/ns/shop/sa/heir")), b.at);
  EXPECT_EQ(admit(a, "mine", heir), nullptr);
  deliver(a, heir);
  EXPECT_EQ(a.introduced.back(), "mine");
  EXPECT_EQ(a.last_id, heir.introductions.node_id());
}

TEST_F(Introducing, AnIdHasOnePlace) {
  admit(a, "ping", b);
  deliver(a, b);
  End moved(options(member()), address("10.0.0.2:4230"));  // the same modulo 8
  admit(a, "ping", moved);
  deliver(a, moved);
  EXPECT_TRUE(admit(a, "ping", moved));
  EXPECT_EQ(a.introductions.known(), 1u);
}

TEST_F(Introducing, WhatIsKeptIsBounded) {
  const std::string packet(1200, 'p');
  for (size_t i = 0; i < 3 * Introductions::kMostKept; ++i) admit(a, packet, b);
  EXPECT_LE(a.introductions.kept_bytes(), Introductions::kMostKeptBytes);
  EXPECT_EQ(a.rejected(RecordVerdict::Muted), 2 * Introductions::kMostKept);
  EXPECT_EQ(a.sent.size(), 1u) << "one question";
  a.sent.clear();
  for (int i = 0; i < 20000; ++i)
    a.introductions.admit(packet,
                          address("10." + std::to_string(1 + i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
                                  std::to_string(i % 256) + ":4222"),
                          now);
  EXPECT_EQ(a.introductions.strangers(), Introductions::kMostStrangers);
  EXPECT_LE(a.introductions.kept_bytes(), Introductions::kMostKeptInAll);
  EXPECT_LE(a.sent.size(), size_t(Introductions::kQuestions));
  EXPECT_GT(a.rejected(RecordVerdict::Muted), 18000u);
  for (int second = 0; second < 5; ++second) pass(seconds(1)), a.introductions.tick(now);
  EXPECT_EQ(a.introductions.strangers(), 0u);
  EXPECT_EQ(a.introductions.kept_bytes(), 0u);
}

// The question it was asked is forgotten under the flood, and its proof is good all the same.
TEST_F(Introducing, AFloodOfStrangersTakesNobodyHisTurn) {
  admit(a, "ping", b);
  const std::string answer = proof(a, b);
  for (int i = 0; i < 5000; ++i)
    a.introductions.admit("x", address("10.9." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ":1"),
                          now + milliseconds(1));
  a.introductions.take(answer, b.at, now, wall);
  EXPECT_TRUE(admit(a, "again", b));
}

TEST_F(Introducing, ProofsThatFailAreRationedByAddressAndInAll) {
  const auto foreign = identity::make_authority();
  int looked_at = 0;
  const auto fail = [&](const std::string& ip, int port) {
    End stranger(options(std::make_shared<const identity::Identity>(identity::make_identity(foreign, kCart))),
                 address(ip + ":" + std::to_string(port)));
    const auto before = a.rejected(RecordVerdict::UnknownCa);
    admit(a, "ping", stranger);
    deliver(a, stranger);
    looked_at += a.rejected(RecordVerdict::UnknownCa) > before;
  };
  for (int i = 1; i <= 90; ++i) fail("10.0.0.3", i);
  EXPECT_EQ(looked_at, Conduct::kBorne + 1) << "of one address";
  for (int i = 1; i <= 50; ++i) fail("10.0.1." + std::to_string(i), 1);
  EXPECT_EQ(looked_at, Introductions::kFailures) << "of all";
  pass(seconds(1));
  fail("10.0.0.4", 1);
  EXPECT_EQ(looked_at, Introductions::kFailures + 1);
  fail("10.0.0.3", 4222);
  EXPECT_EQ(looked_at, Introductions::kFailures + 1) << "for ten minutes";
  End good(options(member()), address("10.0.0.5:4222"));
  admit(a, "ping", good);
  deliver(a, good);
  EXPECT_TRUE(admit(a, "ping", good));
}

TEST_F(Introducing, AnswersAreRationedAndThoseWhoAreKnownKeepTheirs) {
  admit(b, "ping", a);
  deliver(a, b);
  b.sent.clear();
  const auto ask = [&](const net::Address& from) {
    const size_t before = b.sent.size();
    b.introductions.take(write_question({std::string(kNonceBytes, 'n'), b.at}), from, now, wall);
    return b.sent.size() > before;
  };
  int answers = 0;
  for (int i = 0; i < 300; ++i) answers += ask(address("10.8.0." + std::to_string(i % 256) + ":" + std::to_string(1 + i / 256)));
  EXPECT_LE(answers, Introductions::kAnswers);
  EXPECT_GE(answers, Introductions::kAnswers - 5);
  EXPECT_TRUE(ask(a.at));
}

TEST_F(Introducing, WhoeverOffersAnswersAndAsksNobody) {
  auto offered = options(member());
  offered.node_ids = NodeIds::Offered;
  End c(offered, address("10.0.0.3:4222"));
  EXPECT_FALSE(c.introductions.asks());
  admit(a, "ping", c);
  EXPECT_EQ(deliver(a, c), 2);
  EXPECT_TRUE(admit(a, "ping", c));
}

TEST_F(Introducing, WithoutKeyOrIdentityOrWhereIdsAreFreeNothingIsAskedOrProven) {
  auto clear = options(member()), nameless = options(nullptr), free = options(member()), unsure = options(member());
  clear.mesh_keys.keys.clear();
  free.node_ids = NodeIds::Free;
  for (const auto& each : {clear, nameless, free}) {
    End c(each, address("10.0.0.3:4222"));
    EXPECT_FALSE(c.introductions.asks());
    EXPECT_EQ(c.introductions.node_id(), "");
    c.introductions.take(write_question({std::string(kNonceBytes, 'n'), c.at}), a.at, now, wall);
    EXPECT_TRUE(c.sent.empty());
    EXPECT_NE(c.introductions.trouble(), "") << "whoever asks does not listen to it";
    c.introductions.tick(now + std::chrono::minutes(3));
    EXPECT_EQ(c.introductions.trouble(), "") << "nobody asks any more";
  }
  unsure.sign = Sign::Preferred;
  End c(unsure, address("10.0.0.3:4222"));
  EXPECT_FALSE(c.introductions.asks()) << "unsigned records are believed: their nodes have nothing to prove";
  EXPECT_NE(c.introductions.node_id(), "");
}

TEST_F(Introducing, WhoeverHasTakenAnotherIdentityProvesNothing) {
  b.options.identity = member("spiffe://mesh.local/ns/shop/sa/other");
  b.introductions.on_identity_changed(false, now);
  admit(a, "ping", b);
  EXPECT_EQ(deliver(a, b), 1);
}

TEST_F(Introducing, WhatIsNoIntroductionIsMalformed) {
  a.introductions.take(
      "\xC0"
      "who",
      b.at, now, wall);
  a.introductions.take(
      "\xC0"
      "iam and no more",
      b.at, now, wall);
  EXPECT_EQ(a.rejected(RecordVerdict::Malformed), 2u);
  EXPECT_EQ(a.false_proofs, 2);
}

}  // namespace
}  // namespace outrider::discovery
