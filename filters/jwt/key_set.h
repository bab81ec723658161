#pragma once
// A set of public keys as JSON (RFC 7517).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "identity/jose.h"

namespace outrider::filters {

// Constant; shared by all workers. Keys of other kinds and for other uses are left out.
class KeySet {
 public:
  static identity::Outcome<std::shared_ptr<const KeySet>> read(std::string_view json);
  // Whether one of them has signed it. With an id that key alone is asked, else those of the kind, of which there are few.
  enum class Verdict : uint8_t { Good, UnknownKey, BadSignature };
  Verdict verify(identity::Algorithm algorithm, std::string_view id, std::string_view message, std::string_view signature) const;
  size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;  // empty: it has none
    identity::PublicKey key;
  };
  std::vector<Key> keys_;
};

}  // namespace outrider::filters
