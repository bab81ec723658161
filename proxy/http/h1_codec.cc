#include "http/h1_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

namespace outrider::http {

namespace {

constexpr size_t kChunkLine = 4096;
constexpr size_t kCrumb = 512;  // less than this is copied out of the read block, which it would pin
constexpr uint64_t kEverything = std::numeric_limits<uint64_t>::max();

}  // namespace

H1Codec::H1Codec(Role role, CodecEvents& owner, BlockPool& pool, const CodecLimits& limits)
    : Codec(pool), role_(role), owner_(&owner), output_(pool), parser_(role == Role::Server) {
  set_limits(limits);
  scan_.begin(role == Role::Server ? HeadScan::Block::Request : HeadScan::Block::Response);
}

void H1Codec::set_limits(const CodecLimits& limits) {
  limits_ = limits;
  // A head is put together in one block; see Buffer::contiguous.
  limits_.max_header_bytes = std::min(limits_.max_header_bytes, BlockPool::kSizes.back() - 1);
}

Result<Done> H1Codec::verdict() {
  if (!std::exchange(failed_, false)) return Done{};
  return fatal_;
}

Result<Done> H1Codec::feed(Buffer& input) {
  for (bool on = true; on;) {
    if (in_ == In::Dead) on = false;
    else if (is_body()) on = take_body(input);
    else if (in_ == In::Head && (events_ || role_ == Role::Server)) on = take_head(input);
    else on = between(input);
  }
  return verdict();
}

void H1Codec::begin_body(const Framing& framing) {
  left_ = framing.length;
  switch (framing.kind) {
    case Framing::Kind::Length: in_ = In::Length; break;
    case Framing::Kind::Chunked: in_ = In::ChunkLine; break;
    case Framing::Kind::UntilClose: in_ = In::UntilClose; break;
    case Framing::Kind::None: in_ = In::Done; break;
  }
}

// Everything that is here and fits under the mark goes on in one event. Without a stream (the answer is out already)
// the bytes only go by.
bool H1Codec::take_body(Buffer& input) {
  if (input.empty() || full()) return false;
  Buffer piece(output_.pool());
  HeaderMap* trailers = nullptr;
  Refusal bad;
  bool end = false, more = true;
  while (more && !end && !bad && !input.empty() && (!events_ || outstanding_ + piece.size() < limits_.buffer)) {
    if (in_ == In::Trailers) {
      more = trailer_step(input, bad, trailers, end);
    } else if (in_ != In::Length && in_ != In::UntilClose) {
      more = chunk_step(input, piece, bad);
    } else {
      const size_t n = in_ == In::Length ? size_t(std::min<uint64_t>(left_, input.size())) : input.size();
      piece.pull(input, n, kCrumb);
      if (in_ == In::Length) end = (left_ -= n) == 0;
    }
  }
  StreamEvents* const to = events_;
  const StreamId id = id_;
  const auto still_there = [&] { return to && events_ == to && id_ == id; };
  outstanding_ += piece.size();
  more_behind_ = !input.empty();
  if (end && !trailers) {
    end_input();
    if (to) to->on_body(std::move(piece), true);
    return true;
  }
  if (to && !piece.empty()) to->on_body(std::move(piece), false);
  if (in_ == In::Dead) return false;  // whoever heard of the bytes has had enough
  if (bad) {
    in_ = In::Dead;
    refused(bad);
    return false;
  }
  if (!end) return more && !input.empty();
  if (!still_there()) trailers = nullptr;
  end_input();
  if (trailers) to->on_trailers(*trailers);
  return true;
}

// One part of a chunk; false where the next part is not all here.
bool H1Codec::chunk_step(Buffer& input, Buffer& piece, Refusal& bad) {
  if (in_ == In::ChunkLine) {
    auto window = input.front().substr(0, kChunkLine);
    size_t lf = window.find('\n');
    if (lf == std::string_view::npos && window.size() < std::min(input.size(), kChunkLine)) {  // across two blocks
      window = input.contiguous(std::min(input.size(), kChunkLine));
      lf = window.find('\n');
    }
    if (lf == std::string_view::npos) {
      if (window.size() == kChunkLine) bad = {400, "chunk_extensions_too_long"};
      return false;
    }
    bad = parser_.chunk_line(window.substr(0, lf + 1), left_);
    input.drop(lf + 1);
    in_ = left_ ? In::ChunkData : In::Trailers;
    if (!left_) scan_.begin(HeadScan::Block::Trailers);
  } else if (in_ == In::ChunkData) {
    const auto run = input.front().substr(0, size_t(std::min<uint64_t>(left_, input.size())));
    if (!parser_.chunk_data(run)) bad = {400, "bad_chunk"};
    left_ -= run.size();
    if (!left_) in_ = In::ChunkEnd;
    piece.pull(input, run.size(), kCrumb);
  } else {
    if (input.size() < 2) return false;
    if (!parser_.chunk_end(input.contiguous(2))) bad = {400, "bad_chunk_end"};
    input.drop(2);
    in_ = In::ChunkLine;
  }
  return true;
}

bool H1Codec::trailer_step(Buffer& input, Refusal& bad, HeaderMap*& trailers, bool& end) {
  switch (scan_.scan(input, scan_limits())) {
    case HeadScan::State::More: return false;
    case HeadScan::State::Bad: bad = scan_.refusal(); return false;
    case HeadScan::State::Whole: break;
  }
  end = true;
  HeaderMap* const fields = events_ && scan_.size() > 2 ? make_trailers() : nullptr;
  if (!fields) {
    input.drop(scan_.size());
    return true;
  }
  const auto block = scan_.copy(input, fields->arena());
  bad = parser_.trailers(block, *fields);
  if (bad) end = false;
  else if (!fields->fields().empty()) trailers = fields;
  return true;
}

void H1Codec::end_input() {
  in_ = In::Done;
  in_ended_ = true;
  if (out_ended_) close_stream();
}

void H1Codec::end_output() {
  out_ended_ = true;
  wants_sendable_ = false;
  if (tunnel_) owner_->on_output();  // nothing may be left to write, but the FIN
  if (in_ended_) close_stream();
}

void H1Codec::tell_end() {
  StreamEvents* const to = events_;
  end_input();
  to->on_body(Buffer(output_.pool()), true);
}

void H1Codec::open_tunnel() {
  tunnel_ = true;
  keep_alive_ = false;
  in_ = In::UntilClose;
  out_.kind = BodyOut::Kind::UntilClose;
}

void H1Codec::close_stream() {
  events_ = nullptr;
  outstanding_ = 0;
  wants_sendable_ = false;
  both_ended();
}

void H1Codec::abandon(const Error& why) {
  StreamEvents* const to = std::exchange(events_, nullptr);
  in_ = In::Dead;
  keep_alive_ = false;
  outstanding_ = 0;
  wants_sendable_ = false;
  if (to) to->on_reset(why);
}

void H1Codec::send_body(StreamId id, Buffer& data, bool end) {
  if (!events_ || id != id_ || !head_sent_ || out_ended_) return;
  const bool was_empty = output_.empty();
  if (out_.kind == BodyOut::Kind::None) data.clear();
  while (!data.empty() && !crowded()) {
    std::array<iovec, 16> runs;  // whole slices until the mark is passed
    size_t n = 0;
    for (size_t i = 0, count = data.gather(runs.data(), runs.size()); i < count && output_.size() + n <= limits_.buffer; ++i)
      n += runs[i].iov_len;
    if (out_.kind == BodyOut::Kind::Length) {
      n = size_t(std::min<uint64_t>(n, out_.left));
      if (n == 0) {  // more than its head promised: never a byte of it
        data.clear();
        cut();
        break;
      }
      out_.left -= n;
    }
    write_piece(output_, data, n, out_);
  }
  wants_sendable_ = !data.empty();
  if (end && data.empty()) finish_output(nullptr);
  note_output(was_empty);
}

void H1Codec::send_trailers(StreamId id, const HeaderMap& trailers) {
  if (!events_ || id != id_ || !head_sent_ || out_ended_) return;
  const bool was_empty = output_.empty();
  finish_output(&trailers);
  note_output(was_empty);
}

void H1Codec::finish_output(const HeaderMap* trailers) {
  if (out_.kind == BodyOut::Kind::Length && out_.left > 0) cut();  // less than its head promised
  else if (out_.kind == BodyOut::Kind::Chunked) write_last_chunk(output_, trailers);
  end_output();
}

// What the peer has of our message is not what it was to be, and must not look whole.
void H1Codec::cut() {
  broken_ = true;
  keep_alive_ = false;
  owner_->on_output();
}

void H1Codec::written() {
  if (was_crowded_ && !crowded()) {
    was_crowded_ = false;
    owner_->on_hungry();
  }
  if (wants_sendable_ && events_ && output_.size() <= limits_.buffer / 2) {
    wants_sendable_ = false;
    events_->on_sendable();
  }
}

void H1Codec::consumed(StreamId id, size_t n) {
  if (!events_ || id != id_) return;
  const bool was_full = full();
  outstanding_ -= std::min(n, outstanding_);
  if (was_full && !full()) owner_->on_hungry();
}

// Tunnels, and bodies of known length: where another is framed, every byte is looked at.
uint64_t H1Codec::bypass(StreamId id, Way way) const {
  if (!events_ || id != id_) return 0;
  if (tunnel_) return outstanding_ == 0 && output_.empty() && in_ == In::UntilClose && !out_ended_ ? kEverything : 0;
  if (comes_in(way)) return in_ == In::Length && outstanding_ == 0 ? left_ : 0;
  return head_sent_ && !out_ended_ && out_.kind == BodyOut::Kind::Length && output_.empty() ? out_.left : 0;
}

void H1Codec::bypassed(StreamId id, Way way, uint64_t n) {
  if (!events_ || id != id_) return;
  if (!comes_in(way)) {
    out_.left -= n;  // its end comes by send_body()
    return;
  }
  left_ -= n;
  if (left_ == 0) tell_end();
}

}  // namespace outrider::http
