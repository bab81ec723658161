#include "exchange/path_tree.h"

#include <utility>

namespace outrider::exchange {

void PathTree::Rules::add(uint32_t rule, bool conditional) {
  if (std::exchange(closed, closed || !conditional)) return;
  if (first == kNone) first = rule, first_conditional = conditional;
  else others.emplace_back(rule, conditional);
}

PathTree::Node& PathTree::descend(std::string_view path) {
  Node* node = &root_;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const auto segment = next_part(path, '/');
    auto& child = node->children[std::string(segment)];
    if (!child) child = std::make_unique<Node>();
    node = child.get();
  }
  return *node;
}

void PathTree::add_prefix(std::string_view prefix, uint32_t rule, bool conditional) {
  descend(prefix).prefix.add(rule, conditional);
}

void PathTree::add_exact(std::string_view path, uint32_t rule, bool conditional) {
  Node& node = descend(path);
  (path.ends_with('/') ? node.exact_slash : node.exact).add(rule, conditional);
}

}  // namespace outrider::exchange
