#pragma once
// HTTP/1.0 and 1.1 on one connection: what both roles share. See codec.h for the contract.

#include "http/codec.h"
#include "http/h1_parser.h"
#include "http/h1_write.h"
#include "http/head_scan.h"

namespace outrider::http {

// One message at a time each way. Owned by a connection, on its worker; ends with it. Events may call back into the
// codec, so every step leaves it whole before it tells anyone.
class H1Codec : public Codec {
 public:
  Result<Done> feed(Buffer& input) final;
  Buffer& output() final { return output_; }
  void written() override;
  void send_body(StreamId id, Buffer& data, bool end) final;
  void send_trailers(StreamId id, const HeaderMap& trailers) final;
  void consumed(StreamId id, size_t n) final;
  uint64_t bypass(StreamId id, Way way) const final;
  void bypassed(StreamId id, Way way, uint64_t n) final;
  size_t open_streams() const final { return events_ ? 1 : 0; }
  bool reusable() const final { return keep_alive_ && !draining_ && in_ != In::Dead; }
  bool broken() const final { return broken_; }
  bool wants_shut_write() const final { return tunnel_ && out_ended_; }
  void drain() final { draining_ = true; }

 protected:
  // Where the incoming message stands. Done: all of it is here, and what is behind it is left alone. Dead: nothing
  // more is read.
  enum class In : uint8_t { Head, Length, ChunkLine, ChunkData, ChunkEnd, Trailers, UntilClose, Done, Dead };
  H1Codec(Role role, CodecEvents& owner, BlockPool& pool, const CodecLimits& limits);
  virtual bool take_head(Buffer& input) = 0;     // false: no further with this input
  virtual bool between(Buffer& input) = 0;       // in Done, or in Head with no stream; false: wait
  virtual void refused(const Refusal& why) = 0;  // the message is malformed; the codec is Dead already
  virtual HeaderMap* make_trailers() = 0;
  virtual void both_ended() = 0;  // the stream is closed: what comes next on this connection

  bool take_body(Buffer& input);
  bool comes_in(Way way) const { return (way == Way::Request) == (role_ == Role::Server); }
  bool is_body() const { return in_ >= In::Length && in_ <= In::UntilClose; }
  bool full() const { return events_ && outstanding_ >= limits_.buffer; }
  bool crowded() const { return output_.size() > limits_.buffer; }
  void set_limits(const CodecLimits& limits);
  void begin_body(const Framing& framing);
  void end_input();  // before the event that tells the end
  void end_output();
  void open_tunnel();
  void tell_end();  // of what ends by FIN
  void close_stream();
  void abandon(const Error& why);  // Dead, and the stream hears of it
  void cut();
  void note_output(bool was_empty) {
    if (was_empty && !output_.empty()) owner_->on_output();
  }
  HeadScan::Limits scan_limits() const { return {limits_.max_header_bytes, limits_.max_headers, limits_.strict}; }
  Result<Done> verdict();

  const Role role_;
  CodecEvents* owner_;
  CodecLimits limits_;
  Buffer output_;
  H1Parser parser_;
  HeadScan scan_;
  StreamEvents* events_ = nullptr;
  StreamId id_ = 0;
  In in_ = In::Head;
  BodyOut out_;
  uint64_t left_ = 0;       // of a body or chunk coming in
  size_t outstanding_ = 0;  // delivered and not consumed
  Error fatal_{};
  bool keep_alive_ = true, draining_ = false, broken_ = false, failed_ = false;
  bool in_ended_ = false, out_ended_ = false, head_sent_ = false, wants_sendable_ = false, tunnel_ = false;
  bool was_crowded_ = false, more_behind_ = false;  // input was left behind the message that ended

 private:
  bool chunk_step(Buffer& input, Buffer& piece, Refusal& bad);
  bool trailer_step(Buffer& input, Refusal& bad, HeaderMap*& trailers, bool& end);
  void finish_output(const HeaderMap* trailers);
};

class H1Server final : public H1Codec {
 public:
  H1Server(CodecEvents& owner, BlockPool& pool, const CodecLimits& limits);
  Result<Done> end_of_input() override;
  bool lose(const Error& why) override;
  bool can_open() const override { return false; }
  StreamId open(StreamEvents&) override { return 0; }
  void send_request(StreamId, const RequestHead&, std::span<const Field>, bool) override {}
  void send_interim(StreamId id, const ResponseHead& head) override;
  void send_response(StreamId id, const ResponseHead& head, bool end) override;
  void reset(StreamId id, Reset why) override;
  void detach(StreamId id) override;
  bool refuse(const Error& why) override;
  bool wants_input() const override;
  bool vacant() const override;
  bool peer_done() const override { return done_ && unread_.empty(); }
  void serve(CodecEvents& owner, const CodecLimits& limits, StreamId last) override;

 private:
  bool take_head(Buffer& input) override;
  bool between(Buffer& input) override;
  void refused(const Refusal& why) override;
  HeaderMap* make_trailers() override;
  void both_ended() override;
  bool skip_blank_lines(Buffer& input);
  StreamEvents* next_stream();
  void close_behind();
  RequestHead* head_ = nullptr;
  uint8_t blanks_ = 0;
  bool partial_ = false;  // some of a head is in the input
  bool to_head_ = false, http10_ = false, body_at_hand_ = false, input_ended_ = false;
  bool last_ = false, done_ = false;  // the client closes behind this request; has been given its answer
};

class H1Client final : public H1Codec {
 public:
  H1Client(CodecEvents& owner, BlockPool& pool, const CodecLimits& limits);
  Result<Done> end_of_input() override;
  bool lose(const Error& why) override;
  void written() override;
  bool can_open() const override { return !events_ && reusable(); }
  StreamId open(StreamEvents& events) override;
  void send_request(StreamId id, const RequestHead& head, std::span<const Field> own, bool end) override;
  void send_interim(StreamId, const ResponseHead&) override {}
  void send_response(StreamId, const ResponseHead&, bool) override {}
  void reset(StreamId id, Reset why) override;
  void detach(StreamId id) override { reset(id, tunnel_ ? Reset::None : Reset::Cancelled); }
  bool wants_input() const override;

 private:
  bool take_head(Buffer& input) override;
  bool between(Buffer& input) override;
  void refused(const Refusal& why) override;
  HeaderMap* make_trailers() override;
  void both_ended() override;
  ResponseHead* head_ = nullptr;
  Method method_ = Method::Other;
  bool started_ = false;    // a byte of a response has come
  bool unwritten_ = false;  // no byte of the request has gone to the network
  bool upgrading_ = false;  // it has asked for a tunnel
  size_t interim_bytes_ = 0;
};

}  // namespace outrider::http
