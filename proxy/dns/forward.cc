#include "dns/forward.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "base/random.h"

namespace outrider::dns {

namespace {

constexpr size_t kRead = 16 * 1024, kMostAnswer = 65535;

void put_id(std::string& message, uint16_t id) {
  message[0] = char(id >> 8);
  message[1] = char(id);
}

// What the next server may know better.
bool is_failure(int code) {
  using net::DnsCode;
  return code == int(DnsCode::Failure) || code == int(DnsCode::NotImplemented) || code == int(DnsCode::Refused);
}

}  // namespace

Forward::Forward(net::Loop& loop, Upstreams& upstreams, std::string_view message, const net::DnsQuery& query, bool stream,
                 ForwardEvents& events)
    : loop_(loop), upstreams_(upstreams), message_(message), query_(query), stream_(stream), events_(events) {}

bool Forward::start() {
  order_ = upstreams_.in_order(loop_.now());
  if (order_.size() == 1 && !stream_) order_.push_back(order_.front());  // a datagram may be lost
  upstreams_.under_way_.push_back(*this);
  return ask_next();
}

bool Forward::ask_next() {
  datagram_.reset();
  if (transport_) transport_->close();
  port_ = 0;
  while (next_ < order_.size()) {
    const net::Address& server = order_[next_++];
    id_ = uint16_t(random_seed());
    put_id(message_, id_);
    if (!(stream_ ? ask_by_stream(server) : ask_by_datagram(server))) {
      events_.on_forward_failure("unreachable");
      upstreams_.note(server, false, loop_.now());
      continue;
    }
    loop_.arm(limit_, upstreams_.timeout());
    return true;
  }
  limit_.cancel();
  return false;
}

bool Forward::ask_by_datagram(const net::Address& server) {
  const int fd = ::socket(server.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  if (::connect(fd, server.raw(), server.length()) != 0) return ::close(fd), false;
  datagram_.emplace(loop_, static_cast<net::DatagramEvents&>(*this));
  if (!datagram_->adopt(fd)) return false;
  port_ = datagram_->local().port();
  return datagram_->send(message_, server) == 0;
}

bool Forward::ask_by_stream(const net::Address& server) {
  transport_.emplace(loop_, static_cast<net::TransportEvents&>(*this));
  in_.clear();
  out_ = {char(message_.size() >> 8), char(message_.size())};
  out_ += message_;
  if (!transport_->connect(server)) return false;
  port_ = net::Address::local_of(transport_->fd()).port();
  return true;
}

void Forward::on_datagram(std::span<char> bytes, const net::Address&) { take({bytes.data(), bytes.size()}); }

void Forward::on_ready() { on_writable(); }

void Forward::on_writable() {
  const auto sent = transport_->write(out_);
  if (!sent) return fail("unreachable");
  out_.erase(0, *sent);
  if (!out_.empty()) transport_->want_writable();
}

void Forward::on_readable() {
  std::array<char, kRead> some;
  const auto got = transport_->read(some);
  if (!got) return fail("unreachable");
  in_.append(some.data(), got->bytes);
  const size_t length = in_.size() < 2 ? kMostAnswer : size_t(uint8_t(in_[0])) << 8 | uint8_t(in_[1]);
  if (in_.size() >= 2 + length) return take(std::string_view(in_).substr(2, length));
  if (got->ended) fail("unreachable");
}

void Forward::take(std::string_view answer) {
  if (over_) return;
  if (!net::is_answer_to(answer, id_, query_.question)) {
    events_.on_forward_failure("mismatched");
    if (stream_) fail("unreachable");
    return;  // a forger's, or an answer to what was asked before: the right one may be on its way
  }
  std::string whole(answer);
  put_id(whole, query_.id);
  const bool failed = is_failure(net::dns_code_of(whole));
  upstreams_.note(order_[next_ - 1], !failed, loop_.now());
  if (!failed) return tell(std::move(whole));
  last_ = std::move(whole);
  events_.on_forward_failure("refused");
  if (!ask_next()) tell(std::move(last_));
}

void Forward::fail(const char* why) {
  if (over_) return;
  events_.on_forward_failure(why);
  upstreams_.note(order_[next_ - 1], false, loop_.now());
  if (!ask_next()) tell(std::move(last_));
}

void Forward::tell(std::string answer) {
  stop();
  events_.on_forwarded(std::move(answer));
}

void Forward::stop() {
  over_ = true;
  limit_.cancel();
  datagram_.reset();
  if (transport_) transport_->close();
}

}  // namespace outrider::dns
