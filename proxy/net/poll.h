#pragma once
// A uv_poll_t that outlives its owner by the turn libuv needs to close it. Only for the .cc files of this folder.

#include <uv.h>

namespace outrider::net {

// Made by new, given up by release(): closes the handle, then frees itself from libuv's callback. The descriptor may be
// closed as soon as release() returns, for the handle is stopped by then.
template <class Owner>
struct PollHandle {
  uv_poll_t handle;
  Owner* owner;

  static PollHandle* make(uv_loop_t* loop, int fd, Owner* owner) {
    auto* poll = new PollHandle{{}, owner};
    if (uv_poll_init(loop, &poll->handle, fd) != 0) {
      delete poll;
      return nullptr;
    }
    poll->handle.data = poll;
    return poll;
  }
  static Owner* owner_of(uv_poll_t* handle) { return static_cast<PollHandle*>(handle->data)->owner; }
  void release() {
    owner = nullptr;  // uv_close stops it
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* h) { delete static_cast<PollHandle*>(h->data); });
  }
};

}  // namespace outrider::net
