#include "dns/stream.h"

#include <array>

#include "dns/server.h"

namespace outrider::dns {

namespace {
constexpr size_t kUnderWay = 16, kRead = 4096;
constexpr size_t kUnsent = 256 * 1024;  // a client that asks and reads nothing is cut off
}  // namespace

Stream::Stream(Server& server, int fd, uint16_t port) : server_(server), transport_(server.loop(), *this), port_(port) {
  transport_.adopt(fd);
  server_.loop().arm(limit_, server_.settings().idle);
}

void Stream::on_readable() {
  std::array<char, kRead> some;
  const auto got = transport_.read(some);
  if (!got) return end();
  in_.append(some.data(), got->bytes);
  last_ |= got->ended;
  read_questions();
}

// Answers that are known at once come from inside this.
void Stream::read_questions() {
  if (reading_) return;
  reading_ = true;
  while (!ended_ && under_way_ < kUnderWay && in_.size() >= 2) {
    const size_t length = size_t(uint8_t(in_[0])) << 8 | uint8_t(in_[1]);
    if (length > net::kMostDnsQuery || length < net::kDnsHeader) {
      server_.counters().drop(Dropped::NoQuery);
      return end();
    }
    if (in_.size() < 2 + length) break;
    const std::string message = in_.substr(2, length);
    in_.erase(0, 2 + length);
    ++under_way_;
    server_.on_message(message, {.stream = this, .port = port_});
  }
  reading_ = false;
  if (!ended_) settle();
}

void Stream::settle() {
  if (under_way_ < kUnderWay) transport_.resume_reading();
  else transport_.pause_reading();
  if (under_way_ > 0) return limit_.cancel();  // each question has its own limits
  if (last_ && out_.empty()) return end();
  server_.loop().arm(limit_, server_.settings().idle);
}

void Stream::answer(std::string_view message) {
  if (ended_) return;
  transport_.settle();
  const bool waits = !out_.empty();
  out_.append({char(message.size() >> 8), char(message.size())}).append(message);
  if (out_.size() > kUnsent) {
    server_.counters().drop(Dropped::Unsent);
    return end();
  }
  if (!waits) on_writable();
  if (!ended_) spare();
}

void Stream::spare() {
  --under_way_;
  if (!reading_) read_questions();
}

void Stream::on_writable() {
  const auto sent = transport_.write(out_);
  if (!sent) return end();
  out_.erase(0, *sent);
  if (!out_.empty()) return transport_.want_writable();
  if (!reading_ && under_way_ == 0) settle();
}

void Stream::end() {
  if (ended_) return;
  ended_ = true;
  limit_.cancel();
  transport_.close();
  ListHook<Stream>::unlink();
  server_.forget(*this);
  server_.loop().retire(*this);
}

}  // namespace outrider::dns
