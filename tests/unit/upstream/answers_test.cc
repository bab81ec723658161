#include "upstream/answers.h"

#include "cluster_ground.h"

namespace outrider::upstream {
namespace {

TEST(Answers, ATimeIsOffByANinthAtMost) {
  for (uint64_t us = 16; us < uint64_t(1) << 31; us += 1 + us / 7) {
    Answers answers;
    answers.answered(us, false);
    const auto times = answers.times();
    ASSERT_EQ(times.size(), 1u);
    EXPECT_EQ(times[0].second, 1u);
    EXPECT_NEAR(times[0].first * 1000, double(us), double(us) / 9) << us;
  }
}

TEST(Answers, TimesRiseAndWhatNothingIsInIsLeftOut) {
  Answers answers;
  for (const uint64_t us : {uint64_t(50'000), uint64_t(1), uint64_t(700), uint64_t(50'000), uint64_t(1) << 40})
    answers.answered(us, false);
  const auto times = answers.times();
  ASSERT_EQ(times.size(), 4u);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_EQ(times[2].second, 2u);
}

class AnswersOfACluster : public ClusterTest {};

TEST_F(AnswersOfACluster, AreCountedWhetherOutliersAreLookedForOrNot) {
  for (const bool on : {true, false}) {
    ground.plan->outliers.on = on;
    auto cluster = ground.cluster(set_of({instance("10.0.0.1:80")}));
    const auto seat = cluster->pick({});
    const Answers& answers = seat->member.endpoint->answers;
    attempt(*cluster, *seat, {Outcome::Kind::Ok, 1000, 200}, nullptr);
    attempt(*cluster, *seat, {Outcome::Kind::Ok, 9000, 404}, nullptr);
    attempt(*cluster, *seat, {Outcome::Kind::Failed, 1000, 503}, nullptr);
    attempt(*cluster, *seat, kFailed, &kRefused);
    EXPECT_EQ(answers.errors(), 1u);
    EXPECT_EQ(answers.without_answer(), 1u);
    const auto times = answers.times();
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(times[0].second, 2u);
    EXPECT_EQ(times[1].second, 1u);
  }
}

TEST_F(AnswersOfACluster, WhatWasCancelledOrEndedForAReasonOfOursIsNobodysAnswer) {
  auto cluster = ground.cluster(set_of({instance("10.0.0.1:80")}));
  const auto seat = cluster->pick({});
  const Error ours{Code::Timeout, Side::Local, Retry::No, 0, "a limit of ours"};
  attempt(*cluster, *seat, {Outcome::Kind::Cancelled, 1000}, nullptr);
  attempt(*cluster, *seat, {Outcome::Kind::Outrun, 1000}, nullptr);
  attempt(*cluster, *seat, kFailed, &ours);
  const Answers& answers = seat->member.endpoint->answers;
  EXPECT_TRUE(answers.times().empty());
  EXPECT_EQ(answers.errors() + answers.without_answer(), 0u);
}

}  // namespace
}  // namespace outrider::upstream
