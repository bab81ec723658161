#include "wire/http_connection.h"

#include <algorithm>
#include <utility>

#include "net/client_hello.h"

namespace outrider::wire {

namespace {

constexpr uint32_t kSmallRead = 16 * 1024, kBulkRead = 256 * 1024;
constexpr int kReadsATurn = 4;
constexpr size_t kLingerBytes = 1 << 20;
constexpr milliseconds kLinger{1000};

bool offers(std::string_view protocols, std::string_view wanted) {
  for (size_t at = 0; at < protocols.size(); at += 1 + uint8_t(protocols[at]))
    if (protocols.substr(at + 1, uint8_t(protocols[at])) == wanted) return true;
  return false;
}

}  // namespace

struct HttpConnection::Ending final : net::Newcomer {
  Ending(HttpConnection& c, const Error& w) : connection(c), why(w) {}
  void on_turn() override { connection.tell_next(); }
  HttpConnection& connection;
  const Error why;
};

HttpConnection::HttpConnection(net::Loop& loop, ConnectionOwner& owner) : owner_(&owner), transport_(loop, *this) {}

HttpConnection::~HttpConnection() = default;

void HttpConnection::accept(int fd, http::Wire wire, const http::CodecLimits& limits, Tls tls) {
  wire_ = wire;
  codec_ = http::make_codec(wire, http::Role::Server, *this, loop().blocks(), limits);
  input_mark_ = limits.buffer;
  transport_.adopt(fd, std::move(tls));
  if (wire == http::Wire::Raw && !transport_.tls()) on_hungry();  // its one stream is there before the first byte
}

void HttpConnection::accept_resting(int fd, uint32_t input_mark, Hears hears, Tls tls) {
  input_mark_ = input_mark;
  hears_ = hears;
  fresh_ = true;
  transport_.adopt(fd, std::move(tls));
}

std::unique_ptr<http::Codec> HttpConnection::rest() {
  if (input_ended_ || hungry_ || !codec_->vacant()) return nullptr;
  return std::move(codec_);
}

Result<Done> HttpConnection::connect(const net::Address& to, http::Wire wire, const http::CodecLimits& limits,
                                     const net::TlsPeer* tls, std::string_view foreword, const net::Address* from) {
  wire_ = wire;
  if (!tls) codec_ = http::make_codec(wire, http::Role::Client, *this, loop().blocks(), limits);
  input_mark_ = limits.buffer;
  const auto begun = transport_.connect(to, tls, from);
  if (begun && !foreword.empty()) say_first(foreword);
  return begun;
}

// Before what is waiting already: a preface, or nothing yet of a hello.
void HttpConnection::say_first(std::string_view bytes) {
  Buffer& output = transport_.tls() ? transport_.tls()->output : codec_->output();
  Buffer first(loop().blocks());
  first.append(bytes);
  first.append(std::move(output));
  output = std::move(first);
}

// A server that chose nothing speaks what it was asked for.
void HttpConnection::on_ready() {
  const net::TlsEngine* const tls = transport_.tls();
  const bool client = tls && tls->is_client();
  if (client) {
    if (tls->protocol() == "h2") wire_ = http::Wire::Http2;
    else if (tls->protocol() == "http/1.1") wire_ = http::Wire::Http1;
    codec_ = owner_->codec_for(*this, wire_);
  }
  owner_->on_connected();
  hungry_ |= tls && !client && codec_;
  loop().at_end_of_turn(*this);
}

void HttpConnection::on_readable() {
  if (reads_) return reads_->on_diverted();
  if (lingering_) return discard();
  if (enough_) return loop().at_end_of_turn(*this);
  for (int i = 0; i < kReadsATurn && !gone_ && !reads_ && !enough_ && transport_.reading(); ++i) {
    const auto got = transport_.read(codec().unread(), read_size_);
    if (!got) return fail(got.error());
    bytes_in_ += got->bytes;
    input_ended_ |= got->ended;
    if (got->bytes == 0 && !got->ended) break;
    feed();
    if (in_handshake()) break;
    if (transport_.newcomer() && loop().newcomers().out_of_time()) break;  // there is another event for the rest
    if (!got->full) {
      if (got->bytes < kSmallRead / 4) read_size_ = kSmallRead;
      break;
    }
    read_size_ = std::min(read_size_ * 4, kBulkRead);
  }
}

bool HttpConnection::recognize() {
  if (codec_->unread().empty()) {  // presumed raw, it goes on, and may still turn out to be another
    if (input_ended_) fresh_ = false;
    return true;
  }
  auto voice = hears_ == Hears::Tls ? http::Voice::Tls : heard();
  const bool raw_too = hears_ == Hears::Everything || hears_ == Hears::Bytes;
  if (voice <= http::Voice::Unlikely) {
    if (!input_ended_ && (raw_too || voice == http::Voice::Unknown)) return false;
    voice = raw_too ? http::Voice::Other : http::Voice::Http1;
  }
  const bool sidecars = voice == http::Voice::Tls && !transport_.tls() && owner_->for_sidecars();
  if (voice == http::Voice::Tls && (sidecars || hears_ != Hears::Http)) {
    bool sidecar = false;
    if (awaits_hello(sidecar)) return false;
    if (sidecars && sidecar) return secure(), false;
  }
  decide(hears_ == Hears::Bytes ? http::Voice::Other : voice);
  return true;
}

http::Voice HttpConnection::heard() {
  Buffer& input = codec_->unread();
  return http::voice_of(input.contiguous(std::min(input.size(), http::kVoiceBytes)));
}

bool HttpConnection::awaits_hello(bool& sidecar) {
  Buffer& input = codec_->unread();
  if (input_ended_) return false;
  if (input.size() < hello_needed_) return true;
  std::string joined;
  const auto hello = net::read_client_hello(input.contiguous(std::min(input.size(), net::kClientHelloBytes)), joined);
  hello_needed_ = uint32_t(hello.needed);
  sidecar = offers(hello.protocols, net::kMeshProtocol);
  return hello.state == net::ClientHello::State::Partial;
}

// What comes is looked at anew when it has been decrypted.
void HttpConnection::secure() {
  transport_.secure(owner_->for_sidecars(), std::move(codec_->unread()));
  hello_needed_ = 0;
  wire_ = http::Wire::Http1;
  const auto codec = std::move(codec_);
  codec->lost({Code::Canceled, Side::Downstream, Retry::No, 0, http::kPresumedWrongly});
}

void HttpConnection::decide(http::Voice voice) {
  fresh_ = false;
  const bool tls = voice == http::Voice::Tls && hears_ != Hears::Http;
  const bool raw = tls || (voice == http::Voice::Other && (hears_ == Hears::Everything || hears_ == Hears::Bytes));
  const auto wire = raw ? http::Wire::Raw : voice == http::Voice::Http2 ? http::Wire::Http2 : http::Wire::Http1;
  if (auto codec = wire == wire_ && !tls ? nullptr : owner_->codec_for(*this, wire)) {
    codec->unread().append(std::move(codec_->unread()));
    codec_.swap(codec);
    wire_ = wire;
    codec->lost({Code::Canceled, Side::Downstream, Retry::No, 0, http::kPresumedWrongly});
  }
  owner_->on_recognized(voice);
}

bool HttpConnection::presume_raw() {
  if (!fresh_ || gone_) return true;
  if (codec_ && !codec_->unread().empty()) {
    if (heard() <= http::Voice::Likely) return false;
    decide(http::Voice::Other);
  } else if (wire_ != http::Wire::Raw) {
    if (auto codec = owner_->codec_for(*this, http::Wire::Raw)) {
      codec_ = std::move(codec);
      wire_ = http::Wire::Raw;
    }
  }
  on_hungry();
  return true;
}

void HttpConnection::presume_http() {
  if (!fresh_ || gone_ || !codec_) return;
  decide(http::Voice::Http1);
  feed();
}

void HttpConnection::presume_tls() {
  if (!fresh_ || gone_ || !codec_) return;
  decide(http::Voice::Tls);
  on_hungry();
}

void HttpConnection::feed() {
  enough_ = false;
  if (gone_ || lingering_ || reads_ || !codec_) return;
  if (fresh_ && !recognize()) return owner_->on_partial();
  Buffer& input = codec_->unread();
  if (const auto ok = codec_->feed(input); !ok) {
    if (wire_ == http::Wire::Http2 && transport_.connected()) (void)transport_.write(codec_->output());  // GOAWAY says why
    return fail(ok.error());
  }
  if (gone_ || reads_) return;
  // The end comes behind what is still unread: a pipelined request whose turn has not come, a body not yet taken.
  if (input_ended_ && !end_delivered_ && (input.empty() || codec_->wants_input())) {
    end_delivered_ = true;
    // What ends with its connection may have been cut by anybody, where TLS has not said that it ends (RFC 9112 9.8).
    if (wire_ == http::Wire::Http1 && transport_.cut_short() && transport_.tls()->is_client())
      return fail({Code::Closed, Side::Local, Retry::IfReused, 0, "tls_cut_short"});
    if (const auto ok = codec_->end_of_input(); !ok) return fail(ok.error());
    if (gone_) return;
    owner_->on_input_end();
    if (gone_) return;
  }
  if (!input.empty() && !enough_) {
    input.settle();
    if (!left_ && codec_->open_streams() == 0) owner_->on_partial();
  }
  if (codec_->wants_input() || input.size() < input_mark_) transport_.resume_reading();
  else transport_.pause_reading();
}

void HttpConnection::on_end_of_turn() {
  if (gone_) return;
  if (std::exchange(hungry_, false)) feed();
  if (enough_ && !gone_) {
    hungry_ = true;
    if (transport_.newcomer()) unlink(), transport_.wait_for_turn();
    else loop().at_end_of_next_turn(*this);
  }
  if (!enough_ || codec_->output().size() >= kSmallRead) flush();  // else together with what comes of the rest
  if (gone_ || !std::exchange(idle_, false) || closing_) return;
  if (open_streams() == 0) owner_->on_idle();
}

// FIN, not RST: that would take the last bytes away.
bool HttpConnection::ends_behind_output() const {
  const bool over = closing_ || (idle_ && !codec_->reusable());
  return over && codec_->open_streams() == 0 && codec_->unread().empty() && !codec_->broken();
}

void HttpConnection::flush() {
  if (gone_ || !transport_.connected() || writes_) return;
  if (!codec_) {
    if (closing_ && !lingering_) linger();
    return;
  }
  Buffer& output = codec_->output();
  if (!output.empty()) {
    if (fresh_ && wire_ == http::Wire::Raw) {  // the far side was the first to speak
      fresh_ = false;
      owner_->on_recognized(http::Voice::Unknown);
      on_hungry();
    }
    const auto wrote = transport_.write(output, ends_behind_output());
    if (!wrote) return fail(wrote.error());
    bytes_out_ += *wrote;
    if (closing_ && *wrote > 0 && flush_limit_.count()) loop().arm(limit_, flush_limit_);
    if (*wrote > 0) codec_->written();
    if (gone_) return;
  }
  // What fits is with the kernel; the rest would not make it a whole message.
  if (codec_->broken()) {
    transport_.abort();
    return fail({Code::Closed, Side::Local, Retry::No, 0, "message_cut_short"});
  }
  if (!flushed()) return;
  if (codec_->wants_shut_write() && !std::exchange(shut_, true)) transport_.shut_write();
  if (closing_ && !lingering_ && codec_->open_streams() == 0) linger();  // a pipelined request may have come meanwhile
}

void HttpConnection::close_after_flush(milliseconds limit) {
  if (!std::exchange(closing_, true)) {
    limit_.cancel();
    if (limit.count()) loop().arm(limit_, limit);
  }
  flush_limit_ = limit;
  loop().at_end_of_turn(*this);
}

// Closing a socket with unread bytes sends RST, which may take our last answer away from the client: FIN first, then
// the rest is read and dropped for a while (RFC 9112 9.6). Not so of a client that has said that nothing comes, and has sent
// nothing.
void HttpConnection::linger() {
  constexpr Error kClosed{Code::Closed, Side::Local, Retry::No, 0, "closed"};
  if (input_ended_) return fail(kClosed);
  const bool done = codec_ && codec_->peer_done() && !transport_.has_unread();
  if (done) transport_.finish();
  if (done && transport_.unsent() == 0) return fail(kClosed);
  transport_.shut_write();
  lingering_ = true;
  if (codec_) codec_->unread().clear();
  transport_.resume_reading();
  loop().arm(limit_, kLinger);
}

void HttpConnection::discard() {
  Buffer dropped(loop().blocks());
  const auto got = transport_.read(dropped, kBulkRead);
  discarded_ += got ? uint32_t(got->bytes) : 0;
  if (!got || got->ended) return on_limit();
  if (discarded_ > kLingerBytes) transport_.pause_reading();  // not closed yet: RST would take our answer away
}

void HttpConnection::limit(milliseconds within) {
  if (!closing_ && !gone_) loop().arm_within(limit_, within);
}

void HttpConnection::on_limit() {
  if (!closing_) return owner_->on_limit();
  if (!flushed()) transport_.abort();  // what the peer has of it must not look whole
  fail({Code::Closed, Side::Local, Retry::No, 0, "closed"});
}

void HttpConnection::fail(const Error& why) {
  if (std::exchange(gone_, true)) return;
  limit_.cancel();
  reads_ = writes_ = nullptr;
  transport_.close();
  if (codec_ && codec_->lose(why)) {
    ending_ = std::make_unique<Ending>(*this, why);
    return loop().newcomers().wait(*ending_);
  }
  if (!left_) owner_->on_gone(why);
}

void HttpConnection::tell_next() {
  if (codec_->lose(ending_->why)) return loop().newcomers().wait(*ending_);
  const auto over = std::move(ending_);
  owner_->on_gone(over->why);
}

void HttpConnection::tell_all() {
  while (ending_) tell_next();
}

void HttpConnection::note_input_end() {
  input_ended_ = true;
  transport_.note_end();
}

// Who gives the socket back may have read FIN, or left room to write: looked at as if there had been an event.
void HttpConnection::divert_reads(Diversion* to) {
  reads_ = to;
  if (!to) on_hungry();
}

void HttpConnection::divert_writes(Diversion* to) {
  writes_ = to;
  if (!to) on_output();
}

int HttpConnection::release() {
  if (codec_ || gone_ || closing_ || input_ended_ || reads_ || writes_ || transport_.tls()) return -1;
  gone_ = true;
  limit_.cancel();
  return transport_.release();
}

void HttpConnection::retire(std::unique_ptr<HttpConnection> connection, bool abort) {
  connection->owner_ = nullptr;
  connection.release()->leave(abort);
}

void HttpConnection::leave(bool abort) {
  left_ = gone_ = true;
  ending_.reset();
  reads_ = writes_ = nullptr;
  limit_.cancel();
  abort ? transport_.abort() : transport_.close();
  loop().retire(*this);
}

void HttpConnection::on_writable() {
  if (writes_) return writes_->on_diverted();
  loop().at_end_of_turn(*this);
}

void HttpConnection::on_closed(const Error& why) { fail(why); }

http::StreamEvents* HttpConnection::on_stream(http::StreamId id) { return left_ ? nullptr : owner_->on_stream(id); }

void HttpConnection::on_goaway() {
  if (!left_) owner_->on_draining();
}

void HttpConnection::on_output() {
  if (!gone_) loop().at_end_of_turn(*this);
}

void HttpConnection::on_hungry() {
  if (enough_) return;
  hungry_ = true;
  if (!gone_) loop().at_end_of_turn(*this);
}

void HttpConnection::on_enough() {
  enough_ = true;
  on_output();
}

void HttpConnection::on_idle() {
  idle_ = true;
  if (!gone_) loop().at_end_of_turn(*this);
}

void HttpConnection::on_partial() {
  if (!left_) owner_->on_partial();
}

void HttpConnection::on_retired() { owner_ ? owner_->on_over() : delete this; }

}  // namespace outrider::wire
