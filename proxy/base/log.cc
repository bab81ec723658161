#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "base/text.h"

namespace outrider::log {

namespace {

constinit std::atomic<Level> level_now{Level::Info};
constinit std::atomic<Format> format_now{Format::Text};
constinit std::atomic<int> fd_now{-1};

constexpr const char* kNames[] = {"debug", "info", "warn", "error"};

// One word, or it is quoted: what a peer chose must not break the line or reach a terminal.
void append_word(std::string& line, std::string_view text) {
  const auto strange = [](char c) { return uint8_t(c) <= 0x20 || c == '"' || c == '=' || c == '\\' || uint8_t(c) >= 0x7f; };
  if (text.empty() || std::any_of(text.begin(), text.end(), strange)) append_json(line, text);
  else line += text;
}

// A sentence of ours, unless it holds what is not plain text.
void append_sentence(std::string& line, std::string_view text) {
  const auto strange = [](char c) { return uint8_t(c) < 0x20 || uint8_t(c) >= 0x7f; };
  if (std::any_of(text.begin(), text.end(), strange)) append_json(line, text);
  else line += text;
}

std::string stamp() {  // RFC 3339 with milliseconds, UTC
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char text[40];
  const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
  return text;
}

}  // namespace

void configure(Level level, Format format) {
  level_now.store(level, std::memory_order_relaxed);
  format_now.store(format, std::memory_order_relaxed);
}

void redirect(int fd) { fd_now.store(fd, std::memory_order_relaxed); }

bool enabled(Level level) { return level >= level_now.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message, Pairs pairs) {
  if (!enabled(level) || level == Level::Off) return;
  std::string line;
  if (format_now.load(std::memory_order_relaxed) == Format::Json) {
    line += "{\"time\":\"" + stamp() + "\",\"level\":\"" + kNames[size_t(level)] + "\",\"message\":";
    append_json(line, message);
    for (const Pair& pair : pairs) {
      line += ',';
      append_json(line, pair.key);
      line += ':';
      append_json(line, pair.value);
    }
    line += "}\n";
  } else {
    line += stamp() + ' ' + kNames[size_t(level)] + ' ';
    append_sentence(line, message);
    for (const Pair& pair : pairs) {
      line += ' ';
      line += pair.key;
      line += '=';
      append_word(line, pair.value);
    }
    line += '\n';
  }
  const int fd = fd_now.load(std::memory_order_relaxed);
  [[maybe_unused]] const ssize_t written = ::write(fd < 0 ? STDERR_FILENO : fd, line.data(), line.size());
}

}  // namespace outrider::log
