#include "exchange/door.h"

#include <sys/socket.h>
#include <unistd.h>

#include "exchange/foreword.h"
#include "net/original_dst.h"

namespace outrider::exchange {

namespace {

bool may_come(Site& site, const ListenerPlan& plan, const net::Address& client) {
  const auto ip = ip_bytes(client.raw());
  for (const auto& rules : plan.ip)
    if (const auto verdict = rules->judge(ip); !verdict.allowed) {
      site.shard.add(site.denials.of("ip", verdict.rule));
      return false;
    }
  return true;
}

}  // namespace

Door::Door(Site& site, std::shared_ptr<AcceptedFrom> from, const net::Address& asked, int fd)
    : site_(site), from_(std::move(from)), asked_(asked), listener_(site.loop, *this, fd) {}

void Door::on_accept(int fd, const net::Address& peer) {
  const ListenerPlan& plan = *from_->plan;
  if (site_.pressure->level() == Pressure::Level::Refuse) return refuse(fd, Ending::Overload);
  const ForewordPlan* const foreword = plan.foreword.get();
  const bool may_tell = foreword && foreword->trusts(peer);
  if (foreword && foreword->required && !may_tell) return Foreword::refuse_untrusted(site_, *from_, fd, peer);
  if (!may_tell && !may_come(site_, plan, peer)) return refuse(fd, Ending::Denied);
  if (plan.max_rate && !plan.rate->enter(site_.loop.now(), plan.max_rate)) return refuse(fd, Ending::TooFast);
  if (!enter(fd)) return;
  if (may_tell) Foreword::read(site_, from_, fd, peer);
  else seat_client(site_, from_, fd, peer, nullptr, &listener_.local());
}

void Door::take_over(int fd, uint32_t requests, milliseconds age) {
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  const bool there = ::getpeername(fd, reinterpret_cast<sockaddr*>(&from), &length) == 0;  // else it has left on the way
  const net::Address peer = there ? net::Address(reinterpret_cast<sockaddr*>(&from), length) : net::Address();
  if (!there || !may_come(site_, plan(), peer)) return refuse(fd, there ? Ending::Denied : Ending::Client);
  HttpSession* const session = enter(fd) ? seat_client(site_, from_, fd, peer, nullptr, &listener_.local()) : nullptr;
  if (session) session->resume(requests, age);
}

bool Door::enter(int fd) {
  const ListenerPlan& plan = *from_->plan;
  if (!plan.of_process->enter(plan.max_of_process)) return refuse(fd, Ending::Overload), false;
  if (plan.connections->enter(plan.max_connections)) return true;
  plan.of_process->leave();
  return refuse(fd, Ending::TooMany), false;
}

HttpSession* seat_client(Site& site, const std::shared_ptr<AcceptedFrom>& from, int fd, const net::Address& client,
                         const Foretold* foretold, const net::Address* door) {
  const ListenerPlan& plan = *from->plan;
  const auto leave = [&](Ending why) {
    plan.of_process->leave();
    plan.connections->leave();
    refuse_client(site, *from, fd, why);
    return nullptr;
  };
  if (plan.foreword && !may_come(site, plan, client)) return leave(Ending::Denied);  // else that was asked at the door
  bool counted_ip = false;
  if (plan.max_per_ip && !client.is_unix()) {
    const auto entry = plan.per_ip->enter(client.ip_key(), plan.max_per_ip);
    if (entry == TallyTable::Entry::Refused) return leave(Ending::TooManyPerIp);
    counted_ip = entry == TallyTable::Entry::Counted;
  }
  net::Destination called;
  if (plan.tproxy && door) called = net::destination_by_tproxy(fd, *door);
  else if (plan.tcp_too || plan.transparent || plan.router->asks_port()) called = net::destination_of(fd);
  const bool meant_for_others = plan.transparent && called.redirected;
  const uint16_t port = foretold && !meant_for_others ? foretold->said.destination.port() : called.address.port();
  auto* session =
      new HttpSession(site, from, {fd, client, port, counted_ip, meant_for_others ? &called.address : nullptr, foretold});
  site.sessions.push_back(*session);
  return session;
}

// With RST: a client that is refused should know at once, and no TIME_WAIT stays behind.
void refuse_client(Site& site, AcceptedFrom& from, int fd, Ending why) {
  site.shard.add(from.counters.closed(why));
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd);
}

}  // namespace outrider::exchange
