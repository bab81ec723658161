// Who is let in to the application, in which order, and who is not.

#include "upstream/admission.h"

#include "ground.h"
#include "stats/names.h"
#include "tests/support/loop.h"
#include "upstream/limits.h"
#include "upstream/load_report.h"

namespace outrider::upstream {
namespace {

using State = Applicant::State;

struct Guest final : Applicant {
  void on_turn() override {
    ++turns;
    if (order) order->push_back(this);
  }
  int turns = 0;
  std::vector<Guest*>* order = nullptr;
};

AdmissionPlan of_number(uint32_t number, uint32_t max_waiting = 100) {
  AdmissionPlan plan;
  plan.limit = AdmissionPlan::Limit::Number;
  plan.number = number;
  plan.max_waiting = max_waiting;
  return plan;
}

class AdmissionTest : public testing::Test {
 protected:
  static void ask(Admission& admission, Guest& guest, Priority priority = Priority::Normal) {
    if (!admission.let_in(guest)) admission.queue(guest, priority);
  }
  uint64_t depth(const char* priority) {
    return ground.shard->read(ground.catalog.slot(stats::names::kServiceQueueDepth, {{"priority", priority}}));
  }
  uint64_t shown() { return ground.shard->read(ground.catalog.slot(stats::names::kServiceConcurrencyLimit)); }
  Ground ground;
  Limits limits;
};

// Row 74.
TEST_F(AdmissionTest, HigherGoFirstAndOfEqualsTheFirst) {
  Admission admission(ground.context, of_number(1), limits);
  std::vector<Guest*> order;
  Guest inside, low, normal, other, high;
  for (Guest* guest : {&low, &normal, &other, &high}) guest->order = &order;
  ask(admission, inside);
  EXPECT_EQ(inside.state, State::Inside);
  ask(admission, low, Priority::Low);
  ask(admission, normal);
  ask(admission, other);
  ask(admission, high, Priority::High);
  EXPECT_EQ(depth("normal"), 2u);
  EXPECT_EQ(depth("high"), 1u);
  Guest* before = &inside;
  for (Guest* next : {&high, &normal, &other, &low}) {
    EXPECT_EQ(next->state, State::Waiting);
    admission.leave(*before);
    EXPECT_EQ(next->state, State::Waiting);  // not from inside leave()
    test::run_turns(ground.loop);
    EXPECT_EQ(next->state, State::Inside);
    before = next;
  }
  EXPECT_EQ(order, (std::vector<Guest*>{&high, &normal, &other, &low}));
  EXPECT_EQ(depth("normal") + depth("high") + depth("low"), 0u);
  admission.leave(low);
  EXPECT_EQ(limits.inside.now(), 0u);
}

TEST_F(AdmissionTest, WhereTheQueueIsFullTheLowestAndLastIsTurnedAway) {
  Admission admission(ground.context, of_number(1, 3), limits);
  Guest inside, first_low, last_low, normal, another_low, another_normal, high, last;
  ask(admission, inside);
  ask(admission, first_low, Priority::Low);
  ask(admission, last_low, Priority::Low);
  ask(admission, normal);
  ask(admission, another_low, Priority::Low);
  EXPECT_EQ(another_low.state, State::TurnedAway);
  EXPECT_EQ(another_low.turns, 0);  // it hears it at once
  ask(admission, another_normal);
  EXPECT_EQ(last_low.state, State::TurnedAway);
  EXPECT_EQ(last_low.turns, 1);
  EXPECT_EQ(first_low.state, State::Waiting);
  ask(admission, high, Priority::High);
  EXPECT_EQ(first_low.state, State::TurnedAway);
  ask(admission, last);
  EXPECT_EQ(last.state, State::TurnedAway);
  EXPECT_EQ(depth("low"), 0u);
  EXPECT_EQ(depth("normal"), 2u);
  for (Guest* guest : {&inside, &first_low, &last_low, &normal, &another_low, &another_normal, &high, &last}) {
    admission.leave(*guest);
    admission.leave(*guest);
    EXPECT_EQ(guest->state, State::Outside);
  }
  EXPECT_EQ(limits.inside.now(), 0u);
  EXPECT_EQ(depth("normal") + depth("high"), 0u);
}

// A number is of all workers: what one has no room for waits there, and finds room that another makes.
TEST_F(AdmissionTest, ANumberIsOfAllWorkersTogether) {
  Ground other_ground;
  {
    Admission here(ground.context, of_number(2), limits), there(other_ground.context, of_number(2), limits);
    EXPECT_EQ(shown(), 2u);  // once, however many workers there are
    EXPECT_EQ(other_ground.shard->read(other_ground.catalog.slot(stats::names::kServiceConcurrencyLimit)), 0u);
    Guest a, b, c;
    ask(here, a);
    ask(here, b);
    ask(there, c);
    EXPECT_EQ(c.state, State::Waiting);
    here.leave(a);
    EXPECT_TRUE(test::run_until(other_ground.loop, [&] { return c.state == State::Inside; }));
    here.leave(b);
    there.leave(c);
  }
  EXPECT_EQ(shown(), 0u);
  EXPECT_EQ(limits.inside.now(), 0u);
}

TEST_F(AdmissionTest, ALearntLimitLetsInMoreWhereNothingIsAnswered) {
  AdmissionPlan plan;
  plan.limit = AdmissionPlan::Limit::Auto;
  plan.number = 1000;
  plan.timeout = milliseconds(40);
  Admission admission(ground.context, plan, limits);
  EXPECT_EQ(admission.limit(), Gradient::kStart);
  std::vector<Guest> guests(Gradient::kStart + 50);
  for (Guest& guest : guests) ask(admission, guest);
  EXPECT_EQ(guests.back().state, State::Waiting);
  EXPECT_TRUE(test::run_until(ground.loop, [&] { return guests.back().state == State::Inside; }));
  EXPECT_EQ(admission.limit(), 2 * Gradient::kStart);
  EXPECT_EQ(shown(), 2 * Gradient::kStart);
  for (Guest& guest : guests) admission.leave(guest);
}

TEST_F(AdmissionTest, WithoutALimitEverybodyIsLetIn) {
  AdmissionPlan plan;
  plan.success_rate = 0.95;
  Admission admission(ground.context, plan, limits);
  std::vector<Guest> guests(1000);
  for (Guest& guest : guests) {
    EXPECT_TRUE(admission.let_in(guest));
    EXPECT_FALSE(admission.throttles());
  }
  for (Guest& guest : guests) admission.leave(guest);
  for (int i = 0; i < 1000; ++i) admission.record(false);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) refused += admission.throttles();
  EXPECT_GT(refused, 600);
  EXPECT_LT(refused, 950);
}

TEST(Priority, IsReadInAnyCase) {
  EXPECT_EQ(priority_named("HIGH"), Priority::High);
  EXPECT_EQ(priority_named("normal"), Priority::Normal);
  EXPECT_EQ(priority_named("Low"), Priority::Low);
  EXPECT_FALSE(priority_named("urgent"));
  EXPECT_FALSE(priority_named(""));
}

// Row 69: what a sidecar that asks is told.
TEST_F(AdmissionTest, ItsLoadIsThatOfAllWorkersWithoutWhoAsks) {
  AdmissionPlan plan;
  plan.counts = true;
  Guest asking;
  {
    Admission one(ground.context, plan, limits), other(ground.context, plan, limits);
    std::vector<Guest> guests(6);
    for (size_t i = 0; i < guests.size(); ++i) EXPECT_TRUE((i % 2 ? one : other).let_in(guests[i])) << "nobody is kept out";
    EXPECT_TRUE(one.let_in(asking));
    EXPECT_FLOAT_EQ(one.load(asking).in_flight, 6);
    EXPECT_LT(one.load(asking).slots, 0);
    EXPECT_LT(one.load(asking).utilization, 0) << "nobody knows how much it can do";
    other.leave(guests[0]);
    EXPECT_FLOAT_EQ(one.load(asking).in_flight, 5);
    one.leave(asking);
    EXPECT_FLOAT_EQ(one.load(asking).in_flight, 5);
    for (size_t i = 1; i < guests.size(); ++i) (i % 2 ? one : other).leave(guests[i]);
  }
  EXPECT_EQ(limits.inside.now(), 0u);
  plan = of_number(2);
  plan.slots = 2;
  Admission limited(ground.context, plan, limits);
  std::vector<Guest> guests(3);
  ask(limited, asking);
  for (Guest& guest : guests) ask(limited, guest);
  EXPECT_FLOAT_EQ(limited.load(asking).utilization, 1.5f) << "one beside it, two that wait";
  EXPECT_FLOAT_EQ(limited.load(asking).slots, 2);
  for (Guest& guest : guests) limited.leave(guest);
  limited.leave(asking);
  EXPECT_EQ(limits.waiting.now(), 0u);
}

TEST_F(AdmissionTest, WhereALimitIsLearntThoseThatWaitShowThatThereIsNoRoom) {
  AdmissionPlan plan;
  plan.limit = AdmissionPlan::Limit::Auto;
  plan.number = 4;
  Admission admission(ground.context, plan, limits);
  std::vector<Guest> guests(6);
  for (size_t i = 0; i < 4; ++i) ask(admission, guests[i]);
  EXPECT_LT(admission.load(guests[0]).utilization, 0);
  for (size_t i = 4; i < 6; ++i) ask(admission, guests[i]);
  EXPECT_FLOAT_EQ(admission.load(guests[0]).utilization, 5.0f / 3);
  for (Guest& guest : guests) admission.leave(guest);
}

}  // namespace
}  // namespace outrider::upstream
