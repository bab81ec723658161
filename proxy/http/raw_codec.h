#pragma once
// Plain bytes as one stream behind a CONNECT head that is already there; its 200 writes nothing.

#include "http/codec.h"

namespace outrider::http {

// A socket is one stream each way, and an end is a half-close. The server's stream is there at the first feed(), the
// client's answers at the first feed() after its request. Owned by a connection, on its worker; serves one stream.
class RawCodec final : public Codec {
 public:
  RawCodec(Role role, CodecEvents& owner, BlockPool& pool, const CodecLimits& limits);
  Result<Done> feed(Buffer& input) override;
  Result<Done> end_of_input() override;
  bool lose(const Error& why) override;
  Buffer& output() override { return output_; }
  void written() override;
  bool can_open() const override { return role_ == Role::Client && state_ == State::Fresh; }
  StreamId open(StreamEvents& events) override;
  void send_request(StreamId id, const RequestHead& head, std::span<const Field> own, bool end) override;
  void send_interim(StreamId, const ResponseHead&) override {}
  void send_response(StreamId id, const ResponseHead& head, bool end) override;
  void send_body(StreamId id, Buffer& data, bool end) override;
  void send_trailers(StreamId id, const HeaderMap& trailers) override;
  void reset(StreamId id, Reset why) override;
  void consumed(StreamId id, size_t n) override;
  void detach(StreamId id) override;
  uint64_t bypass(StreamId id, Way way) const override;
  void drain() override {}
  size_t open_streams() const override { return events_ ? 1 : 0; }
  bool reusable() const override { return can_open(); }
  bool wants_shut_write() const override { return out_ended_; }
  bool broken() const override { return broken_; }
  bool wants_input() const override;

 private:
  enum class State : uint8_t { Fresh, Opened, Headed, Over };  // Opened: the head is still to be told
  bool mine(StreamId id) const { return events_ && id == kId; }
  bool full() const { return outstanding_ >= limits_.buffer; }
  void end_output();
  void over();
  static constexpr StreamId kId = 1;
  const Role role_;
  CodecEvents& owner_;
  CodecLimits limits_;
  Buffer output_;
  StreamEvents* events_ = nullptr;
  State state_ = State::Fresh;
  size_t outstanding_ = 0, uneaten_ = 0;
  bool asked_ = false, in_ended_ = false, out_ended_ = false, broken_ = false, wants_sendable_ = false;
};

}  // namespace outrider::http
