#pragma once
// A snapshot as one worker serves it.

#include <memory>
#include <vector>

#include "base/ref.h"
#include "exchange/snapshot.h"
#include "upstream/cluster.h"

namespace outrider::exchange {

// Exchanges hold a Ref, sessions look it up per request. A cluster with the same plan is the same object in
// the next Serving, with its seats, pools and averages. One worker.
struct Serving {
  uint32_t holders = 0;
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<Ref<upstream::Cluster>> clusters;  // indexed by Route::cluster
  static void recycle(Serving* serving) { delete serving; }
  static Ref<Serving> make(std::shared_ptr<const Snapshot> snapshot, const upstream::Context& context, const Serving* before);
};

}  // namespace outrider::exchange
