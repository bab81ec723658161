#pragma once
// Keys and signatures as JSON Web Tokens have them (RFC 7518, RFC 8037): numbers and coordinates instead of DER.

#include <string_view>

#include "identity/key_pair.h"

namespace outrider::identity {

// Big-endian numbers. Where they are no key of a kind we accept: Algorithm::None, which verifies nothing.
PublicKey ec_key(std::string_view x, std::string_view y);  // P-256
PublicKey rsa_key(std::string_view n, std::string_view e);
PublicKey ed25519_key(std::string_view x);

// Of ECDSA it is r and s, 32 bytes each; of the others what PublicKey::verify() takes.
bool verify_token(const PublicKey& key, std::string_view message, std::string_view signature);

}  // namespace outrider::identity
