#include "ground.h"

namespace outrider::upstream {
namespace {

TEST(EndpointSet, SurvivorsAreTheSameObjects) {
  const auto first = next_set(nullptr, Known::Yes, {instance("10.0.0.1:80"), instance("10.0.0.2:80")});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->revision, 1u);
  const auto second = next_set(first, Known::Yes, {instance("10.0.0.2:80", 50), instance("10.0.0.3:80")});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->revision, 2u);
  ASSERT_EQ(second->members.size(), 2u);
  EXPECT_EQ(second->members[0].endpoint, first->members[1].endpoint);
  EXPECT_EQ(second->members[0].facts->weight, 50u);
  EXPECT_EQ(second->members[1].endpoint->address, "10.0.0.3:80");
  EXPECT_TRUE(second->members[1].endpoint->socket.valid());
}

TEST(EndpointSet, AnotherIdentityIsAnotherEndpoint) {
  auto before = instance("10.0.0.1:80");
  before->identity = "spiffe://mesh/a";
  auto after = instance("10.0.0.1:80");
  after->identity = "spiffe://mesh/b";
  const auto first = next_set(nullptr, Known::Yes, {before});
  const auto second = next_set(first, Known::Yes, {after});
  ASSERT_TRUE(second);
  EXPECT_NE(second->members[0].endpoint, first->members[0].endpoint);
}

TEST(EndpointSet, ReSigningIsNoChange) {
  auto before = instance("10.0.0.1:80");
  before->sequence = 1;
  const auto first = next_set(nullptr, Known::Yes, {before});
  auto after = instance("10.0.0.1:80");
  after->sequence = 2;
  after->issued = after->expires = std::chrono::system_clock::now();
  EXPECT_EQ(next_set(first, Known::Yes, {after}), nullptr);
  after->draining = true;
  EXPECT_NE(next_set(first, Known::Yes, {after}), nullptr);
  after->draining = false;
  after->labels = {{"version", "2"}};
  EXPECT_NE(next_set(first, Known::Yes, {after}), nullptr);
}

TEST(EndpointSet, OrderIsNoChange) {
  const auto first = next_set(nullptr, Known::Yes, {instance("10.0.0.1:80"), instance("10.0.0.2:80")});
  EXPECT_EQ(next_set(first, Known::Yes, {instance("10.0.0.2:80"), instance("10.0.0.1:80")}), nullptr);
}

TEST(EndpointSet, OfTwoRecordsOfOneEndpointTheNewestCounts) {
  auto older = instance("10.0.0.1:80", 10), newer = instance("10.0.0.1:80", 20);
  older->sequence = 1;
  newer->sequence = 2;
  for (const Instances& all : {Instances{older, newer}, Instances{newer, older}}) {
    const auto set = next_set(nullptr, Known::Yes, all);
    ASSERT_EQ(set->members.size(), 1u);
    EXPECT_EQ(set->members[0].facts->weight, 20u);
  }
}

TEST(EndpointSet, SilenceTakesNobodyAway) {
  const auto first = next_set(nullptr, Known::Yes, {instance("10.0.0.1:80")});
  const auto silent = next_set(first, Known::Stale, {});
  ASSERT_TRUE(silent);
  EXPECT_EQ(silent->known, Known::Stale);
  ASSERT_EQ(silent->members.size(), 1u);
  EXPECT_EQ(silent->members[0].endpoint, first->members[0].endpoint);
  EXPECT_EQ(next_set(silent, Known::Stale, {}), nullptr);
  const auto absent = next_set(silent, Known::Absent, {});
  ASSERT_TRUE(absent);
  EXPECT_TRUE(absent->members.empty());
}

TEST(EndpointSet, SinceIsKeptWhileNothingButMembersChanges) {
  auto first = std::make_shared<EndpointSet>(*next_set(nullptr, Known::Yes, {instance("10.0.0.1:80")}));
  first->since_ms = 1000;
  EXPECT_EQ(next_set(first, Known::Yes, {instance("10.0.0.2:80")})->since_ms, 1000);
  EXPECT_GT(next_set(first, Known::Yes, {})->since_ms, 1000);
  EXPECT_GT(next_set(first, Known::Stale, {instance("10.0.0.1:80")})->since_ms, 1000);
}

TEST(EndpointSet, AnAddressThatIsNoneIsKeptAndInvalid) {
  const auto set = next_set(nullptr, Known::Yes, {instance("nowhere")});
  ASSERT_EQ(set->members.size(), 1u);
  EXPECT_FALSE(set->members[0].endpoint->socket.valid());
}

TEST(EndpointState, SaysWhyOneIsNotUsed) {
  const auto set = set_of({instance("10.0.0.1:80")});
  Member member = set->members[0];
  const auto now = std::chrono::system_clock::now();
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "ready");
  EXPECT_STREQ(name_of(state_of(member, Known::Stale, now)), "stale");
  member.endpoint->ejected_until_ms = to_ms(now) + 1000;
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "ejected");
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now + seconds(2))), "ready");
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now - seconds(3600))), "ready");  // the clock has jumped back
  member.endpoint->health = Health::Unhealthy;
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "unhealthy");
  member.facts = instance("10.0.0.1:80", 0);
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "draining");
}

}  // namespace
}  // namespace outrider::upstream
