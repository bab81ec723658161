#pragma once
// The client on whose behalf connections are opened that tell of him.

#include "base/intrusive_list.h"
#include "wire/proxy_protocol.h"

namespace outrider::upstream {

class Pool;

// What PROXY protocol says first on a connection to an endpoint holds for all that follows on it: such connections are one
// client's, in pools of his own, and go with him. Owned by his session; one worker.
class Caller {
 public:
  explicit Caller(wire::Relayed told);
  ~Caller();  // he is gone: what is idle closes, what is busy when it is given back
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  const wire::Relayed& told() const { return told_; }

 private:
  friend class Pool;
  const wire::Relayed told_;
  IntrusiveList<Pool, Caller> pools_;  // one for each endpoint he has asked
};

}  // namespace outrider::upstream
