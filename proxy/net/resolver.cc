#include "net/resolver.h"

#include <ares.h>
#include <netdb.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "identity/file_mark.h"
#include "net/poll.h"

namespace outrider::net {

namespace {

using Result = DnsAnswer::Result;

constexpr int kInternet = 1, kTries = 3;    // tries at each server, each twice as long as the one before
constexpr int kUdpBytes = 1232;             // no fragments: what is longer comes by TCP
constexpr std::chrono::seconds kHosts{10};  // until /etc/hosts is looked at again

Result result_of(int status) {
  switch (status) {
    case ARES_ENOTFOUND: return Result::NoName;
    case ARES_ENODATA: return Result::NoData;
    case ARES_ETIMEOUT: return Result::Timeout;
    case ARES_ESERVFAIL:
    case ARES_ENOTIMP: return Result::ServerFailure;
    case ARES_EREFUSED: return Result::Refused;
    case ARES_EFORMERR:
    case ARES_EBADRESP:
    case ARES_EBADNAME:
    case ARES_EBADQUERY: return Result::Malformed;
    default: return Result::Unreachable;
  }
}

std::string joined(const std::vector<std::string>& texts, const char* between) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : between) + text;
  return all;
}

}  // namespace

// c-ares has hold of it until it calls back, whoever has stopped waiting.
class DnsQuestion::Pending final : public ListHook<Pending> {
 public:
  Pending(Resolver::Channel& at, DnsQuestion& by, std::string what, DnsType of)
      : channel(at), question(&by), name(std::move(what)), type(of) {}
  void on_limit() {
    DnsQuestion* const by = std::exchange(question, nullptr);
    by->pending_ = nullptr;
    if (!held) delete this;
    by->on_dns_answer({Result::Timeout});
  }
  Resolver::Channel& channel;
  DnsQuestion* question;  // null: nobody waits for it
  const std::string name;
  const DnsType type;
  bool held = false;  // by c-ares
  DnsAnswer answer;
  BoundTimer<Pending, &Pending::on_limit> limit{*this};
};

void DnsQuestion::take_back() {
  Pending* const pending = std::exchange(pending_, nullptr);
  if (!pending) return;
  pending->question = nullptr;
  pending->limit.cancel();
  if (!pending->held) delete pending;
}

class Resolver::Channel final : EndOfTurn {
 public:
  using Pending = DnsQuestion::Pending;
  Channel(Loop& loop, Options options) : loop_(loop), options_(std::move(options)) { open(); }
  ~Channel() {
    closing_ = true;
    if (ares_) ares_destroy(ares_);
    while (Pending* pending = done_.pop_front()) pending->question->take_back();
  }
  Channel(const Channel&) = delete;
  void ask(DnsQuestion& question, const std::string& name, DnsType type) {
    if (options_.servers.empty() && !(mark_ == identity::FileMark::of(options_.resolv_conf))) renew();
    auto* pending = question.pending_ = new Pending(*this, question, name, type);
    loop_.arm(pending->limit, options_.timeout);
    if (!is_in_hosts(*pending)) send(*pending);
  }
  std::string servers() const;

 private:
  void open();
  void renew();
  void send(Pending& pending);
  bool is_in_hosts(Pending& pending);
  void on_answered(Pending& pending, int status, std::string_view message);
  void over(Pending& pending);
  void on_end_of_turn() override;
  void on_socket(int fd, uint32_t events);
  ssize_t receive(int fd, void* to, size_t room, sockaddr* from, socklen_t* length);
  void on_ready(int fd, uint32_t events);
  void on_due() { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }
  void process(int readable, int writable);
  void arm();

  Loop& loop_;
  const Options options_;
  ares_channel ares_ = nullptr;  // null: it could not be made
  identity::FileMark mark_;      // of resolv.conf, where the servers are from there
  bool renewing_ = false, closing_ = false;
  int refusal_ = 0;  // what the datagram said that was read last, instead of an answer
  std::vector<Pending*> again_;
  IntrusiveList<Pending> done_;
  std::vector<std::pair<int, PollHandle<Channel>*>> polls_;
  BoundTimer<Channel, &Channel::on_due> due_{*this};
};

void Resolver::Channel::open() {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_options options{};
  options.flags = ARES_FLAG_EDNS;
  options.ednspsz = kUdpBytes;
  options.timeout = std::max(1, int(options_.timeout.count() / 4));
  options.tries = kTries;
  options.udp_port = options.tcp_port = options_.port;
  std::string lookups = "b", path = options_.resolv_conf;
  options.lookups = lookups.data();
  options.resolvconf_path = path.data();
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Channel*>(self)->on_socket(fd, (readable ? uint32_t(EPOLLIN) : 0) | (writable ? uint32_t(EPOLLOUT) : 0));
  };
  mark_ = identity::FileMark::of(path);
  const int which = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_UDP_PORT |
                    ARES_OPT_TCP_PORT | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&ares_, &options, which) != ARES_SUCCESS) ares_ = nullptr;
  if (!ares_) return;
  static constexpr ares_socket_functions kSockets{
      [](int family, int type, int protocol, void*) { return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol); },
      [](ares_socket_t fd, void*) { return ::close(fd); },
      [](ares_socket_t fd, const sockaddr* to, ares_socklen_t length, void*) { return ::connect(fd, to, length); },
      [](ares_socket_t fd, void* to, size_t room, int, sockaddr* from, ares_socklen_t* length, void* self) -> ares_ssize_t {
        return static_cast<Channel*>(self)->receive(fd, to, room, from, length);
      },
      [](ares_socket_t fd, const iovec* parts, int count, void*) -> ares_ssize_t {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts);
        message.msg_iovlen = size_t(count);
        return ::sendmsg(fd, &message, MSG_NOSIGNAL);
      }};
  ares_set_socket_functions(ares_, &kSockets, this);
  if (!options_.servers.empty()) ares_set_servers_ports_csv(ares_, joined(options_.servers, ",").c_str());
}

// c-ares asks the next server when one refuses, and at the end has forgotten what was said.
ssize_t Resolver::Channel::receive(int fd, void* to, size_t room, sockaddr* from, socklen_t* length) {
  const ssize_t n = ::recvfrom(fd, to, room, 0, from, length);
  if (n >= 0 || errno != EAGAIN) refusal_ = from && n > 3 ? static_cast<const unsigned char*>(to)[3] & 15 : 0;
  return n;
}

// The servers are others: what is under way is asked of them.
void Resolver::Channel::renew() {
  renewing_ = true;
  if (ares_) ares_destroy(std::exchange(ares_, nullptr));
  renewing_ = false;
  open();
  for (Pending* pending : std::exchange(again_, {})) send(*pending);
}

void Resolver::Channel::send(Pending& pending) {
  if (!ares_) {
    pending.answer.result = Result::Unreachable;
    return over(pending);
  }
  pending.held = true;
  const auto called = [](void* with, int status, int, unsigned char* bytes, int length) {
    auto& pending = *static_cast<Pending*>(with);
    pending.channel.on_answered(pending, status, {reinterpret_cast<const char*>(bytes), bytes ? size_t(length) : 0});
  };
  ares_query(ares_, pending.name.c_str(), kInternet, int(pending.type), called, &pending);
  arm();
}

// Synchronous: a small file, and only of names that are due.
bool Resolver::Channel::is_in_hosts(Pending& pending) {
  if (!options_.servers.empty() || !ares_ || pending.type == DnsType::Srv) return false;
  hostent* found = nullptr;
  const int family = pending.type == DnsType::A ? AF_INET : AF_INET6;
  if (ares_gethostbyname_file(ares_, pending.name.c_str(), family, &found) != ARES_SUCCESS) return false;
  for (char** at = found->h_addr_list; *at; ++at)
    pending.answer.records.push_back({.address = dns_address({*at, size_t(found->h_length)})});
  ares_free_hostent(found);
  if (pending.answer.records.empty()) return false;
  pending.answer.result = Result::Found;
  pending.answer.ttl = kHosts;
  over(pending);
  return true;
}

void Resolver::Channel::on_answered(Pending& pending, int status, std::string_view message) {
  pending.held = false;
  if (!pending.question || closing_) {
    if (pending.question) pending.question->take_back();
    else delete &pending;
    return;
  }
  if (status == ARES_EDESTRUCTION && renewing_) return again_.push_back(&pending);
  const bool read = status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
  if (read && !message.empty()) pending.answer = read_dns_answer(message, pending.name, pending.type);
  else if (status == ARES_ECONNREFUSED && refusal_ != 0)
    pending.answer.result = refusal_ == 5 ? Result::Refused : Result::ServerFailure;
  else pending.answer.result = result_of(status);
  over(pending);
}

void Resolver::Channel::over(Pending& pending) {
  done_.push_back(pending);
  loop_.at_end_of_turn(*this);
}

void Resolver::Channel::on_end_of_turn() {
  while (Pending* pending = done_.pop_front()) {
    DnsQuestion& question = *pending->question;
    const DnsAnswer answer = std::move(pending->answer);
    question.take_back();
    question.on_dns_answer(answer);
  }
}

void Resolver::Channel::on_socket(int fd, uint32_t events) {
  const auto known = std::find_if(polls_.begin(), polls_.end(), [fd](const auto& each) { return each.first == fd; });
  PollHandle<Channel>* poll = known == polls_.end() ? nullptr : known->second;
  if (events == 0) {
    if (!poll) return;
    polls_.erase(known);
    return poll->release(Descriptor::Kept);
  }
  if (poll) return poll->want(events);
  poll = PollHandle<Channel>::make(loop_, fd, events, this, [](Channel& self, int of, uint32_t now) { self.on_ready(of, now); });
  if (poll) polls_.emplace_back(fd, poll);  // else its question ends by its limit
}

void Resolver::Channel::on_ready(int fd, uint32_t events) {
  if (events & EPOLLERR) events |= EPOLLIN | EPOLLOUT;
  process(events & EPOLLIN ? fd : ARES_SOCKET_BAD, events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
}

void Resolver::Channel::process(int readable, int writable) {
  if (!ares_) return;
  ares_process_fd(ares_, readable, writable);
  arm();
}

void Resolver::Channel::arm() {
  timeval left{};
  if (!ares_ || !ares_timeout(ares_, nullptr, &left)) return due_.cancel();
  loop_.arm(due_, milliseconds(int64_t(left.tv_sec) * 1000 + left.tv_usec / 1000 + 1));
}

std::string Resolver::Channel::servers() const {
  ares_addr_port_node* list = nullptr;
  if (!ares_ || ares_get_servers_ports(ares_, &list) != ARES_SUCCESS) return "nobody";
  std::vector<std::string> texts;
  for (const auto* at = list; at; at = at->next) {
    const bool v4 = at->family == AF_INET;
    Address address = dns_address({reinterpret_cast<const char*>(&at->addr), size_t(v4 ? 4 : 16)});
    address.set_port(at->udp_port ? uint16_t(at->udp_port) : options_.port);
    texts.push_back(address.text());
  }
  ares_free_data(list);
  return joined(texts, ", ");
}

Resolver::Resolver(Loop& loop, Options options) : channel_(std::make_unique<Channel>(loop, std::move(options))) {}

Resolver::~Resolver() = default;

void Resolver::ask(DnsQuestion& question, const std::string& name, DnsType type) { channel_->ask(question, name, type); }

std::string Resolver::servers() const { return channel_->servers(); }

}  // namespace outrider::net
