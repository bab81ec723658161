#include "server/screen.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>

#include "base/text.h"

namespace outrider::server {

namespace {

constexpr int kHandled[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP};
volatile sig_atomic_t ended = 0, resized = 0, stopped = 0;
int wake[2] = {-1, -1};  // a signal that comes just before poll() is not to be slept through

void on_signal(int number) {
  (number == SIGWINCH ? resized : number == SIGTSTP ? stopped : ended) = 1;
  const int saved = errno;
  (void)!::write(wake[1], "", 1);
  errno = saved;
}

void say(const char* text) {
  std::fputs(text, stdout);
  std::fflush(stdout);
}

}  // namespace

bool Screen::possible() { return ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO); }

Screen::Screen() {
  if (::pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) wake[0] = wake[1] = -1;
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : kHandled) sigaction(number, &action, nullptr);
  enter();
}

Screen::~Screen() {
  leave();
  for (const int number : kHandled) std::signal(number, SIG_DFL);
  for (int& end : wake)
    if (end >= 0) ::close(std::exchange(end, -1));
}

void Screen::enter() {
  tcgetattr(STDIN_FILENO, &before_);
  termios raw = before_;
  raw.c_lflag &= ~tcflag_t(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  say("\033[?1049h\033[?25l");
  entered_ = true;
  measure();
}

void Screen::leave() {
  if (!std::exchange(entered_, false)) return;
  say("\033[?25h\033[?1049l");
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void Screen::measure() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return;
  rows_ = size.ws_row;
  columns_ = size.ws_col;
}

void Screen::draw(const std::string& text) {
  std::string out = "\033[H";
  size_t row = 0;
  for (std::string_view rest = text; !rest.empty() && row < rows_; ++row) {
    const auto line = next_part(rest, '\n').substr(0, columns_);
    out += (row ? "\r\n" : "") + std::string(line.substr(0, utf8_prefix(line))) + "\033[K";
  }
  say((out + "\033[J").c_str());
}

Screen::Event Screen::wait(milliseconds at_most, char& key) {
  const auto due = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    if (ended) return Event::End;
    if (stopped) {
      stopped = 0;
      leave();
      ::raise(SIGSTOP);
      enter();
      return Event::Size;
    }
    if (resized) {
      resized = 0;
      measure();
      return Event::Size;
    }
    const auto left = std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Event::Time;
    pollfd ends[] = {{STDIN_FILENO, POLLIN, 0}, {wake[0], POLLIN, 0}};
    if (::poll(ends, 2, int(left.count())) < 0) continue;
    char drop[16];
    if (ends[1].revents) (void)!::read(wake[0], drop, sizeof drop);
    if (ends[0].revents) return ::read(STDIN_FILENO, &key, 1) == 1 ? Event::Key : Event::End;
  }
}

}  // namespace outrider::server
