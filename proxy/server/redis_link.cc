#include "server/redis_link.h"

#include <algorithm>
#include <array>

#include <hiredis/hiredis.h>

#include "base/text.h"
#include "identity/files.h"

namespace outrider::server {

namespace {

constexpr milliseconds kFirstPause{100};
constexpr size_t kMostOfReply = 64 * 1024;  // many times what is asked for

struct FreeReply {
  void operator()(void* reply) const { freeReplyObject(reply); }
};

std::string_view text_of(const redisReply& reply) { return reply.str ? std::string_view(reply.str, size_t(reply.len)) : ""; }

bool is_about_access(std::string_view error) {
  static constexpr std::array<std::string_view, 3> kWords{"NOAUTH", "WRONGPASS", "NOPERM"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) { return error.starts_with(word); });
}

}  // namespace

RedisLink::RedisLink(net::Loop& loop, const filter::Store& store, RedisEvents& events)
    : loop_(loop), store_(store), events_(events), reader_(nullptr, redisReaderFree), unsent_(loop.blocks()) {}

RedisLink::~RedisLink() = default;

void RedisLink::connect() {
  if (const auto literal = net::Address::parse(store_.address)) return open(*literal);
  const std::string_view address = store_.address;
  const size_t colon = address.rfind(':');
  lookup_.start(std::string(address.substr(0, colon)), uint16_t(parse_number(address.substr(colon + 1)).value_or(0)));
}

void RedisLink::on_looked_up(const std::vector<net::Address>& found, const std::string& trouble) {
  if (found.empty()) return give_up("lookup", trouble);
  open(found[tries_++ % found.size()]);
}

// Not from inside an event of the transport that was there before.
void RedisLink::open(const net::Address& to) {
  net::TransportEvents& self = *this;
  transport_ = std::make_unique<net::Transport>(loop_, self);
  reader_.reset(redisReaderCreate());
  unread_ = 0;
  loop_.arm(limit_, store_.timeout);
  if (const auto ok = transport_->connect(to); !ok) give_up("connect", ok.error().what);
}

void RedisLink::on_ready() {
  if (!store_.password.empty()) {
    auto password = identity::read_file(store_.password);
    if (!password) return give_up("auth", password.why());
    say({"AUTH", std::string_view(*password).substr(0, password->find_first_of("\r\n"))}, {Kind::Auth, 0});
  }
  say({"PING"}, {Kind::Ping, 0});
  flush();
}

void RedisLink::say(const std::vector<std::string_view>& words, Expected answer) {
  std::vector<const char*> pointers;
  std::vector<size_t> lengths;
  for (const std::string_view word : words) {
    pointers.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* text = nullptr;
  const auto length = redisFormatCommandArgv(&text, int(words.size()), pointers.data(), lengths.data());
  if (length < 0) return give_up("protocol", "out of memory");
  unsent_.append(std::string_view(text, size_t(length)));
  redisFreeCommand(text);
  expected_.push_back(answer);
}

void RedisLink::ask(const std::vector<std::string_view>& words, size_t numbers) { say(words, {Kind::Numbers, numbers}); }

void RedisLink::flush() {
  if (unsent_.empty() || !transport_ || !transport_->open()) return;
  if (!limit_.armed()) loop_.arm(limit_, store_.timeout);
  if (const auto sent = transport_->write(unsent_); !sent) give_up("closed", sent.error().what);
}

void RedisLink::on_readable() {
  for (;;) {
    std::array<char, 16 * 1024> bytes;
    const auto got = transport_->read(std::span<char>(bytes));
    if (!got) return give_up("closed", got.error().what);
    unread_ += got->bytes;
    if (got->bytes > 0 && redisReaderFeed(reader_.get(), bytes.data(), got->bytes) != REDIS_OK)
      return give_up("protocol", reader_->errstr);
    for (;;) {
      void* whole = nullptr;
      if (redisReaderGetReply(reader_.get(), &whole) != REDIS_OK) return give_up("protocol", reader_->errstr);
      if (!whole) break;
      const std::unique_ptr<redisReply, FreeReply> reply(static_cast<redisReply*>(whole));
      unread_ = 0;
      hear(*reply);
      if (!reader_) return;  // given up
    }
    if (unread_ > kMostOfReply) return give_up("protocol", "a reply is too large");
    if (got->ended) return give_up("closed", "the connection was closed");
    if (!got->full) return;
  }
}

void RedisLink::hear(const redisReply& reply) {
  if (expected_.empty()) return give_up("protocol", "a reply to nothing");
  const Expected expected = expected_.front();
  expected_.pop_front();
  if (reply.type == REDIS_REPLY_ERROR)
    return give_up(expected.kind == Kind::Auth || is_about_access(text_of(reply)) ? "auth" : "refused", text_of(reply));
  if (expected_.empty()) limit_.cancel();
  else loop_.arm(limit_, store_.timeout);
  switch (expected.kind) {
    case Kind::Auth: return;
    case Kind::Ping:
      if (reply.type != REDIS_REPLY_STATUS) return give_up("protocol", "no answer to PING");
      ready_ = true;
      return events_.on_ready();
    case Kind::Numbers: return hear_numbers(reply, expected.numbers);
  }
}

void RedisLink::hear_numbers(const redisReply& reply, size_t expected) {
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != expected)
    return give_up("protocol", "not as many numbers as asked for");
  numbers_.clear();
  for (size_t i = 0; i < expected; ++i) {
    if (reply.element[i]->type != REDIS_REPLY_INTEGER) return give_up("protocol", "not a number");
    numbers_.push_back(reply.element[i]->integer);
  }
  pause_ = milliseconds(0);
  events_.on_answer(numbers_);
}

void RedisLink::on_closed(const Error& why) { give_up(transport_->connected() ? "closed" : "connect", why.what); }

void RedisLink::on_late() { give_up("timeout", transport_->connected() ? "no answer" : "no connection"); }

// `why` may be of the reader's.
void RedisLink::give_up(const char* reason, std::string_view why) {
  const std::string text(why.substr(0, 200));
  if (transport_) transport_->close();
  reader_.reset();
  unsent_.clear();
  expected_.clear();
  limit_.cancel();
  ready_ = false;
  pause_ = std::min(std::max(2 * pause_, kFirstPause), store_.retry);
  const auto half = pause_ / 2;  // not all proxies at the same moment
  loop_.arm(again_, half + milliseconds(loop_.random().below(uint32_t(half.count()) + 1)));
  events_.on_gone(reason, text);
}

}  // namespace outrider::server
