#pragma once
// A limit that other proxies spend from, too.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "filter/feed.h"
#include "filter/shared.h"
#include "filters/rate_limit/buckets.h"

namespace outrider::filters {

// Each request is decided by this proxy's own buckets. What was taken from them is told to the store, and what all have taken is
// what they are set to: so the store is asked once for many requests, and where it does not answer the buckets are what is left.
// Owned by its filter and the snapshot. Workers call spent() and answering(); the rest is the control thread's.
class MeshLimit final : public filter::Feed, public filter::Shared {
 public:
  // `name` is what others know it by; empty: where it stands.
  MeshLimit(filter::Store store, std::string name, std::shared_ptr<Buckets> buckets);
  void spent(Buckets::Place place);  // a token was taken there; no lock
  bool answering() const { return answering_.load(std::memory_order_relaxed); }

  void stands_at(const std::string& place) override;
  std::string load() override;
  void look() override {}
  filter::Shared* shared() override { return this; }
  const filter::Store& store() const override { return store_; }
  void on_spending(std::function<void()> wake) override { wake_ = std::move(wake); }
  void collect(std::vector<filter::Spending>& into, size_t at_most) override;
  bool rest() override;
  void settle(const filter::Spending& told, TimePoint asked, uint64_t microseconds) override;
  void set_answering(bool yes) override { answering_.store(yes, std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kBits = 64;
  const filter::Store store_;
  std::string name_;
  const std::shared_ptr<Buckets> buckets_;
  const uint32_t words_;
  std::unique_ptr<std::atomic<uint32_t>[]> spent_;  // tokens, for each place, that nobody was told of
  std::unique_ptr<std::atomic<uint64_t>[]> dirty_;  // a bit for each place that has some
  std::atomic<bool> awake_{true}, answering_{false};
  std::function<void()> wake_;
  uint32_t next_word_ = 0;  // where collect() goes on
};

}  // namespace outrider::filters
