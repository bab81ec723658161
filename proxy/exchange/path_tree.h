#pragma once
// Path prefixes and exact paths to the lowest number among those that match.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"

namespace outrider::exchange {

// A node a segment: "/a/b" is root -> "a" -> "b". Built once, then only read.
class PathTree {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  void add_prefix(std::string_view prefix, uint32_t rule);  // "/a" and "/a/" alike: /a, /a/..., not /ab
  void add_exact(std::string_view path, uint32_t rule);     // "/a" is not "/a/"
  uint32_t find(std::string_view path) const;               // up to '?'; the lowest rule, or kNone

 private:
  struct Node {
    uint32_t prefix = kNone;
    uint32_t exact = kNone, exact_slash = kNone;  // the path ends here: without and with a slash behind it
    std::unordered_map<std::string, std::unique_ptr<Node>, StringHash, std::equal_to<>> children;
  };
  Node& descend(std::string_view path);
  Node root_;
};

}  // namespace outrider::exchange
