#pragma once
// Endpoints that nobody configured or found: the addresses that clients call, in their own name where that is wanted.

#include <unordered_map>

#include "base/hash.h"
#include "base/intrusive_list.h"
#include "net/loop.h"
#include "upstream/balancer.h"

namespace outrider::upstream {

// A seat for each, and for each in whose name it is connected to, with its pool. Bounded: the one that nobody has used for
// longest goes first, and whoever was not used for as long as an idle connection is kept. Owned by a Cluster; one worker.
class Destinations {
 public:
  Destinations(net::Loop& loop, size_t most, milliseconds idle) : loop_(loop), most_(most), idle_(idle) {}
  // Null: all there may be are in use. `from`: the client in whose name, whatever his port.
  Ref<Seat> find(const net::Address& to, const net::Address* from = nullptr);
  size_t size() const { return places_.size(); }

 private:
  struct Way {
    net::Address to, from;  // from: port 0; invalid: ourselves
    bool operator==(const Way&) const = default;
  };
  struct Place : ListHook<Place> {
    const Way* way = nullptr;  // its key
    Ref<Seat> seat;
    TimePoint used{};
    bool in_use() const { return seat->holders > 1; }
  };
  struct Hash {
    size_t operator()(const Way& way) const {
      return mix(way.to.ip_key() + (uint64_t(way.to.port()) << 48) + mix(way.from.ip_key()));
    }
  };
  bool make_room();
  void use(Place& place);
  void on_sweep();
  void sweep_later();
  net::Loop& loop_;
  const size_t most_;
  const milliseconds idle_;
  std::unordered_map<Way, Place, Hash> places_;
  IntrusiveList<Place> by_use_;  // the one that was used last is the last
  net::BoundTimer<Destinations, &Destinations::on_sweep> sweep_{*this};
};

}  // namespace outrider::upstream
