#include "upstream/destinations.h"

#include <algorithm>

namespace outrider::upstream {

namespace {

constexpr milliseconds kShortestSweep{100};

Member member_of(const net::Address& to, const net::Address& from) {
  auto facts = std::make_shared<discovery::Instance>();
  facts->address = to.text();
  auto endpoint = std::make_shared<Endpoint>(facts->address, std::string());
  endpoint->source = from;
  return {std::move(endpoint), std::move(facts)};
}

}  // namespace

Ref<Seat> Destinations::find(const net::Address& to, const net::Address* from) {
  Way way{to, from ? *from : net::Address()};
  way.from.set_port(0);
  const auto known = places_.find(way);
  if (known != places_.end()) return use(known->second), known->second.seat;
  if (places_.size() >= most_ && !make_room()) return {};
  const auto fresh = places_.try_emplace(std::move(way)).first;
  fresh->second.way = &fresh->first;
  fresh->second.seat = Ref<Seat>(new Seat(member_of(fresh->first.to, fresh->first.from)));
  use(fresh->second);
  if (!sweep_.armed()) sweep_later();
  return fresh->second.seat;
}

void Destinations::use(Place& place) {
  place.used = loop_.now();
  by_use_.push_back(place);
}

bool Destinations::make_room() {
  for (size_t left = places_.size(); left > 0; --left) {
    Place& oldest = *by_use_.front();
    if (!oldest.in_use()) return places_.erase(*oldest.way) > 0;
    use(oldest);
  }
  return false;
}

void Destinations::on_sweep() {
  for (Place* oldest = by_use_.front(); oldest && loop_.now() - oldest->used >= idle_; oldest = by_use_.front()) {
    if (oldest->in_use()) use(*oldest);
    else places_.erase(*oldest->way);
  }
  if (!places_.empty()) sweep_later();
}

void Destinations::sweep_later() { loop_.arm(sweep_, std::max(idle_ / 4, kShortestSweep)); }

}  // namespace outrider::upstream
