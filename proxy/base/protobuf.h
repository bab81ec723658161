#pragma once
// Messages of protobuf, as far as a few small ones need it: fields are read one after another, and nothing is copied.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider::protobuf {

// One message. Fields of kinds that nobody here uses are skipped; what is none ends it with broken().
class Reader {
 public:
  explicit Reader(std::string_view message) : left_(message) {}
  struct Field {
    uint64_t number = 0;
    std::optional<uint64_t> value;    // of a varint
    std::optional<uint64_t> fixed64;  // the bits of a double, too
    std::string_view bytes;           // of a text, bytes or a message
  };
  std::optional<Field> next();
  bool broken() const { return broken_; }

 private:
  std::optional<uint64_t> varint();
  std::optional<std::string_view> take(uint64_t size);
  std::string_view left_;
  bool broken_ = false;
};

std::string write_bytes(uint32_t number, std::string_view bytes);  // one field

// One field behind what is there.
void append_number(std::string& out, uint32_t number, uint64_t value);  // a varint
void append_fixed64(std::string& out, uint32_t number, uint64_t value);
void append_fixed32(std::string& out, uint32_t number, uint32_t value);
void append_bytes(std::string& out, uint32_t number, std::string_view bytes);  // a text, bytes or a message
void append_head(std::string& out, uint32_t number, size_t size);              // of the same, whose so many bytes follow
size_t size_of_number(uint64_t value);                                         // as a varint

}  // namespace outrider::protobuf
