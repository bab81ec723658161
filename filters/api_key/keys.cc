#include "filters/api_key/keys.h"

#include <openssl/crypto.h>

#include "base/text.h"
#include "identity/key_pair.h"

namespace outrider::filters {

namespace {

constexpr size_t kMostKeys = 10'000, kLeastKey = 16;

}  // namespace

identity::Outcome<std::shared_ptr<const Keys>> Keys::read(std::string_view text) {
  auto keys = std::make_shared<Keys>();
  for (size_t line = 1; !text.empty(); ++line) {
    std::string_view one = next_part(text, '\n');
    if (one.ends_with('\r')) one.remove_suffix(1);
    one = trim(one);
    if (one.empty() || one.starts_with('#')) continue;
    const std::string where = "line " + std::to_string(line) + ": ";
    const size_t blank = one.find_last_of(" \t");
    const std::string_view key = blank == one.npos ? one : one.substr(blank + 1);
    const std::string_view name = blank == one.npos ? std::string_view{} : trim(one.substr(0, blank));
    if (key.size() < kLeastKey) return identity::Failure{where + "a key has at least 16 characters, or it can be guessed"};
    if (keys->keys_.size() == kMostKeys) return identity::Failure{where + "more than 10000 keys"};
    keys->keys_.push_back({std::string(name), identity::sha256(key)});
  }
  if (keys->keys_.empty()) return identity::Failure{"there is no key in it"};
  return std::shared_ptr<const Keys>(std::move(keys));
}

const std::string* Keys::owner(std::string_view key) const {
  const std::string digest = identity::sha256(key);
  const std::string* found = nullptr;
  for (const Key& one : keys_)
    if (CRYPTO_memcmp(one.digest.data(), digest.data(), digest.size()) == 0) found = &one.name;
  return found;
}

}  // namespace outrider::filters
