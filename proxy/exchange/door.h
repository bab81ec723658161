#pragma once
// Where fresh sockets come in: limits, then a session.

#include "exchange/http_session.h"
#include "net/listener.h"

namespace outrider::exchange {

// One bound address of one listener on one worker. Owned by the worker.
class Door final : net::ListenerEvents {
 public:
  Door(Site& site, std::shared_ptr<AcceptedFrom> from, int fd);
  const net::Address& local() const { return listener_.local(); }
  void shut() { listener_.close(); }
  void hold() { listener_.pause(); }  // nobody is let in for now
  void let_in() { listener_.resume(); }
  void leave() { listener_.leave(); }                           // to another process, with who is in the queue
  void take_over(int fd, uint32_t requests, milliseconds age);  // a client of another process; owns it
  const ListenerPlan& plan() const { return *from_->plan; }
  const std::shared_ptr<AcceptedFrom>& accepted_from() const { return from_; }

 private:
  void on_accept(int fd, const net::Address& peer) override;
  HttpSession* admit(int fd, const net::Address& peer);  // null: there is no room for him, and he has been told
  bool may_come(const net::Address& peer);
  void refuse(int fd, Ending why);
  Site& site_;
  std::shared_ptr<AcceptedFrom> from_;
  net::Listener listener_;
};

}  // namespace outrider::exchange
