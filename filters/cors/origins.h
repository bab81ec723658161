#pragma once
// Origins of pages, as a configuration lists them.

#include <string>
#include <string_view>
#include <vector>

namespace outrider::filters {

// "https://shop.example.com", "https://*.example.com" (one label or more), "*". Constant; shared by all workers.
class Origins {
 public:
  bool add(std::string_view origin);  // false: it is none
  bool contain(std::string_view origin) const;
  bool any() const { return any_; }

 private:
  struct Suffix {
    std::string scheme, rest;  // "https://", ".example.com:8443"
  };
  bool any_ = false;
  std::vector<std::string> exact_;
  std::vector<Suffix> suffixes_;
};

}  // namespace outrider::filters
