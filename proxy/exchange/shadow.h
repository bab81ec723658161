#pragma once
// A copy of a request, for somebody whose answer nobody sees.

#include <optional>

#include "base/intrusive_list.h"
#include "exchange/serving.h"
#include "filter/call.h"
#include "net/loop.h"
#include "upstream/attempt.h"

namespace outrider::exchange {

struct Site;

// It gathers while its request goes on, as slices that both share, and is sent once all of that has gone: what is too long, or
// never ends, goes to nobody. From then on it is on its own, with its own limits, and its request may end before it. One try,
// no matter what comes of it. Made by an exchange, then owned by the Site; deletes itself; is counted once. One worker.
class Shadow final : public ListHook<Shadow>, net::Retired, upstream::AttemptOwner {
 public:
  // Null where there are as many as may be, or where it is announced to be too long; that is counted.
  static Shadow* begin(Site& site, Ref<Serving> serving, Ref<upstream::Cluster> cluster, const filter::Mirroring& how,
                       const http::RequestHead& head);
  ~Shadow();
  void take(const Buffer& part);  // of the body. It may be gone afterwards
  void send(const http::RequestHead& head, const filter::Peer& peer, upstream::Protocol protocol);
  const upstream::Cluster& cluster() const { return *cluster_; }
  void give_up();  // its request has ended, and never went on as a whole: it is gone

 private:
  Shadow(Site& site, Ref<Serving> serving, Ref<upstream::Cluster> cluster, const filter::Mirroring& how);
  upstream::Sending sending(upstream::Attempt&) override;
  void on_attempt(upstream::Attempt& attempt) override;
  void on_retired() override;
  void on_limit();
  void start();
  void end(const char* result);
  Site& site_;
  Arena arena_;
  http::RequestHead head_;
  http::Pipe body_;
  Ref<Serving> serving_;  // with the filter, whose `how_` is
  Ref<upstream::Cluster> cluster_;
  const filter::Mirroring& how_;
  std::optional<uint64_t> key_;  // of who gets it
  upstream::Protocol protocol_ = upstream::Protocol::Http1;
  Ref<upstream::Attempt> attempt_;  // goes before the cluster
  uint64_t answered_ = 0;           // bytes of the answer's body
  bool ended_ = false;
  net::BoundTimer<Shadow, &Shadow::on_limit> limit_{*this};
};

}  // namespace outrider::exchange
