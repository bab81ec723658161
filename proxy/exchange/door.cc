#include "exchange/door.h"

#include <sys/socket.h>
#include <unistd.h>

namespace outrider::exchange {

Door::Door(Site& site, std::shared_ptr<AcceptedFrom> from, int fd) : site_(site), from_(std::move(from)), listener_(site.loop, *this, fd) {}

void Door::on_accept(int fd, const net::Address& peer) {
  const ListenerPlan& plan = *from_->plan;
  if (!plan.connections->enter(plan.max_connections)) return refuse(fd, "connection_limit");
  auto* session = new HttpSession(site_, from_, fd, peer);
  site_.sessions.push_back(*session);
}

// With RST: a client that is refused should know at once, and no TIME_WAIT stays behind.
void Door::refuse(int fd, const char* reason) {
  site_.shard.add(from_->counters.closed(reason));
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd);
}

}  // namespace outrider::exchange
