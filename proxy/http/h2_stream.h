#pragma once
// One stream of an HTTP/2 connection, and the table they are found in.

#include <array>
#include <memory>

#include "base/intrusive_list.h"
#include "http/codec.h"

namespace outrider::http {

struct H2Ready {};  // tags of the two lists a stream may stand in
struct H2Waiting {};

// Owned by its codec's table, which uses it again when it is over.
struct H2Stream : ListHook<H2Ready>, ListHook<H2Waiting> {
  explicit H2Stream(BlockPool& pool) : in(pool), out(pool) {}
  void clear();

  struct Trailers {  // kept until the body before them has gone
    Arena arena;
    HeaderMap fields{arena};
  };

  struct Held {  // a client's request
    const RequestHead& head;
    std::span<const Field> own;
  };

  H2Stream* next = nullptr;        // in the table, or among the free
  StreamId id = 0;                 // ours; 0: free
  int32_t wire_id = 0;             // 0: a client's that has not sent its request
  StreamEvents* events = nullptr;  // null: nobody listens any more
  RequestHead* request = nullptr;
  ResponseHead* response = nullptr;
  HeaderMap* trailers = nullptr;  // came, and not yet told
  Buffer in;                      // came, and not yet told
  Buffer out;                     // taken over, and not yet framed
  uint64_t left = 0;              // of a declared length going out
  std::unique_ptr<Trailers> out_trailers;
  std::unique_ptr<Held> held;  // goes out when the peer has said that it may
  Error failure{};
  uint16_t interims = 0;
  // Coming in.
  bool headed = false, in_ended = false, deaf = false;  // deaf: whatever comes is dropped
  bool tell_head = false, tell_end = false, tell_failure = false;
  // Going out. out_ended: all of it is in `out`; out_sent: its END_STREAM is framed; deferred: nghttp2 waits for resume().
  bool head_sent = false, out_ended = false, out_sent = false, deferred = false, has_length = false;
  bool has_out_trailers = false, to_head = false, to_connect = false, tunnel = false;
  bool extended = false;                    // of a client: CONNECT with a protocol
  bool peer_reset = false, unsent = false;  // why it was closed: by the peer; never sent at all
  bool closed = false;                      // for nghttp2: only what is to be told keeps it
  bool telling = false;
  bool swept = false;  // a sweep has passed, and nothing been framed since
};

// Finds streams by our number.
class H2Streams {
 public:
  explicit H2Streams(BlockPool& pool) : pool_(pool) {}
  ~H2Streams();
  H2Streams(const H2Streams&) = delete;
  H2Streams& operator=(const H2Streams&) = delete;
  H2Stream& add(StreamId id);
  H2Stream* find(StreamId id) const;
  void release(H2Stream& stream);
  size_t size() const { return count_; }
  template <class Wanted>
  H2Stream* find_if(Wanted&& wanted) const {
    for (H2Stream* first : buckets_)
      for (H2Stream* stream = first; stream; stream = stream->next)
        if (wanted(*stream)) return stream;
    return nullptr;
  }
  template <class Each>
  void for_each(Each&& each) const {
    for (H2Stream* first : buckets_)
      for (H2Stream *stream = first, *next; stream; stream = next) {
        next = stream->next;
        each(*stream);
      }
  }

 private:
  static constexpr size_t kBuckets = 64;
  static constexpr size_t kKeptFree = 128;
  static size_t bucket(StreamId id) { return (id >> 1) % kBuckets; }
  BlockPool& pool_;
  std::array<H2Stream*, kBuckets> buckets_{};
  H2Stream* free_ = nullptr;
  size_t count_ = 0, free_count_ = 0;
};

}  // namespace outrider::http
