#include "capture/validate.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "base/text.h"
#include "capture/look.h"
#include "capture/program.h"
#include "net/address.h"

namespace outrider::capture {

namespace {

using net::Address;
using State = Finding::State;

constexpr milliseconds kLookAgain{20};
constexpr std::string_view kListening = "0A";
constexpr const char *kNobodyV4 = "192.0.2.1", *kNobodyV6 = "[2001:db8::1]";

class Socket {
 public:
  Socket(int family, int type) : fd_(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct Deadline {
  explicit Deadline(milliseconds within) : end(std::chrono::steady_clock::now() + within) {}
  int left() const {
    return int(std::max<int64_t>(0, std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now()).count()));
  }
  bool wait(int fd, short events) const {
    pollfd one{fd, events, 0};
    int n = 0;
    while ((n = ::poll(&one, 1, left())) < 0 && errno == EINTR) {}
    return n > 0;
  }
  TimePoint end;
};

std::string token() {
  char bytes[8];
  return ::getrandom(bytes, sizeof bytes, 0) == sizeof bytes ? to_hex({bytes, sizeof bytes}) : std::to_string(::getpid());
}

Address with_port(const std::string& ip, uint16_t port) { return *Address::parse(ip + ":" + std::to_string(port)); }

// A port that is captured, with nothing about it that anybody would know.
uint16_t captured_port(const Settings& settings) {
  uint16_t port = 20000;
  while (port < 65535 && has(settings.skip_outbound, port)) ++port;
  return port;
}

std::string left_out_as(const Settings& settings) {
  if (::geteuid() == settings.uid) return "user " + std::to_string(settings.uid);
  return ::getegid() == settings.gid ? "group " + std::to_string(settings.gid) : std::string();
}

std::string remedy(const Settings& settings) {
  std::string text = "outrider capture apply --inbound " +
                     (settings.inbound ? std::to_string(settings.inbound) : std::string("off")) + " --outbound " +
                     (settings.outbound ? std::to_string(settings.outbound) : std::string("off")) + " --uid " +
                     std::to_string(settings.uid) + " --gid " + std::to_string(settings.gid);
  if (settings.dns) text += " --dns " + std::to_string(settings.dns);
  if (settings.mode == Mode::Tproxy) text += " --mode tproxy";
  return text + ", with CAP_NET_ADMIN and in this network, before the app starts";
}

std::string content_of(const char* file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_listed(uint16_t listening, uint16_t ours) {
  return lists_connection(content_of("/proc/net/tcp"), listening, ours) ||
         lists_connection(content_of("/proc/net/tcp6"), listening, ours);
}

// One call out. Empty: it came to us; else where it went, as far as that is known.
class Call {
 public:
  Call(const Settings& settings, bool v4, milliseconds timeout)
      : settings_(settings), to_(with_port(v4 ? kNobodyV4 : kNobodyV6, captured_port(settings))),
        here_(with_port(v4 ? "127.0.0.1" : "[::1]", settings.outbound)), deadline_(timeout), listener_(to_.family(), SOCK_STREAM),
        client_(std::make_unique<Socket>(to_.family(), SOCK_STREAM)), name_(std::string("outbound, ") + (v4 ? "IPv4" : "IPv6")) {}

  Finding run() {
    bool ours = true;
    const int on = 1;  // what is left of the last look is nobody's
    setsockopt(listener_.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(listener_.fd(), here_.raw(), here_.length()) != 0 || ::listen(listener_.fd(), 4) != 0) {
      if (errno != EADDRINUSE) return not_looked_at(here_.text() + ": " + std::strerror(errno));
      ours = false;
    }
    if (::connect(client_->fd(), to_.raw(), to_.length()) != 0 && errno != EINPROGRESS) return on_failed(errno);
    return ours ? comes_to_us() : comes_to_proxy();
  }

 private:
  Finding not_looked_at(std::string why) { return {State::NotLookedAt, name_, std::move(why), {}}; }
  Finding proven(const std::string& where) {
    return {State::Proven, name_, "a connection to " + to_.text() + " came to " + where, {}};
  }
  Finding failed(const std::string& what) {
    return {State::Failed, name_, "a connection to " + to_.text() + " was not captured: " + what, remedy(settings_)};
  }
  Finding on_failed(int os_error) {  // nothing leaves by that family at all, captured or not
    if (os_error == ENETUNREACH || os_error == EADDRNOTAVAIL || os_error == EAFNOSUPPORT)
      return not_looked_at("there is no route to anywhere");
    return failed(std::strerror(os_error));
  }
  int wait_connected() {
    if (!deadline_.wait(client_->fd(), POLLOUT)) return ETIMEDOUT;
    int os_error = 0;
    socklen_t length = sizeof os_error;
    getsockopt(client_->fd(), SOL_SOCKET, SO_ERROR, &os_error, &length);
    return os_error;
  }
  uint16_t own_port() const { return Address::local_of(client_->fd()).port(); }

  // Who has called is known by his port, and whom he has reached by the words he gets.
  Finding comes_to_us() {
    const std::string words = token();
    if (const int os_error = wait_connected()) return failed(std::strerror(os_error));
    const uint16_t port = own_port();
    while (deadline_.wait(listener_.fd(), POLLIN)) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const Socket accepted(::accept4(listener_.fd(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC));
      if (accepted.fd() < 0 || Address(reinterpret_cast<sockaddr*>(&from), length).port() != port) continue;  // somebody else's
      (void)!::send(accepted.fd(), words.data(), words.size(), MSG_NOSIGNAL);
      char heard[64];
      const ssize_t n = deadline_.wait(client_->fd(), POLLIN) ? ::recv(client_->fd(), heard, sizeof heard, 0) : -1;
      if (n == ssize_t(words.size()) && words == std::string_view(heard, size_t(n))) return proven(here_.text());
      return failed("what answered it was somebody else");
    }
    return failed("somebody else took it");
  }

  // Where the proxy runs already, the other end of our connection is its listener's. It may end one that leads nowhere before we
  // have looked; so it is made to wait for the rest of a request, and asked again.
  Finding comes_to_proxy() {
    for (;;) {
      const int os_error = wait_connected();
      if (os_error != 0 && os_error != ECONNRESET) return failed(std::strerror(os_error));
      bool over = os_error != 0, asked = false;
      while (!over) {
        if (is_listed(settings_.outbound, own_port()))
          return proven("the proxy that listens at port " + std::to_string(settings_.outbound));
        if (!std::exchange(asked, true)) (void)!::send(client_->fd(), "GET ", 4, MSG_NOSIGNAL);
        pollfd waiting{client_->fd(), POLLIN | POLLRDHUP, 0};
        over = ::poll(&waiting, 1, std::min(deadline_.left(), int(kLookAgain.count()))) > 0 || deadline_.left() == 0;
      }
      if (deadline_.left() == 0)
        return failed("somebody took it, and not what listens at port " + std::to_string(settings_.outbound));
      ::poll(nullptr, 0, std::min(deadline_.left(), int(kLookAgain.count())));
      client_ = std::make_unique<Socket>(to_.family(), SOCK_STREAM);
      if (::connect(client_->fd(), to_.raw(), to_.length()) != 0 && errno != EINPROGRESS) return on_failed(errno);
    }
  }

  const Settings& settings_;
  const Address to_, here_;
  const Deadline deadline_;
  const Socket listener_;
  std::unique_ptr<Socket> client_;
  const std::string name_;
};

// A question for a name that nobody has, to a server that nobody is.
std::string question(const std::string& label) {
  std::string text("\x4f\x52\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  for (const std::string& part : {label, std::string("outrider"), std::string("invalid")}) text += char(part.size()) + part;
  return text + std::string("\0\0\1\0\1", 5);
}

Finding ask_name_server(const Settings& settings, milliseconds timeout) {
  const std::string name = "DNS";
  const Address nobody = with_port(kNobodyV4, 53), here = with_port("127.0.0.1", settings.dns);
  const Deadline deadline(timeout);
  const Socket listener(AF_INET, SOCK_DGRAM), client(AF_INET, SOCK_DGRAM);
  const bool ours = ::bind(listener.fd(), here.raw(), here.length()) == 0;
  if (!ours && errno != EADDRINUSE) return {State::NotLookedAt, name, here.text() + ": " + std::strerror(errno), {}};
  const std::string words = question(token());
  if (::connect(client.fd(), nobody.raw(), nobody.length()) != 0)
    return {State::NotLookedAt, name, "there is no route to anywhere", {}};
  (void)!::send(client.fd(), words.data(), words.size(), MSG_NOSIGNAL);
  char heard[512];
  const ssize_t n = deadline.wait(ours ? listener.fd() : client.fd(), POLLIN)
                        ? ::recv(ours ? listener.fd() : client.fd(), heard, sizeof heard, 0)
                        : -1;
  const bool good = ours ? n == ssize_t(words.size()) && words == std::string_view(heard, size_t(n))
                         : n >= 12 && words.substr(0, 2) == std::string_view(heard, 2);
  if (good) return {State::Proven, name, "a question to " + nobody.text() + " came to " + here.text(), {}};
  return {State::Failed, name, "a question to " + nobody.text() + " was not captured: nobody answered", remedy(settings)};
}

Finding read_inbound(const Settings& settings) {
  const std::string name = "inbound";
  take_up_rights();
  const Seen seen = look();
  if (!seen.why.empty()) return {State::NotLookedAt, name, seen.why, {}};
  const std::string port = std::to_string(settings.inbound);
  if (redirects_to(seen.text, settings.inbound)) return {State::Proven, name, "the rules lead to port " + port, {}};
  return {State::Failed, name, "no rule leads to port " + port, remedy(settings)};
}

}  // namespace

bool lists_connection(std::string_view table, uint16_t here, uint16_t there) {
  const auto port_of = [](std::string_view address) {
    const auto bytes = from_hex(to_lower(address.substr(address.rfind(':') + 1)));
    return bytes && bytes->size() == 2 ? uint16_t(uint8_t((*bytes)[0]) << 8 | uint8_t((*bytes)[1])) : uint16_t(0);
  };
  for (std::string_view line : split(table, '\n')) {
    const std::string_view number = next_part(line, ' ');
    if (!number.ends_with(':')) continue;
    const std::string_view local = next_part(line, ' '), remote = next_part(line, ' '), state = next_part(line, ' ');
    if (state != kListening && port_of(local) == here && port_of(remote) == there) return true;  // it may have been ended already
  }
  return false;
}

std::vector<Finding> validate(const Settings& settings, milliseconds timeout) {
  std::vector<Finding> findings;
  if (const std::string who = left_out_as(settings); !who.empty() && (settings.outbound || settings.dns))
    return {{State::Failed, "outbound", "this process runs as " + who + ", whose connections are not captured",
             "run it as another user than the proxy's, as the app does"}};
  if (settings.outbound) {
    findings.push_back(Call(settings, true, timeout).run());
    if (settings.ipv6) findings.push_back(Call(settings, false, timeout).run());
  }
  if (settings.dns) findings.push_back(ask_name_server(settings, timeout));
  if (settings.inbound) findings.push_back(read_inbound(settings));
  return findings;
}

bool in_force(const std::vector<Finding>& findings) {
  const auto any = [&](State state) {
    return std::any_of(findings.begin(), findings.end(), [=](const Finding& one) { return one.state == state; });
  };
  return any(State::Proven) && !any(State::Failed);
}

}  // namespace outrider::capture
