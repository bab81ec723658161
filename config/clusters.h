#pragma once
// Clusters by name: those that only a rule or a filter names, and where each has its endpoints from.

#include <string>

#include "config/parse.h"

namespace outrider::config {

// For the time of completing one document. What is wrong goes to `reading`.
class Clusters {
 public:
  Clusters(Reading& reading, Document& document, const Layers& layers)
      : reading_(reading), document_(document), layers_(layers) {}
  // `at` is where the name stands, `path` its key.
  void name_cluster(const std::string& name, const std::string& path, const Node& at);
  void name_cluster_of(const FilterUse& use);  // whom a filter asks
  void resolve_configured();                   // once all are named
  void imply_passthrough();                    // where a rule leads there
  void infer_ports();                          // once it is known who speaks TCP

 private:
  bool resolve(Cluster& cluster, const Node& at, const std::string& path);
  bool decide_discovery(Cluster& cluster, const Node* own, const std::string& path);
  const Node* user(std::string_view section) const { return layers_.user.find(section); }
  const Node* named(const std::string& name) const {
    const Node* of = user("clusters");
    return of && of->is_map() ? of->find(name) : nullptr;
  }
  Reading& reading_;
  Document& document_;
  const Layers& layers_;
};

}  // namespace outrider::config
