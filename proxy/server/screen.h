#pragma once
// A terminal that is drawn anew again and again, and is as it was before once that is over.

#include <termios.h>

#include <string>

#include "base/time.h"

namespace outrider::server {

// The alternate screen, without echo and cursor, from construction to its end; also where a signal ends it (INT, TERM, HUP),
// which is told as a key. Ctrl-Z gives the terminal back meanwhile. One at a time; the command line's thread.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  static bool possible();  // both ends are a terminal
  // Lines, cut where the terminal ends; what is below is left out.
  void draw(const std::string& text);
  size_t rows() const { return rows_; }
  enum class Event : uint8_t { Time, Size, Key, End };
  Event wait(milliseconds at_most, char& key);

 private:
  void enter();
  void leave();
  void measure();
  termios before_{};
  bool entered_ = false;
  size_t rows_ = 24, columns_ = 80;
};

}  // namespace outrider::server
