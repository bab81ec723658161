#pragma once
// A stream of bytes as lines of a bounded length.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace outrider::discovery {

// Owned by whoever reads. What has come of a line that is not whole is all it holds.
class Lines {
 public:
  enum class Fed : uint8_t { All, Stopped, TooLong };
  explicit Lines(size_t most) : most_(most) {}
  // `take(line)` for every line that is whole, without its end; false of it: no more of these bytes.
  template <class F>
  Fed feed(std::string_view bytes, F take) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      const size_t length = std::min(end, bytes.size());
      if (rest_.size() + length > most_) return Fed::TooLong;
      if (end == bytes.npos) {
        rest_.append(bytes);
        break;
      }
      std::string_view line = bytes.substr(0, end);
      std::string whole;
      if (!rest_.empty()) {
        whole.swap(rest_);
        line = whole.append(line);
      }
      bytes.remove_prefix(end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!line.empty() && !take(line)) return Fed::Stopped;
    }
    return Fed::All;
  }
  bool halfway() const { return !rest_.empty(); }
  void clear() { std::string().swap(rest_); }

 private:
  const size_t most_;
  std::string rest_;
};

}  // namespace outrider::discovery
