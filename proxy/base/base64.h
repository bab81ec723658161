#pragma once
// Base64 of short texts (RFC 4648), strictly: one text for some bytes, and nothing else stands for them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider {

enum class Base64 : uint8_t { Padded, Url };  // section 4; section 5 without its padding, as tokens have it

std::optional<std::string> decode_base64(std::string_view text, Base64 form);  // nothing: it is none
std::string encode_base64(std::string_view bytes, Base64 form);

}  // namespace outrider
