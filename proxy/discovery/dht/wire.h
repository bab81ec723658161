#pragma once
// Numbers and addresses as our own formats write them: big endian, without padding.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/address.h"

namespace outrider::discovery {

std::string number(uint64_t value, size_t size);
uint64_t number(std::string_view bytes);
std::string_view cut(std::string_view& from, size_t size);  // off its front; less, where there is less

// IP, then port: 6 bytes or 18. A v4 address has one form, the short one.
std::string address_bytes(const net::Address& address);
std::optional<net::Address> read_address(std::string_view bytes);

}  // namespace outrider::discovery
