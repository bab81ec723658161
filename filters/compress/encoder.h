#pragma once
// Content codings (RFC 9110 8.4.1), written as the bytes come.

#include <memory>
#include <optional>
#include <string_view>

#include "base/buffer.h"

namespace outrider::filters {

enum class Coding : uint8_t { Zstd, Brotli, Gzip };
inline constexpr Coding kCodings[] = {Coding::Zstd, Coding::Brotli, Coding::Gzip};
const char* name_of(Coding coding);  // as in Accept-Encoding
std::optional<Coding> coding_of(std::string_view name);

// One body. Needs about a megabyte at most, whatever is written. One worker.
class Encoder {
 public:
  static std::unique_ptr<Encoder> make(Coding coding);  // null: there is no memory for it
  virtual ~Encoder() = default;
  // Puts what stands for the bytes in their place, all of it, so that nobody has to wait for the rest; with `end` also what
  // closes the body. False: something went wrong, and the body cannot be saved.
  virtual bool encode(Buffer& data, bool end) = 0;
};

}  // namespace outrider::filters
