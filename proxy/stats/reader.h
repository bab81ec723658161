#pragma once
// Many values at one time, for whoever shows them.

#include <mutex>
#include <vector>

#include "stats/exemplars.h"
#include "stats/stats.h"

namespace outrider::stats {

// As long as it lives no shard comes or goes: short. Any thread. The catalog outlives it.
class Reader {
 public:
  explicit Reader(const Catalog& catalog);
  uint64_t total(Slot slot) const;               // over all shards
  void add_to(Histogram& sum, Slot slot) const;  // likewise
  std::vector<Exemplar> exemplars() const;       // of all shards, in no order

 private:
  Ledger& ledger_;
  std::unique_lock<std::mutex> hold_;
};

}  // namespace outrider::stats
