#include "filters/basic_auth/users.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/base64.h"
#include "base/text.h"
#include "identity/key_pair.h"

namespace outrider::filters {

namespace {

constexpr std::string_view kSha = "{SHA}", kSalted = "{SSHA}", kRounds = "rounds=";
constexpr uint64_t kMostRounds = 10'000;
constexpr size_t kDigest = SHA_DIGEST_LENGTH, kMostPassword = 256;

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string sha1(const std::string& bytes) {
  std::string digest(kDigest, '\0');
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// Empty: fine.
std::string wrong_with(std::string_view hash) {
  if (hash.starts_with(kSha)) {
    const auto digest = decode_base64(hash.substr(kSha.size()), Base64::Padded);
    return digest && digest->size() == kDigest ? "" : "a broken {SHA}";
  }
  if (hash.starts_with(kSalted)) {
    const auto digest = decode_base64(hash.substr(kSalted.size()), Base64::Padded);
    return digest && digest->size() > kDigest ? "" : "a broken {SSHA}";
  }
  if (!hash.starts_with("$5$") && !hash.starts_with("$6$"))
    return "a hash of a kind that is not taken: {SHA}, {SSHA}, $5$ and $6$ are (htpasswd -s, openssl passwd -6)";
  const std::string_view setting = hash.substr(3);
  if (!setting.starts_with(kRounds)) return setting.find('$') == setting.npos ? "a broken hash" : "";
  const auto rounds = parse_number(setting.substr(kRounds.size(), setting.find('$') - kRounds.size()));
  return rounds && *rounds <= kMostRounds ? "" : "more than 10000 rounds: a worker would stand still for them";
}

}  // namespace

identity::Outcome<std::shared_ptr<const Users>> Users::read(std::string_view text) {
  auto users = std::make_shared<Users>();
  for (size_t line = 1; !text.empty(); ++line) {
    const std::string_view entry = trim(next_part(text, '\n'));
    const std::string_view one = entry.ends_with('\r') ? entry.substr(0, entry.size() - 1) : entry;
    if (one.empty() || one.starts_with('#')) continue;
    const std::string where = "line " + std::to_string(line) + ": ";
    const size_t colon = one.find(':');
    if (colon == 0 || colon == one.npos) return identity::Failure{where + "expected NAME:HASH"};
    const std::string_view hash = one.substr(colon + 1);
    if (const std::string wrong = wrong_with(hash); !wrong.empty()) return identity::Failure{where + wrong};
    if (!users->hashes_.emplace(one.substr(0, colon), hash).second)
      return identity::Failure{where + "this user is there already"};
  }
  if (users->hashes_.empty()) return identity::Failure{"there is no user in it"};
  users->stand_in_ = users->hashes_.begin()->second;
  users->salt_ = identity::random_bytes(32);
  return std::shared_ptr<const Users>(std::move(users));
}

bool Users::check(std::string_view user, std::string_view password) const {
  if (password.size() > kMostPassword || password.find('\0') != password.npos) return false;
  const std::string digest = identity::sha256(salt_ + identity::sha256(user) + std::string(password));
  std::string& place = right_[uint8_t(digest.front())];
  {
    const std::lock_guard lock(mutex_);
    if (equal(place, digest)) return true;
  }
  const auto found = hashes_.find(user);
  if (!matches(found == hashes_.end() ? stand_in_ : found->second, password) || found == hashes_.end()) return false;
  const std::lock_guard lock(mutex_);
  place = digest;
  return true;
}

bool Users::matches(const std::string& hash, std::string_view password) const {
  const std::string given(password);
  if (hash.starts_with(kSha))
    return equal(*decode_base64(std::string_view(hash).substr(kSha.size()), Base64::Padded), sha1(given));
  if (hash.starts_with(kSalted)) {
    const std::string kept = *decode_base64(std::string_view(hash).substr(kSalted.size()), Base64::Padded);
    return equal(std::string_view(kept).substr(0, kDigest), sha1(given + kept.substr(kDigest)));
  }
  const auto room = std::make_unique<crypt_data>();
  const char* const computed = crypt_r(given.c_str(), hash.c_str(), room.get());
  return computed && equal(computed, hash);
}

}  // namespace outrider::filters
