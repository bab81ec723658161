#include "exchange/decisions.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace outrider::exchange {
namespace {

Decision named(const std::string& id, uint16_t status = 503) {
  Decision decision;
  decision.id = id;
  decision.status = status;
  return decision;
}

std::vector<std::string> ids(const Decisions& decisions, std::string_view id = {}, size_t most = 100) {
  std::vector<std::string> all;
  for (const auto& each : decisions.find(id, most)) all.push_back(each.id);
  return all;
}

using Ids = std::vector<std::string>;

TEST(Decisions, TheNewestTakeThePlaceOfTheOldest) {
  Decisions decisions({4, milliseconds(10)});
  EXPECT_EQ(ids(decisions), Ids{});
  decisions.add(named("1"));
  decisions.add(named("2"));
  EXPECT_EQ(ids(decisions), (Ids{"2", "1"}));
  for (const char* id : {"3", "4", "5"}) decisions.add(named(id));
  EXPECT_EQ(ids(decisions), (Ids{"5", "4", "3"}));
  EXPECT_EQ(ids(decisions, "", 2), (Ids{"5", "4"}));
}

TEST(Decisions, AnIdIsFoundByItsBeginningWhereThatIsLongEnoughToBeMeant) {
  Decisions decisions({10, milliseconds(10)});
  for (const char* id : {"abcdef01", "abcdef02", "abc"}) decisions.add(named(id));
  EXPECT_EQ(ids(decisions, "abcdef"), (Ids{"abcdef02", "abcdef01"}));
  EXPECT_EQ(ids(decisions, "abcdef01"), Ids{"abcdef01"});
  EXPECT_EQ(ids(decisions, "abcde"), Ids{}) << "five are not enough";
  EXPECT_EQ(ids(decisions, "abc"), Ids{"abc"}) << "but all of it is";
}

TEST(Decisions, AnotherPlanKeepsTheNewestOfWhatWasThere) {
  Decisions decisions({5, milliseconds(10)});
  for (const char* id : {"1", "2", "3", "4", "5", "6"}) decisions.add(named(id));
  decisions.follow({3, milliseconds(20)});
  EXPECT_EQ(decisions.slower(), milliseconds(20));
  EXPECT_EQ(ids(decisions), (Ids{"6", "5"}));
  decisions.follow({4, milliseconds(20)});
  for (const char* id : {"7", "8"}) decisions.add(named(id));
  EXPECT_EQ(ids(decisions), (Ids{"8", "7", "6"}));
}

TEST(Decisions, WhatWentWellInTheEndPushesNothingOutThatFailed) {
  Decisions decisions({10, milliseconds(10)});
  for (int i = 0; i < 8; ++i) decisions.add(named("failed"));
  for (int i = 0; i < 100; ++i) decisions.add(named("retried", 200));
  Decision slow = named("slow", 200);
  slow.duration = 10'000;
  decisions.add(slow);
  const Ids all = ids(decisions);
  EXPECT_EQ(std::count(all.begin(), all.end(), "failed"), 7);
  EXPECT_EQ(std::count(all.begin(), all.end(), "slow"), 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), "retried"), 2);
}

}  // namespace
}  // namespace outrider::exchange
