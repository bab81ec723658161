#pragma once
// Standing in a queue, embedded in whoever waits. Being called is an event like any other; leaving is destruction.

#include "base/intrusive_list.h"

namespace outrider {

struct Place : ListHook<Place> {
  virtual void on_called() = 0;

 protected:
  ~Place() = default;
};

// A place as a member: `BoundPlace<Exchange, &Exchange::on_place> place_{*this};`
template <class Owner, void (Owner::*Method)()>
class BoundPlace final : public Place {
 public:
  explicit BoundPlace(Owner& owner) : owner_(owner) {}
  void on_called() override { (owner_.*Method)(); }

 private:
  Owner& owner_;
};

}  // namespace outrider
