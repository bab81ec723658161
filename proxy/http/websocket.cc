#include "http/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstring>

#include "base/text.h"

namespace outrider::http {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3

std::string_view base64(const unsigned char* bytes, size_t n, Arena& arena) {
  char* const text = static_cast<char*>(arena.allocate((n + 2) / 3 * 4 + 1, 1));
  return {text, size_t(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text), bytes, int(n)))};
}

}  // namespace

bool is_websocket(std::string_view protocol) { return equals_ignore_case(protocol, "websocket"); }

std::string_view new_websocket_key(Random& random, Arena& arena) {
  const uint64_t nonce[] = {random.next(), random.next()};
  unsigned char bytes[sizeof nonce];
  std::memcpy(bytes, nonce, sizeof nonce);
  return base64(bytes, sizeof bytes, arena);
}

std::string_view websocket_accept_of(std::string_view websocket_key, Arena& arena) {
  const auto text = arena.concat(websocket_key, kGuid);
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return base64(digest, sizeof digest, arena);
}

}  // namespace outrider::http
