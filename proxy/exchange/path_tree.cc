#include "exchange/path_tree.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::exchange {

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

void PathTree::add_prefix(std::string_view prefix, uint32_t rule) {
  uint32_t& at = descend(prefix).prefix;
  at = std::min(at, rule);
}

void PathTree::add_exact(std::string_view path, uint32_t rule) {
  Node& node = descend(path);
  uint32_t& at = path.ends_with('/') ? node.exact_slash : node.exact;
  at = std::min(at, rule);
}

uint32_t PathTree::find(std::string_view path) const {
  path = path.substr(0, path.find('?'));
  const bool slash = path.ends_with('/');
  const Node* node = &root_;
  uint32_t best = node->prefix;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const auto child = node->children.find(next_part(path, '/'));
    if (child == node->children.end()) return best;
    node = child->second.get();
    best = std::min(best, node->prefix);
  }
  return std::min(best, slash ? node->exact_slash : node->exact);
}

}  // namespace outrider::exchange
