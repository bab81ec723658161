#include "discovery/configured.h"

namespace outrider::discovery {

std::vector<Instance> instances_of(const std::vector<config::Endpoint>& endpoints) {
  std::vector<Instance> instances;
  for (const config::Endpoint& each : endpoints) {
    Instance instance;
    instance.address = each.address;
    instance.weight = each.weight;
    instance.zone = each.zone;
    instance.priority = each.priority;
    instance.labels = each.labels;
    instances.push_back(std::move(instance));
  }
  return instances;
}

}  // namespace outrider::discovery
