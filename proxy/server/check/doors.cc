// Who listens where.

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/text.h"
#include "net/address.h"
#include "server/check/machine.h"

namespace outrider::server {

namespace {

struct Listening {
  uint32_t user = 0;
  std::string inode;
};

// Lines of /proc/net/tcp: "0: 00000000:1F90 ... 0A ... uid timeout inode". Datagrams have state 07.
std::optional<Listening> listening(uint16_t port, bool datagrams) {
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", unsigned(port));
  const std::vector<const char*> tables = datagrams ? std::vector<const char*>{"/proc/net/udp", "/proc/net/udp6"}
                                                    : std::vector<const char*>{"/proc/net/tcp", "/proc/net/tcp6"};
  for (const char* table : tables) {
    std::ifstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, timer, retransmits, inode;
      uint32_t user = 0, timeout = 0;
      if (!(fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode)) continue;
      if (local.ends_with(wanted) && state == (datagrams ? "07" : "0A")) return Listening{user, inode};
    }
  }
  return {};
}

// "nginx (pid 12)"; of another user's process only root sees which it is.
std::string holder_of(const std::string& inode) {
  const std::string wanted = "socket:[" + inode + "]";
  const auto open = [](const std::string& path) { return std::unique_ptr<DIR, int (*)(DIR*)>(opendir(path.c_str()), closedir); };
  const auto processes = open("/proc");
  for (const dirent* process; processes && (process = readdir(processes.get()));) {
    if (!parse_number(process->d_name)) continue;
    const std::string folder = std::string("/proc/") + process->d_name;
    const auto files = open(folder + "/fd");
    for (const dirent* file; files && (file = readdir(files.get()));) {
      char target[64];
      const ssize_t n = readlink((folder + "/fd/" + file->d_name).c_str(), target, sizeof target);
      if (n <= 0 || std::string_view(target, size_t(n)) != wanted) continue;
      std::string name;
      std::getline(std::ifstream(folder + "/comm") >> std::ws, name);
      return name + " (pid " + process->d_name + ")";
    }
  }
  return {};
}

bool answers(const net::Address& at) {
  const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool yes = fd >= 0 && ::connect(fd, at.raw(), at.length()) == 0;
  if (fd >= 0) ::close(fd);
  return yes;
}

}  // namespace

std::optional<uint32_t> user_listening(uint16_t port) {
  const auto found = listening(port, false);
  return found ? std::optional(found->user) : std::nullopt;
}

Door look_at_door(const std::string& key, const std::string& address, bool datagrams) {
  Door door{key, address, Door::State::Free, {}, {}};
  const auto at = net::Address::parse(address);
  if (!at) return door.state = Door::State::Failed, door.why = "is no address", door;
  if (at->is_unix()) {
    if (answers(*at)) door.state = Door::State::Taken;
    return door;
  }
  if (at->port() == 0) return door;
  const int fd = ::socket(at->family(), (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0 && !datagrams) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool bound = fd >= 0 && ::bind(fd, at->raw(), at->length()) == 0 && (datagrams || ::listen(fd, 1) == 0);
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (bound) return door;
  door.state = why == EADDRINUSE      ? Door::State::Taken
               : why == EACCES        ? Door::State::NotAllowed
               : why == EADDRNOTAVAIL ? Door::State::NoSuchAddress
                                      : Door::State::Failed;
  door.why = std::strerror(why);
  if (door.state == Door::State::Taken)
    if (const auto found = listening(at->port(), datagrams)) door.holder = holder_of(found->inode);
  return door;
}

Fact judge_doors(const std::vector<Door>& doors, const std::vector<std::string>& running) {
  const std::string name = "ports";
  if (doors.empty()) return skipped(name, "none is fixed");
  std::string free, held, trouble, fix;
  const auto add = [](std::string& to, const std::string& more) { to += (to.empty() ? "" : ", ") + more; };
  for (const Door& door : doors) {
    const bool ours = std::find(running.begin(), running.end(), door.address) != running.end();
    const std::string what = door.key + " (" + door.address + ")";
    switch (door.state) {
      case Door::State::Free:
        ours ? (add(trouble, what + " should be held by the proxy that runs, and nobody listens there"),
                add(fix, "look at its log"))
             : add(free, door.address);
        break;
      case Door::State::Taken:
        if (ours) add(held, door.address);
        else
          add(trouble, what + " is taken" + (door.holder.empty() ? "" : " by " + door.holder)),
              add(fix, "end who listens on " + door.address + ", or another " + door.key);
        break;
      case Door::State::NotAllowed:
        add(trouble, what + " may not be listened on by this user");
        add(fix, "setcap cap_net_bind_service=+ep on the program, or sysctl net.ipv4.ip_unprivileged_port_start");
        break;
      case Door::State::NoSuchAddress:
        add(trouble, what + " is no address of this machine");
        add(fix, "an address that `ip addr` shows, or one without it (\":8080\")");
        break;
      case Door::State::Failed: add(trouble, what + ": " + door.why), add(fix, "another " + door.key); break;
    }
  }
  if (!trouble.empty()) return wrong(name, trouble, fix);
  std::string text;
  if (!held.empty()) text = held + " held by the proxy that runs";
  if (!free.empty()) add(text, free + (free.find(',') == free.npos ? " is free" : " are free"));
  return fine(name, text);
}

}  // namespace outrider::server
