#pragma once
// The program's own log: levelled lines, text or JSON, on standard error. Any thread may write; a line is one
// write(2). Workers log only what is rare (never per request: that is the access log).
//   log::info("registered", {{"service", name}, {"address", addr}});

#include <atomic>
#include <initializer_list>
#include <string>
#include <string_view>

namespace outrider::log {

enum class Level : uint8_t { Debug, Info, Warn, Error, Off };
enum class Format : uint8_t { Text, Json };

struct Pair {
  Pair(std::string_view k, std::string_view v) : key(k), value(v) {}
  Pair(std::string_view k, const char* v) : key(k), value(v) {}
  Pair(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class N>
  requires std::is_arithmetic_v<N> Pair(std::string_view k, N n) : key(k), value(std::to_string(n)) {}
  std::string_view key;
  std::string value;
};
using Pairs = std::initializer_list<Pair>;

void configure(Level level, Format format);
void redirect(int fd);  // tests; -1: standard error again
bool enabled(Level level);
void write(Level level, std::string_view message, Pairs pairs = {});

inline void debug(std::string_view m, Pairs p = {}) {
  if (enabled(Level::Debug)) write(Level::Debug, m, p);
}
inline void info(std::string_view m, Pairs p = {}) { write(Level::Info, m, p); }
inline void warn(std::string_view m, Pairs p = {}) { write(Level::Warn, m, p); }
inline void error(std::string_view m, Pairs p = {}) { write(Level::Error, m, p); }

}  // namespace outrider::log
