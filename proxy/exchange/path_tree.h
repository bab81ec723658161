#pragma once
// Path prefixes and exact paths to the lowest number among those that match.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/text.h"

namespace outrider::exchange {

// A node a segment: "/a/b" is root -> "a" -> "b". Built once, then only read. Rules are added in the order of their
// numbers. One that is conditional takes what comes only where it is accepted, and leaves the rest to those behind it.
class PathTree {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  void add_prefix(std::string_view prefix, uint32_t rule, bool conditional);  // "/a" and "/a/" alike: /a, /a/..., not /ab
  void add_exact(std::string_view path, uint32_t rule, bool conditional);     // "/a" is not "/a/"
  // `path` up to '?'; the lowest rule that matches, of conditional ones that accepts(rule); or kNone.
  template <class Accepts>
  uint32_t find(std::string_view path, const Accepts& accepts) const {
    path = path.substr(0, path.find('?'));
    const bool slash = path.ends_with('/');
    const Node* node = &root_;
    uint32_t best = kNone;
    node->prefix.improve(best, accepts);
    if (path.starts_with('/')) path.remove_prefix(1);
    while (!path.empty()) {
      const auto child = node->children.find(next_part(path, '/'));
      if (child == node->children.end()) return best;
      node = child->second.get();
      node->prefix.improve(best, accepts);
    }
    (slash ? node->exact_slash : node->exact).improve(best, accepts);
    return best;
  }

 private:
  struct Rules {  // of one place, the first apart
    void add(uint32_t rule, bool conditional);
    template <class Accepts>
    void improve(uint32_t& best, const Accepts& accepts) const {
      if (first >= best) return;
      if (!first_conditional || accepts(first)) return void(best = first);
      for (const auto& [rule, conditional] : others)
        if (rule >= best) return;
        else if (!conditional || accepts(rule)) return void(best = rule);
    }
    uint32_t first = kNone;
    bool first_conditional = false, closed = false;  // closed: the last takes everything
    std::vector<std::pair<uint32_t, bool>> others;
  };
  struct Node {
    Rules prefix, exact, exact_slash;  // exact: the path ends here, without and with a slash behind it
    std::unordered_map<std::string, std::unique_ptr<Node>, StringHash, std::equal_to<>> children;
  };
  Node& descend(std::string_view path);
  Node root_;
};

}  // namespace outrider::exchange
