#include "http/h2_stream.h"

namespace outrider::http {

void H2Stream::clear() {
  ListHook<H2Ready>::unlink();
  ListHook<H2Waiting>::unlink();
  id = 0;
  wire_id = 0;
  events = nullptr;
  request = nullptr;
  response = nullptr;
  trailers = nullptr;
  in.clear();
  out.clear();
  left = 0;
  if (has_out_trailers) {
    out_trailers->fields.clear();
    out_trailers->arena.reset();
  }
  held.reset();
  failure = {};
  interims = 0;
  headed = in_ended = deaf = tell_head = tell_end = tell_failure = false;
  head_sent = out_ended = out_sent = deferred = has_length = has_out_trailers = to_head = to_connect = tunnel = extended = false;
  peer_reset = unsent = closed = telling = swept = false;
}

H2Streams::~H2Streams() {
  while (H2Stream* stream = find_if([](const H2Stream&) { return true; })) release(*stream);
  while (H2Stream* stream = free_) {
    free_ = stream->next;
    delete stream;
  }
}

H2Stream& H2Streams::add(StreamId id) {
  H2Stream* stream = free_;
  if (stream) {
    free_ = stream->next;
    --free_count_;
  } else {
    stream = new H2Stream(pool_);
  }
  stream->id = id;
  stream->next = buckets_[bucket(id)];
  buckets_[bucket(id)] = stream;
  ++count_;
  return *stream;
}

H2Stream* H2Streams::find(StreamId id) const {
  for (H2Stream* stream = buckets_[bucket(id)]; stream; stream = stream->next)
    if (stream->id == id) return stream;
  return nullptr;
}

void H2Streams::release(H2Stream& stream) {
  H2Stream** at = &buckets_[bucket(stream.id)];
  while (*at != &stream) at = &(*at)->next;
  *at = stream.next;
  --count_;
  if (free_count_ >= kKeptFree) {
    delete &stream;
    return;
  }
  stream.clear();
  stream.next = free_;
  free_ = &stream;
  ++free_count_;
}

}  // namespace outrider::http
