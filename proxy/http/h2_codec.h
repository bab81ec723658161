#pragma once
// HTTP/2 on one connection, either role, by nghttp2. See codec.h for the contract.

#include "http/h2_frames.h"
#include "http/h2_guard.h"
#include "http/h2_head.h"
#include "http/h2_memory.h"
#include "http/h2_stream.h"

namespace outrider::http {

// nghttp2 must not be entered from its own callbacks: what they find out is written down in the streams, and told when
// it has returned; several DATA frames of one read are then one event. Output is framed when it is asked for, at the end
// of the turn. Owned by a connection, on its worker; ends with it.
//
// What it may hold at most, whatever its peer does: of each of max_streams streams `buffer` bytes that have been taken over
// and are not framed yet; `buffer` bytes of output and one frame; in nghttp2's queue 1,000 small frames and four a stream;
// two tables of HPACK of 4 KiB. What has come, and heads, are the exchanges', as large as the limits let them be.
class H2Codec final : public Codec {
 public:
  H2Codec(Role role, CodecEvents& owner, BlockPool& pool, const CodecLimits& limits);
  ~H2Codec() override;
  Result<Done> feed(Buffer& input) override;
  Result<Done> end_of_input() override;
  bool lose(const Error& why) override;
  Buffer& output() override;
  void written() override;
  bool can_open() const override;
  StreamId open(StreamEvents& events) override;
  void send_request(StreamId id, const RequestHead& head, std::span<const Field> own, bool end) override;
  void send_interim(StreamId id, const ResponseHead& head) override;
  void send_response(StreamId id, const ResponseHead& head, bool end) override;
  void send_body(StreamId id, Buffer& data, bool end) override;
  void send_trailers(StreamId id, const HeaderMap& trailers) override;
  void reset(StreamId id, Reset why) override;
  void consumed(StreamId id, size_t n) override;
  void detach(StreamId id) override;
  void probe() override;
  bool refuse(const Error& why) override;
  bool sweep() override;
  void drain() override;
  size_t open_streams() const override { return dead_ ? 0 : streams_.size(); }
  bool reusable() const override { return !draining_ && !goaway_ && !dead_; }
  bool wants_input() const override { return !dead_; }

 private:
  friend struct H2Callbacks;  // nghttp2's, in h2_callbacks.cc
  H2Stream* living(StreamId id) const;
  void gather();
  size_t read(std::string_view run);  // how much of it; 0: the connection is to die
  void judge(const H2Frame& frame);
  void tell();  // what the callbacks have written down
  void tell_one(H2Stream& stream);
  void note(H2Stream& stream) { ready_.push_back(stream); }
  void note_output();
  void submit(H2Stream& stream, const RequestHead& head, std::span<const Field> own, bool end);
  void submit_held();
  void fail(H2Stream& stream, const Error& why);
  void release(H2Stream& stream);
  void reset_stream(H2Stream& stream, uint32_t code);
  void resume(H2Stream& stream);
  void end_body(H2Stream& stream);
  size_t room(const H2Stream& stream) const;
  void offer_room();
  void say_goodbye();
  void doom(uint32_t code, const char* what, bool said = false);  // the first verdict stands
  void die();                                                     // of it
  Error peer_error(Code code, const char* what, Retry retry = Retry::No) const {
    return {code, role_ == Role::Server ? Side::Downstream : Side::Upstream, retry, 0, what};
  }

  const Role role_;
  CodecEvents& owner_;
  const CodecLimits limits_;
  Buffer output_;
  H2Memory memory_;
  nghttp2_session* session_ = nullptr;
  H2Streams streams_;
  IntrusiveList<H2Stream, H2Ready> ready_;      // something is to be told
  IntrusiveList<H2Stream, H2Waiting> waiting_;  // send_body left something
  H2Frames frames_;
  H2HeadReader reader_;
  H2Guard guard_;
  H2Block block_;
  const Buffer* input_ = nullptr;               // while nghttp2 reads the first run of it
  StreamId last_id_ = 0;                        // client: ours; server: the highest of the peer
  StreamId seen_id_ = 0;                        // server: the same, of what may not have been fed yet
  StreamId last_reset_ = 0;                     // server: the highest we took back
  StreamId skipped_from_ = 0, skipped_to_ = 0;  // server: the last gap in the peer's numbers
  Error fatal_{};
  const char* verdict_ = nullptr;  // why the connection ends, and
  uint32_t code_ = 0;              // what its GOAWAY says
  bool said_ = false;              // it has been written, by nghttp2
  H2Stream* heading_ = nullptr;    // whose head is being read
  bool inside_ = false, feeding_ = false, noted_ = false, dead_ = false, settings_seen_ = false, holding_ = false;
  bool stuck_ = false;       // there was output at the last sweep, and none of it has gone
  uint32_t spent_ = 0;       // server: on what was read in this turn
  uint32_t owed_ = 0;        // on a frame that has begun
  bool had_enough_ = false;  // the rest of the input is for another
  bool draining_ = false, goaway_ = false, goaway_told_ = false, goodbye_said_ = false, alive_ = false;
};

}  // namespace outrider::http
