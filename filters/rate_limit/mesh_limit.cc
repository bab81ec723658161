#include "filters/rate_limit/mesh_limit.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "identity/files.h"

namespace outrider::filters {

namespace {

// What is told at once at most, beyond a burst: more has been spent only while nobody could be told.
constexpr uint64_t kMostBeyondBurst = 1'000'000'000;
// Where many spend a burst at the same moment, or the store's clock is set back: nobody has to wait for longer than so many
// bursts.
constexpr uint64_t kMostOwed = 32;
constexpr uint64_t kYear = 31'536'000'000'000;  // in microseconds

uint64_t ns_of(TimePoint at) { return uint64_t(std::chrono::nanoseconds(at.time_since_epoch()).count()); }

}  // namespace

MeshLimit::MeshLimit(filter::Store store, std::string name, std::shared_ptr<Buckets> buckets)
    : store_(std::move(store)), name_(std::move(name)), buckets_(std::move(buckets)),
      words_((buckets_->places() + kBits - 1) / kBits), spent_(new std::atomic<uint32_t>[buckets_->places()]()),
      dirty_(new std::atomic<uint64_t>[words_]()) {}

void MeshLimit::stands_at(const std::string& place) {
  if (name_.empty()) name_ = place;
}

std::string MeshLimit::load() {
  if (store_.password.empty()) return {};
  const auto text = identity::read_file(store_.password);
  return text ? std::string() : text.why();
}

// Sequentially consistent where it meets rest(): either the bit is seen there, or the sleep here.
void MeshLimit::spent(Buckets::Place place) {
  auto& tokens = spent_[place.index];
  if (place.fresh) tokens.store(0, std::memory_order_relaxed);  // whose they were has begun anew
  if (tokens.fetch_add(1, std::memory_order_relaxed) != 0) return;
  dirty_[place.index / kBits].fetch_or(uint64_t(1) << place.index % kBits);
  if (!awake_.load() && !awake_.exchange(true)) wake_();
}

void MeshLimit::collect(std::vector<filter::Spending>& into, size_t at_most) {
  const size_t most = into.size() + at_most;
  const uint64_t most_owed = std::min(kMostOwed * ((buckets_->burst_ns() + kMostBeyondBurst) / 1000), kYear);
  for (uint32_t looked = 0; looked < words_ && into.size() + kBits <= most; ++looked) {
    const uint32_t word = std::exchange(next_word_, next_word_ + 1 == words_ ? 0 : next_word_ + 1);
    for (uint64_t bits = dirty_[word].exchange(0); bits; bits &= bits - 1) {
      const uint32_t place = word * kBits + uint32_t(std::countr_zero(bits));
      const uint64_t owner = buckets_->owner_of(place);
      const uint64_t tokens = spent_[place].exchange(0, std::memory_order_relaxed);
      if (tokens == 0) continue;
      const uint64_t time = std::min(tokens * buckets_->each_ns(), buckets_->burst_ns() + kMostBeyondBurst);
      char digits[20];
      const int length = std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(owner));
      into.push_back({"outrider:rate:" + name_ + ":" + std::string(digits, size_t(length)),
                      std::max<uint64_t>(1, (time + 500) / 1000), most_owed, place, owner});
    }
  }
}

bool MeshLimit::rest() {
  awake_.store(false);
  for (uint32_t word = 0; word < words_; ++word)
    if (dirty_[word].load() != 0) {
      awake_.store(true);
      return false;
    }
  return true;
}

// The store counts from when it was asked, or later: nobody is refused for what it takes to hear of it.
void MeshLimit::settle(const filter::Spending& told, TimePoint asked, uint64_t microseconds) {
  const uint64_t untold = spent_[told.place].load(std::memory_order_relaxed) * buckets_->each_ns();
  buckets_->raise(told.place, told.owner_key, ns_of(asked) + microseconds * 1000 + untold);
}

}  // namespace outrider::filters
