#pragma once
// Rules that never match, because one before them takes all that they would.

#include <string>
#include <unordered_map>
#include <vector>

#include "config/document.h"

namespace outrider::config {

// Whether every request that `rule` matches is taken by `earlier`; then by what of it: 'prefix "/"'.
bool covers(const Route& earlier, const Route& rule, std::string& by);

// The rules of one table, one after the other. Only those are compared that share a host, or a domain, and a path, or one above
// it: ten thousand that have nothing in common cost little more than reading them. Used while a configuration is checked.
class Shadows {
 public:
  // Whether rules without a server name take TLS that is passed through, too.
  explicit Shadows(bool tls_too) : tls_too_(tls_too) {}
  // The first of those before it that covers it, null: none. The rule must stay where it is.
  const Route* add(const Route& rule, std::string& by);

 private:
  using Bucket = std::vector<uint32_t>;  // of rules_, in their order
  const Bucket* find(const std::string& key) const;
  std::vector<const Bucket*> candidates(const Route& rule) const;
  void file(const Route& rule, uint32_t index);
  const bool tls_too_;
  std::vector<const Route*> rules_;
  std::unordered_map<std::string, Bucket> by_name_and_path_;
};

}  // namespace outrider::config
