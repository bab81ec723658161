#include "config/regex.h"

#include <re2/re2.h>

namespace outrider::config {

std::shared_ptr<const re2::RE2> compile_regex(const std::string& text) {
  constexpr int64_t kMostBytes = 1 << 20;  // compiled
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMostBytes);
  return std::make_shared<const re2::RE2>(text, options);
}

}  // namespace outrider::config
