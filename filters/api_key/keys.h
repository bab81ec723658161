#pragma once
// A file of keys: one a line, KEY or NAME KEY.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "identity/outcome.h"

namespace outrider::filters {

// Constant; shared by all workers. What is kept of a key is its digest.
class Keys {
 public:
  static identity::Outcome<std::shared_ptr<const Keys>> read(std::string_view text);  // the reason names the line
  // Whose it is, "" of a key without a name; null: nobody's. Looks at all of them, whichever it is.
  const std::string* owner(std::string_view key) const;

 private:
  struct Key {
    std::string name, digest;
  };
  std::vector<Key> keys_;
};

}  // namespace outrider::filters
