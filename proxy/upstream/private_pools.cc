// Pools of one client each, where endpoints are told by PROXY protocol who that is.

#include <utility>

#include "upstream/caller.h"
#include "upstream/cluster.h"
#include "upstream/pool.h"
#include "upstream/pooled_connection.h"

namespace outrider::upstream {

Caller::Caller(wire::Relayed told) : told_(std::move(told)) {}

// No event of theirs may be under way that would go on in a pool that has gone: they end at the end of a turn.
Caller::~Caller() {
  while (Pool* pool = pools_.pop_front()) pool->lose_caller();
}

Pool::Pool(Pool& parent, Caller& caller)
    : cluster_(parent.cluster_), loop_(parent.loop_), endpoint_(parent.endpoint_), parent_(&parent), caller_(&caller),
      draining_(parent.draining_) {
  parent.children_.push_back(*this);
  caller.pools_.push_front(*this);
}

Pool& Pool::of(Caller& caller) {
  Pool* found = nullptr;
  caller.pools_.for_each([&](Pool& pool) {
    if (pool.parent_ == this) found = &pool;
  });
  return found ? *found : *new Pool(*this, caller);
}

void Pool::lose_caller() {
  caller_ = nullptr;
  drain();
  wake();
}

bool Pool::is_over() const {
  return parent_ && draining_ && !caller_ && open_count_ == 0 && busy_count_ == 0 && waiting_.empty();
}

// The first that has one gives it up: to whom it belongs does not need it just now.
PooledConnection* Pool::unwanted() {
  if (PooledConnection* own = idle_.back()) return own;
  PooledConnection* found = nullptr;
  children_.for_each([&](Pool& child) {
    if (!found) found = child.idle_.back();
  });
  return found;
}

void Pool::count_open(int by) {
  open_count_ += uint32_t(by);
  if (parent_) parent_->open_count_ += uint32_t(by);
}

}  // namespace outrider::upstream
