#include "exchange/door.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/original_dst.h"

namespace outrider::exchange {

Door::Door(Site& site, std::shared_ptr<AcceptedFrom> from, const net::Address& asked, int fd)
    : site_(site), from_(std::move(from)), asked_(asked), listener_(site.loop, *this, fd) {}

void Door::on_accept(int fd, const net::Address& peer) {
  const ListenerPlan& plan = *from_->plan;
  if (site_.pressure->level() == Pressure::Level::Refuse) return refuse(fd, Ending::Overload);
  if (!plan.ip.empty() && !may_come(peer)) return refuse(fd, Ending::Denied);
  if (plan.max_rate && !plan.rate->enter(site_.loop.now(), plan.max_rate)) return refuse(fd, Ending::TooFast);
  admit(fd, peer);
}

void Door::take_over(int fd, uint32_t requests, milliseconds age) {
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  const bool there = ::getpeername(fd, reinterpret_cast<sockaddr*>(&from), &length) == 0;  // else it has left on the way
  const net::Address peer = there ? net::Address(reinterpret_cast<sockaddr*>(&from), length) : net::Address();
  if (!there || (!plan().ip.empty() && !may_come(peer))) return refuse(fd, there ? Ending::Denied : Ending::Client);
  if (HttpSession* const session = admit(fd, peer)) session->resume(requests, age);
}

HttpSession* Door::admit(int fd, const net::Address& peer) {
  const ListenerPlan& plan = *from_->plan;
  if (!plan.of_process->enter(plan.max_of_process)) return refuse(fd, Ending::Overload), nullptr;
  if (!plan.connections->enter(plan.max_connections)) {
    plan.of_process->leave();
    return refuse(fd, Ending::TooMany), nullptr;
  }
  bool counted_ip = false;
  if (plan.max_per_ip && !peer.is_unix()) {
    const auto entry = plan.per_ip->enter(peer.ip_key(), plan.max_per_ip);
    if (entry == TallyTable::Entry::Refused) {
      plan.of_process->leave();
      plan.connections->leave();
      return refuse(fd, Ending::TooManyPerIp), nullptr;
    }
    counted_ip = entry == TallyTable::Entry::Counted;
  }
  net::Destination called;
  if (plan.tproxy) called = net::destination_by_tproxy(fd, listener_.local());
  else if (plan.tcp_too || plan.transparent || plan.router->asks_port()) called = net::destination_of(fd);
  const bool meant_for_others = plan.transparent && called.redirected;
  auto* session =
      new HttpSession(site_, from_, {fd, peer, called.address.port(), counted_ip, meant_for_others ? &called.address : nullptr});
  site_.sessions.push_back(*session);
  return session;
}

bool Door::may_come(const net::Address& peer) {
  const auto ip = ip_bytes(peer.raw());
  for (const auto& rules : from_->plan->ip)
    if (const auto verdict = rules->judge(ip); !verdict.allowed) {
      site_.shard.add(site_.denials.of("ip", verdict.rule));
      return false;
    }
  return true;
}

// With RST: a client that is refused should know at once, and no TIME_WAIT stays behind.
void Door::refuse(int fd, Ending why) {
  site_.shard.add(from_->counters.closed(why));
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd);
}

}  // namespace outrider::exchange
