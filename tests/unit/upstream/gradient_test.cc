// The limit that is learnt, against an application that is simulated: so many places, and a time each request takes in one.

#include "upstream/gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <queue>

#include "tests/support/seed.h"

namespace outrider::upstream {
namespace {

struct Request {
  double arrived = 0, sent = 0;
};

// Requests come by chance, so many a second on the average; those without room wait in front, for a second at most; in the
// application they stand in line for a place. Time is simulated, in microseconds.
class Simulation {
 public:
  Simulation(Random& random, uint32_t places, double mean_ms, double a_second)
      : random_(random), places_(places), mean(mean_ms * 1000), a_second(a_second) {
    at(0, Kind::Arrival);
    at(kPatience / 4, Kind::Look);
  }
  void run(double seconds) {
    served = refused = longest_wait = 0;
    most_inside = 0;
    const double end = now_ + seconds * 1e6;
    while (events_.top().at < end) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.at;
      switch (event.kind) {
        case Kind::Arrival: arrive(); break;
        case Kind::Answer: answer(event.request); break;
        case Kind::Look: look(); break;
      }
      most_inside = std::max(most_inside, inside_);
    }
    now_ = end;
  }
  // The mean of the limit over so many seconds.
  double mean_limit(double seconds) {
    double sum = 0;
    const int looks = int(seconds * 10);
    for (int i = 0; i < looks; ++i) {
      run(0.1);
      sum += gradient.limit();
    }
    return sum / looks;
  }

  Gradient gradient{4096, milliseconds(1000)};
  double served = 0, refused = 0, longest_wait = 0;  // of the last run()
  uint32_t most_inside = 0;

 private:
  static constexpr double kPatience = 1e6;
  static constexpr size_t kWaiting = 1024;
  enum class Kind : uint8_t { Arrival, Answer, Look };
  struct Event {
    double at;
    Kind kind;
    Request request;
    bool operator<(const Event& other) const { return at > other.at; }
  };
  void at(double after, Kind kind, Request request = {}) { events_.push({now_ + after, kind, request}); }
  double chance(double mean) { return -mean * std::log(1 - random_.unit()); }
  TimePoint time() const { return TimePoint(milliseconds(int64_t(now_ / 1000) + 1000)); }
  void arrive() {
    const Request request{now_, now_};
    if (waiting_.empty() && inside_ < gradient.limit()) enter(request);
    else if (waiting_.size() < kWaiting) {
      gradient.note_waiting();
      waiting_.push_back(request);
    } else ++refused;
    at(chance(1e6 / a_second), Kind::Arrival);
  }
  void enter(Request request) {
    ++inside_;
    request.sent = now_;
    if (busy_ < places_) work(request);
    else line_.push_back(request);
  }
  void work(const Request& request) {
    ++busy_;
    at(chance(random_.unit() < slow_share ? slow_mean : mean), Kind::Answer, request);
  }
  void answer(const Request& request) {
    --busy_;
    if (!waiting_.empty()) gradient.note_waiting();
    gradient.sample(time(), uint64_t(now_ - request.sent), inside_);
    --inside_;
    ++served;
    answered_ = true;
    longest_wait = std::max(longest_wait, request.sent - request.arrived);
    if (!line_.empty()) {
      const Request next = line_.front();
      line_.pop_front();
      work(next);
    }
    serve();
  }
  void serve() {
    while (!waiting_.empty()) {
      const Request next = waiting_.front();
      const bool late = now_ - next.arrived > kPatience;
      if (!late && inside_ >= gradient.limit()) return;
      waiting_.pop_front();
      if (late) ++refused;
      else enter(next);
    }
  }
  void look() {
    if (!waiting_.empty()) gradient.note_patience_spent(answered_);
    answered_ = false;
    serve();
    at(kPatience / 4, Kind::Look);
  }
  Random& random_;
  const uint32_t places_;
  double now_ = 0;
  std::priority_queue<Event> events_;
  std::deque<Request> waiting_, line_;
  uint32_t busy_ = 0, inside_ = 0;
  bool answered_ = false;

 public:
  double mean, a_second;
  double slow_share = 0, slow_mean = 0;
};

class GradientTest : public testing::Test {
 protected:
  Random random = test::seeded_random();
};

// Row 72: 16 places of 10 ms serve 1600 a second.
TEST_F(GradientTest, InAFloodTheLimitSettlesNearTheKnee) {
  Simulation app(random, 16, 10, 800);
  app.run(10);
  EXPECT_EQ(app.refused, 0);
  EXPECT_GE(app.gradient.limit(), Gradient::kStart);
  app.a_second = 3000;
  app.run(20);
  const double limit = app.mean_limit(10);
  EXPECT_GT(limit, 12);
  EXPECT_LT(limit, 48);
  app.run(10);
  EXPECT_GT(app.served, 0.85 * 16000);  // the application is kept busy
}

TEST_F(GradientTest, AStartInTheMiddleOfAFloodEndsThereToo) {
  Simulation app(random, 16, 10, 3000);
  app.run(45);
  const double limit = app.mean_limit(10);
  EXPECT_GT(limit, 12);
  EXPECT_LT(limit, 48);
}

TEST_F(GradientTest, AfterAFloodNobodyIsKeptWaiting) {
  Simulation app(random, 16, 10, 3000);
  app.run(40);
  app.a_second = 800;
  app.run(5);
  app.run(20);
  EXPECT_EQ(app.refused, 0);
  EXPECT_LT(app.longest_wait, 500e3);
}

// There is room for a thousand: what it does takes longer, and a limit that took that for a queue would make one.
TEST_F(GradientTest, AnApplicationThatBecomesSlowerIsNotTakenForOneThatIsFull) {
  Simulation app(random, 1000, 10, 1000);
  app.run(10);
  app.mean = 100'000;
  app.run(20);
  EXPECT_LT(app.refused, 0.1 * 20'000);  // while it is found out
  app.run(20);
  EXPECT_EQ(app.refused, 0);
  EXPECT_GT(app.gradient.limit(), 100u);
  app.mean = 10'000;
  app.run(10);
  EXPECT_EQ(app.refused, 0);
}

// Too slow for a trial that waiting could bridge.
TEST_F(GradientTest, AnApplicationThatBecomesMuchSlowerIsFoundOutStepByStep) {
  Simulation app(random, 1000, 10, 500);
  app.run(10);
  app.mean = 600'000;
  app.run(30);
  app.run(20);
  EXPECT_EQ(app.refused, 0);
  EXPECT_GT(app.gradient.limit(), 300u);
}

// One in fifty takes five seconds: the others are as quick as ever, and there is no queue.
TEST_F(GradientTest, SlowRequestsAmongQuickOnesAreNoQueue) {
  Simulation app(random, 1000, 5, 1000);
  app.slow_share = 0.02;
  app.slow_mean = 5e6;
  app.run(30);
  app.run(60);
  EXPECT_EQ(app.refused, 0);
}

// Nothing comes back for half a minute, since nothing is to.
TEST_F(GradientTest, LongPollsAreLetIn) {
  Simulation app(random, 100'000, 30'000, 20);
  app.run(60);
  EXPECT_EQ(app.refused, 0);
  EXPECT_GT(app.most_inside, 300u);
}

// Idle, or slow while hardly anything is under way: that says nothing of how much at once would be too much.
TEST(Gradient, ALimitThatIsNotUsedStays) {
  Gradient gradient(4096, milliseconds(1000));
  TimePoint now{seconds(1)};
  for (int i = 0; i < 5000; ++i) {
    now += milliseconds(10);
    gradient.sample(now, i < 1000 ? 1000 : 50'000, 3);
  }
  EXPECT_EQ(gradient.limit(), Gradient::kStart);
}

TEST(Gradient, NeverBelowTheLeastNorAboveTheMost) {
  Gradient gradient(200, milliseconds(100));
  for (int i = 0; i < 10; ++i) gradient.note_patience_spent(false);
  EXPECT_EQ(gradient.limit(), 200u);
  TimePoint now{seconds(1)};
  uint64_t took = 1000;
  for (int i = 0; i < 200'000; ++i) {
    now += milliseconds(5);
    if (i % 500 == 0) took += took / 2;
    if (took > 100'000'000) took = 1000;
    gradient.note_waiting();
    gradient.sample(now, took, gradient.limit());
    ASSERT_GE(gradient.limit(), Gradient::kLeast);
    ASSERT_LE(gradient.limit(), 200u);
  }
  EXPECT_EQ(Gradient(2, milliseconds(100)).limit(), 2u);
}

}  // namespace
}  // namespace outrider::upstream
