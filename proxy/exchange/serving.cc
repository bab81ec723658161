#include "exchange/serving.h"

#include <unordered_map>

namespace outrider::exchange {

Ref<Serving> Serving::make(std::shared_ptr<const Snapshot> snapshot, const upstream::Context& context, const Serving* before) {
  Ref<Serving> serving(new Serving);
  std::unordered_map<const upstream::ClusterPlan*, const Ref<upstream::Cluster>*> known;
  if (before)
    for (const auto& old : before->clusters) known[&old->plan()] = &old;
  for (size_t i = 0; i < snapshot->clusters.size(); ++i) {
    const auto& plan = snapshot->clusters[i];
    const auto kept = known.find(plan.get());
    serving->clusters.push_back(kept != known.end() ? *kept->second
                                                    : Ref(new upstream::Cluster(context, plan, snapshot->limits[i])));
  }
  serving->snapshot = std::move(snapshot);
  return serving;
}

}  // namespace outrider::exchange
