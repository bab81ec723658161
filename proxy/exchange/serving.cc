#include "exchange/serving.h"

namespace outrider::exchange {

Ref<Serving> Serving::make(std::shared_ptr<const Snapshot> snapshot, const upstream::Context& context, const Serving* before) {
  Ref<Serving> serving(new Serving);
  for (size_t i = 0; i < snapshot->clusters.size(); ++i) {
    const auto& plan = snapshot->clusters[i];
    Ref<upstream::Cluster> kept;
    if (before)
      for (const auto& old : before->clusters)
        if (old->plan().digest == plan->digest && old->plan().name == plan->name) kept = old;
    serving->clusters.push_back(kept ? kept : Ref(new upstream::Cluster(context, plan, snapshot->limits[i])));
  }
  serving->snapshot = std::move(snapshot);
  return serving;
}

}  // namespace outrider::exchange
