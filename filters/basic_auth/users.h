#pragma once
// A file of users and what their passwords hash to: NAME:HASH, as htpasswd and openssl passwd write it.

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "identity/outcome.h"

namespace outrider::filters {

// Constant but for what it has found to be right, which it need not compute again. Shared by all workers; any thread.
class Users {
 public:
  // The reason names the line. Hashes are {SHA}, {SSHA}, and those of SHA-crypt, $5$ and $6$, of at most 10,000 rounds: a
  // worker waits for each it computes.
  static identity::Outcome<std::shared_ptr<const Users>> read(std::string_view text);
  bool check(std::string_view user, std::string_view password) const;  // takes as long whoever it is

 private:
  bool matches(const std::string& hash, std::string_view password) const;
  std::map<std::string, std::string, std::less<>> hashes_;
  std::string stand_in_;  // for users that are not there
  std::string salt_;      // of what is remembered
  mutable std::mutex mutex_;
  mutable std::array<std::string, 256> right_;  // digests of a user and a password, by their first byte
};

}  // namespace outrider::filters
