#pragma once
// What seals session tickets (RFC 5077, RFC 8446 4.6.1), so that no server has to remember its clients.

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

struct ssl_ctx_st;
struct ssl_st;
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace outrider::net {

// Keys seal for an hour, open for one more, and are wiped: whoever takes them from memory later opens no TLS 1.2 session of
// before (with 1.3 each connection has an exchange of keys of its own, resumed or not). Shared by all workers; any thread.
class TicketKeys {
 public:
  static constexpr seconds kLife{3600};
  using Clock = TimePoint (*)();
  explicit TicketKeys(Clock clock) : clock_(clock) {}
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  void seal_for(ssl_ctx_st* context);  // which must not outlive this
  // For the process that takes our place, on the same machine: it opens what we have sealed. Secret.
  std::string save();
  bool load(std::string_view saved);  // false: it is none of that; nothing has changed

 private:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, mac;
    TimePoint made;
  };
  static int answer(ssl_st* ssl, unsigned char* name, unsigned char* vector, evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac,
                    int seal);
  int seal(unsigned char* name, unsigned char* vector, evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac);
  int open(const unsigned char* name, const unsigned char* vector, evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac);
  bool draw(unsigned char* vector);
  bool turn();  // false: there is no key to seal with
  static void wipe(std::optional<Key>& key);
  const Clock clock_;
  std::mutex mutex_;
  std::optional<Key> now_, before_;
  std::array<std::array<unsigned char, 16>, 64> vectors_;
  size_t vectors_left_ = 0;
};

}  // namespace outrider::net
