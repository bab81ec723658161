// Whether the proxy that runs answers DNS.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/random.h"
#include "net/dns_query.h"
#include "server/check/checks.h"

namespace outrider::server {

namespace {

constexpr int kPatienceMs = 2000;

// "mesh" as a question for its SOA, which needs no registry.
std::string question_of(const std::string& domain, uint16_t id) {
  std::string out{char(id >> 8), char(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  for (size_t at = 0; at < domain.size();) {
    const size_t end = std::min(domain.find('.', at), domain.size());
    out.append(1, char(end - at)).append(domain, at, end - at);
    at = end + 1;
  }
  return out.append({0, 0, 6, 0, 1});
}

// Empty: it answers; else what happened instead.
std::string ask(const net::Address& server, const std::string& domain) {
  const auto id = uint16_t(random_seed());
  const std::string asked = question_of(domain, id);
  const int fd = ::socket(server.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::string why = "no answer";
  if (fd >= 0 && ::connect(fd, server.raw(), server.length()) == 0 &&
      ::send(fd, asked.data(), asked.size(), MSG_NOSIGNAL) == ssize_t(asked.size())) {
    pollfd waiting{fd, POLLIN, 0};
    char bytes[512];
    const ssize_t n = ::poll(&waiting, 1, kPatienceMs) > 0 ? ::recv(fd, bytes, sizeof bytes, 0) : 0;
    const std::string_view answer(bytes, n > 0 ? size_t(n) : 0);
    if (n < 0) why = "nobody is there";
    else if (net::is_answer_to(answer, id, std::string_view(asked).substr(net::kDnsHeader)))
      why = net::dns_code_of(answer) == 0 && answer[2] & 4 ? "" : "somebody else answers, who does not know " + domain;
  }
  if (fd >= 0) ::close(fd);
  return why;
}

}  // namespace

Fact check_name_server(const config::NameServer& own, const std::string& domain, const RunningProxy& proxy) {
  const std::string name = "dns";
  if (own.listen.empty()) return skipped(name, "names of services are not answered (registry.dns)");
  if (!proxy) return skipped(name, "asked of a running proxy");
  std::string good, bad;
  for (const std::string& text : own.listen) {
    const auto at = net::Address::parse(text);
    if (!at || at->port() == 0) continue;
    const std::string why = ask(*at, domain);
    std::string& to = why.empty() ? good : bad;
    to += (to.empty() ? "" : ", ") + text + (why.empty() ? "" : ": " + why);
  }
  if (good.empty() && bad.empty()) return skipped(name, "its port is whichever was free");
  if (!good.empty())  // one that is written down and cannot be had keeps the proxy from starting; [::1] is where there is IPv6
    return fine(name, good + " answers for the domain " + domain);
  const std::string fix = "the proxy's log says why; who else listens there: ss -lunp";
  return own.implied ? warning(name, bad, fix) : wrong(name, bad, fix);
}

}  // namespace outrider::server
