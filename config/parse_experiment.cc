// What is done to traffic for a while, to see what becomes of it.

#include "config/parse.h"

namespace outrider::config {

namespace {

void read_fault(Fields& fields, Experiment& e, const Layers& layers) {
  const Node* value = fields.hand("fault", "options of the filter", "");
  if (!value) {
    if (!fields.reading().catalog) fields.error("fault", fields.node(), "missing: what is to be done");
    return;
  }
  fields.keep("fault", *value);
  if (!value->is_map()) return fields.error("fault", *value, "expected a map of options, got " + kind_of(*value));
  for (const char* key : {"for", "blast_radius", "seed", "name"})
    if (const Node* own = value->find(key))
      return fields.reading().error(*own, join_path(fields.path("fault"), key), "belongs beside fault, not in it");
  e.fault = {"fault", *value, false, where_of(*value), fields.path("fault")};
  check_filter(fields.reading(), e.fault, layers.sources);
  for (const char* key : {"for", "blast_radius", "seed"})
    if (const Node* limit = fields.given(key)) e.fault.options.put(key, *limit);
  e.fault.options.put("name", Node::scalar(e.name));
}

}  // namespace

void read_experiment(Fields& fields, Experiment& e, const Layers& layers) {
  fields.text("cluster", e.cluster, "cluster");
  fields.text("route", e.route, "table/rule");
  fields.later("match", {"{}"});
  milliseconds time{0};
  double blast_radius = 1;
  uint64_t seed = 0;
  fields.duration("for", time, milliseconds(1));
  fields.share("blast_radius", blast_radius);
  fields.number("seed", seed);
  read_fault(fields, e, layers);
  for (const char* key : {"abort_if", "coordinate", "canary", "mirror", "shape", "replay"}) fields.later(key);
  if (fields.reading().catalog) return;
  if (!fields.given("for")) fields.error("for", fields.node(), "missing: when it ends by itself");
  if (e.cluster.empty() == e.route.empty())
    fields.reading().error(fields.node(), fields.path(), "an experiment is about one of cluster and route; give one");
}

}  // namespace outrider::config
