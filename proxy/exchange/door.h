#pragma once
// Where fresh sockets come in: limits, what a proxy in front says of them, then a session.

#include "exchange/http_session.h"
#include "net/listener.h"

namespace outrider::exchange {

// A session for a connection that is counted already, by the limits that hang on the client's address. Null: it was refused.
// `door`: what is listened on, where TPROXY may have led it there.
HttpSession* seat_client(Site& site, const std::shared_ptr<AcceptedFrom>& from, int fd, const net::Address& client,
                         const Foretold* foretold = nullptr, const net::Address* door = nullptr);
void refuse_client(Site& site, AcceptedFrom& from, int fd, Ending why);

// One bound address of one listener on one worker. Owned by the worker.
class Door final : net::ListenerEvents {
 public:
  // `asked`: the address as it is configured; a port of 0 there is another one in local().
  Door(Site& site, std::shared_ptr<AcceptedFrom> from, const net::Address& asked, int fd);
  // Whether it is the one for this address of that listener. Who wants any free port has a door of his own; of others the
  // address is enough, whatever its listener was called before.
  bool is_for(const net::Address& asked, const std::string& listener) const {
    return asked == asked_ && (asked.is_unix() || asked.port() != 0 || plan().name == listener);
  }
  const net::Address& local() const { return listener_.local(); }
  void shut() { listener_.close(); }
  void hold() { listener_.pause(); }  // nobody is let in for now
  void let_in() { listener_.resume(); }
  void leave() { listener_.leave(); }                           // to another process, with who is in the queue
  void take_over(int fd, uint32_t requests, milliseconds age);  // a client of another process; owns it
  const ListenerPlan& plan() const { return *from_->plan; }
  const std::shared_ptr<AcceptedFrom>& accepted_from() const { return from_; }
  void lead_to(std::shared_ptr<AcceptedFrom> from) { from_ = std::move(from); }  // whoever comes from now on

 private:
  void on_accept(int fd, const net::Address& peer) override;
  bool enter(int fd);  // false: there is no room for him, and he has been told
  void refuse(int fd, Ending why) { refuse_client(site_, *from_, fd, why); }
  Site& site_;
  std::shared_ptr<AcceptedFrom> from_;
  const net::Address asked_;
  net::Listener listener_;
};

}  // namespace outrider::exchange
