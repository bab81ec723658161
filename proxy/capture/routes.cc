#include "capture/routes.h"

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "capture/settings.h"

namespace outrider::capture {

namespace {

constexpr uint32_t kPriority = 1337;  // of the rule: behind the table of local addresses, before all others

// One message to the kernel with its attributes.
struct Message {
  Message(uint16_t type, uint16_t flags, const void* body, size_t length) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = uint16_t(NLM_F_REQUEST | NLM_F_ACK | flags);
    std::memcpy(room + NLMSG_HDRLEN, body, length);
    header()->nlmsg_len = uint32_t(NLMSG_HDRLEN + NLMSG_ALIGN(length));
  }
  void add(uint16_t type, uint32_t value) {
    auto* at = reinterpret_cast<rtattr*>(room + header()->nlmsg_len);
    at->rta_type = type;
    at->rta_len = RTA_LENGTH(sizeof value);
    std::memcpy(RTA_DATA(at), &value, sizeof value);
    header()->nlmsg_len += RTA_SPACE(sizeof value);
  }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(room); }
  alignas(8) char room[256]{};
};

// 0, or errno as the kernel answered.
int ask(Message& message) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return errno;
  int os_error = 0;
  alignas(8) char answer[1024];
  const ssize_t sent = ::send(fd, message.room, message.header()->nlmsg_len, 0);
  const ssize_t got = sent < 0 ? -1 : ::recv(fd, answer, sizeof answer, 0);
  if (got < 0) {
    os_error = errno;
  } else {
    const auto* head = reinterpret_cast<const nlmsghdr*>(answer);
    if (size_t(got) >= NLMSG_LENGTH(sizeof(nlmsgerr)) && head->nlmsg_type == NLMSG_ERROR)
      os_error = -static_cast<const nlmsgerr*>(NLMSG_DATA(head))->error;
  }
  ::close(fd);
  return os_error;
}

int change_rule(int family, uint16_t type) {
  fib_rule_hdr rule{};
  rule.family = uint8_t(family);
  rule.action = FR_ACT_TO_TBL;
  Message message(type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, &rule, sizeof rule);
  message.add(FRA_TABLE, kTable);
  message.add(FRA_FWMARK, kMark);
  message.add(FRA_PRIORITY, kPriority);
  return ask(message);
}

int change_route(int family, uint16_t type) {
  rtmsg route{};
  route.rtm_family = uint8_t(family);
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_HOST;
  route.rtm_type = RTN_LOCAL;
  Message message(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0, &route, sizeof route);
  message.add(RTA_TABLE, kTable);
  message.add(RTA_OIF, ::if_nametoindex("lo"));
  return ask(message);
}

bool is_nothing(int os_error) {  // there was none, or not even the family
  return os_error == 0 || os_error == ENOENT || os_error == ESRCH || os_error == EAFNOSUPPORT || os_error == EOPNOTSUPP;
}

}  // namespace

std::string routes_text(bool ipv6) {
  char mark[16];
  std::snprintf(mark, sizeof mark, "0x%x", kMark);
  const std::string table = std::to_string(kTable), priority = std::to_string(kPriority);
  std::string text;
  for (const char* ip : {"ip", "ip -6"}) {
    text += std::string(ip) + " rule add priority " + priority + " fwmark " + mark + " lookup " + table + "\n";
    text += std::string(ip) + " route replace local default dev lo table " + table + "\n";
    if (!ipv6) break;
  }
  return text;
}

std::string set_routes(bool ipv6) {
  for (const int family : {AF_INET, AF_INET6}) {
    if (family == AF_INET6 && !ipv6) break;
    int os_error = change_rule(family, RTM_NEWRULE);
    if (os_error == EEXIST) os_error = 0;
    if (os_error == 0) os_error = change_route(family, RTM_NEWROUTE);
    if (os_error != 0)
      return std::string("the route that answers to the proxy take cannot be set (") + (family == AF_INET ? "IPv4" : "IPv6") +
             "): " + std::strerror(os_error);
  }
  return {};
}

std::string clear_routes() {
  for (const int family : {AF_INET, AF_INET6}) {
    int os_error = 0;
    while (os_error == 0) os_error = change_rule(family, RTM_DELRULE);
    if (is_nothing(os_error)) os_error = change_route(family, RTM_DELROUTE);
    if (!is_nothing(os_error)) return std::string("the rule of routes cannot be removed: ") + std::strerror(os_error);
  }
  return {};
}

bool has_routes() {
  return change_rule(AF_INET, RTM_NEWRULE) == EEXIST;  // nobody but who may change them gets as far as that answer
}

}  // namespace outrider::capture
