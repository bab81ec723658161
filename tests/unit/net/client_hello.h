#pragma once
// A ClientHello, written part by part so that each may be wrong.

#include <string>
#include <string_view>

namespace outrider::net {

inline std::string sized(size_t length_bytes, std::string_view bytes) {
  std::string out;
  for (size_t i = length_bytes; i-- > 0;) out += char(bytes.size() >> 8 * i);
  return out.append(bytes);
}

inline std::string extension(int type, std::string_view data) {
  return std::string{char(type >> 8), char(type)} + sized(2, data);
}

inline std::string server_name(std::string_view name, int type = 0) {
  return extension(0, sized(2, std::string(1, char(type)) + sized(2, name)));
}

inline std::string protocols(std::initializer_list<std::string_view> names) {
  std::string list;
  for (const auto name : names) list += sized(1, name);
  return extension(16, sized(2, list));
}

struct Hello {
  std::string session = std::string(32, 's'), ciphers = "\x13\x01\x13\x02", compressions = std::string(1, '\0');
  std::string extensions;
  bool extended = true;

  std::string message() const {
    std::string body = "\x03\x03" + std::string(32, 'r') + sized(1, session) + sized(2, ciphers) + sized(1, compressions);
    if (extended) body += sized(2, extensions);
    return "\x01" + sized(3, body);
  }
};

inline std::string record(std::string_view bytes) { return "\x16\x03\x01" + sized(2, bytes); }

// Over records of so many bytes each.
inline std::string records(std::string_view message, size_t each) {
  std::string out;
  for (size_t at = 0; at < message.size(); at += each) out += record(message.substr(at, each));
  return out;
}

inline std::string hello_to(std::string_view name) { return record(Hello{.extensions = server_name(name)}.message()); }

}  // namespace outrider::net
