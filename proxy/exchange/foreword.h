#pragma once
// What a proxy in front says of a connection before anything else is said on it (PROXY protocol).

#include <memory>
#include <vector>

#include "base/network.h"
#include "exchange/http_session.h"
#include "net/first_bytes.h"
#include "wire/proxy_protocol.h"

namespace outrider::exchange {

struct ForewordPlan {
  bool required = false;       // who says nothing is refused
  std::vector<Network> trust;  // whose word is taken
  milliseconds timeout{3000};
  // Who comes by a unix socket was let in by the rights of its file.
  bool trusts(const net::Address& peer) const;
};

// What is wrong with it, and what can be done; empty: not one of these reasons.
const char* meaning_of_foreword(std::string_view why);

// A connection that has been let in and is waited for to say whose it is. Counted as the session is that it becomes, or it is
// refused; nothing of what follows the header is read. Owned by its site's list, and ends itself: by what comes, by its limit, or
// by cut(). One worker.
class Foreword final : public ListHook<Foreword>, net::FirstBytesEvents {
 public:
  static void read(Site& site, std::shared_ptr<AcceptedFrom> from, int fd, const net::Address& peer);
  const AcceptedFrom* accepted_from() const { return from_.get(); }
  const ListenerPlan& plan() const { return *from_->plan; }
  void cut() { refuse(Ending::Draining); }
  // Somebody who may not say anything, where all have to.
  static void refuse_untrusted(Site& site, AcceptedFrom& from, int fd, const net::Address& peer);

 private:
  Foreword(Site& site, std::shared_ptr<AcceptedFrom> from, int fd, const net::Address& peer);
  void on_first_bytes(std::string_view bytes, bool over) override;
  void on_limit();
  void let_in(const wire::ProxyHeader* header);  // null: there is none
  void refuse(const char* why);
  void refuse(Ending why);
  Site& site_;
  const std::shared_ptr<AcceptedFrom> from_;
  const std::shared_ptr<const ForewordPlan> rules_;  // as they were when it came
  const net::Address peer_;
  net::FirstBytes bytes_;
  bool begun_ = false;  // what has come of it can be nothing else
  net::BoundTimer<Foreword, &Foreword::on_limit> limit_{*this};
};

}  // namespace outrider::exchange
