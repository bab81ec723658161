#pragma once
// Endpoints that nobody configured or found: the addresses that clients call.

#include <unordered_map>

#include "base/hash.h"
#include "base/intrusive_list.h"
#include "net/loop.h"
#include "upstream/balancer.h"

namespace outrider::upstream {

// A seat for each, with its pool. Bounded: the one that nobody has used for longest goes first, and whoever was not used for as
// long as an idle connection is kept. Owned by a Cluster; one worker.
class Destinations {
 public:
  Destinations(net::Loop& loop, size_t most, milliseconds idle) : loop_(loop), most_(most), idle_(idle) {}
  Ref<Seat> find(const net::Address& to);  // null: all there may be are in use
  size_t size() const { return places_.size(); }

 private:
  struct Place : ListHook<Place> {
    const net::Address* to = nullptr;  // its key
    Ref<Seat> seat;
    TimePoint used{};
    bool in_use() const { return seat->holders > 1; }
  };
  struct Hash {
    size_t operator()(const net::Address& address) const { return mix(address.ip_key() + (uint64_t(address.port()) << 48)); }
  };
  bool make_room();
  void use(Place& place);
  void on_sweep();
  void sweep_later();
  net::Loop& loop_;
  const size_t most_;
  const milliseconds idle_;
  std::unordered_map<net::Address, Place, Hash> places_;
  IntrusiveList<Place> by_use_;  // the one that was used last is the last
  net::BoundTimer<Destinations, &Destinations::on_sweep> sweep_{*this};
};

}  // namespace outrider::upstream
