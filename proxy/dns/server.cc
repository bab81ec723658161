#include "dns/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "dns/job.h"

namespace outrider::dns {

using net::DnsCode;
using net::DnsQuery;

namespace {

constexpr size_t kMostUdp = 4096,
                 kMostTcp = 65535;  // the clients are of this machine: datagrams need not fit into a cable's frame
constexpr uint16_t kPartOfATransfer = 251, kWholeTransfer = 252;
constexpr uint16_t kOther = 0, kNotReady = 14, kNotSupported = 21;  // RFC 8914
constexpr milliseconds kSave{1000}, kApart{10'000};
constexpr int kTriesForAPort = 32;

}  // namespace

// One bound socket for datagrams.
class Socket final : net::DatagramEvents {
 public:
  explicit Socket(Server& server) : server_(server), datagram(server.loop(), static_cast<net::DatagramEvents&>(*this)) {}

 private:
  void on_datagram(std::span<char> bytes, const net::Address& from) override {
    server_.on_message({bytes.data(), bytes.size()}, {.socket = this, .peer = &from, .port = from.port()});
  }
  Server& server_;

 public:
  net::Datagram datagram;
};

class Server::Door final : net::ListenerEvents {
 public:
  Door(Server& server, int fd) : server_(server), listener(server.loop(), static_cast<net::ListenerEvents&>(*this), fd) {}

 private:
  void on_accept(int fd, const net::Address& peer) override {
    if (server_.stream_count_ >= server_.settings_.most_connections) {
      server_.counters_.drop(Dropped::Connections);
      ::close(fd);
      return;
    }
    ++server_.stream_count_;
    server_.streams_.push_back(*new Stream(server_, fd, peer.port()));
  }
  Server& server_;

 public:
  net::Listener listener;
};

Server::Server(net::Loop& loop, Settings settings, net::VirtualAddresses* addresses, Counters counters)
    : loop_(loop), settings_(std::move(settings)), addresses_(addresses), counters_(counters), upstreams_(settings_.upstreams),
      directory_(loop, settings_.most_names, settings_.watched), zone_(settings_.zone, addresses, loop.random()) {
  if (addresses_) counters_.show_addresses(given_ = addresses_->size());
}

Server::~Server() {
  save_.cancel();
  if (on_given_ && addresses_ && addresses_->size() != given_) on_given_();
  jobs_.for_each([](Job& job) { job.end(); });
  streams_.for_each([](Stream& stream) { stream.end(); });
}

Result<Server::Sockets> Server::listen(const net::Address& at, Sockets inherited) {
  auto socket = std::make_unique<Socket>(*this);
  Sockets opened = inherited;
  if (inherited.datagrams >= 0) {
    if (const auto ok = socket->datagram.adopt(inherited.datagrams); !ok) return ok.error();
  }
  for (int i = 0; inherited.datagrams < 0; ++i) {
    if (const auto ok = socket->datagram.bind(at); !ok) return ok.error();
    const auto fd = net::open_listener(socket->datagram.local());
    if (fd) {
      opened.stream = *fd;
      break;
    }
    if (at.port() != 0 || i >= kTriesForAPort) return fd.error();  // else that port is free for one of the two alone
    socket = std::make_unique<Socket>(*this);
  }
  socket->datagram.pause();
  opened.datagrams = socket->datagram.descriptor();
  local_.push_back(socket->datagram.local());
  sockets_.push_back(std::move(socket));
  if (opened.stream >= 0) {
    doors_.push_back(std::make_unique<Door>(*this, opened.stream));
    doors_.back()->listener.pause();
  }
  upstreams_.leave_out(local_);
  return opened;
}

void Server::serve(discovery::Registry* registry) {
  directory_.ask(registry);
  for (auto& socket : sockets_) socket->datagram.resume();
  for (auto& door : doors_) door->listener.resume();
}

void Server::leave() {
  for (auto& socket : sockets_) socket->datagram.pause();
  for (auto& door : doors_) door->listener.leave();
  streams_.for_each([](Stream& stream) {
    if (stream.idle()) stream.end();
  });
  if (save_.armed()) {
    save_.cancel();
    on_save();
  }
}

void Server::on_message(std::string_view message, const From& from) {
  using Form = DnsQuery::Form;
  DnsQuery query = net::read_dns_query(message);
  if (query.form == Form::Nothing) {
    counters_.drop(Dropped::NoQuery);
    if (from.stream) from.stream->end();
    return;
  }
  if (!pace_.enter(loop_.now(), settings_.rate)) {
    counters_.drop(Dropped::Rate);
    if (from.stream) from.stream->end();
    return;
  }
  if (query.form == Form::Malformed) return refuse(query, from, DnsCode::Malformed, Told::Malformed, kOther, "");
  if (query.form == Form::OtherOperation) return refuse(query, from, DnsCode::NotImplemented, Told::Refused, kNotSupported, "");
  if (query.form == Form::OtherVersion) return refuse(query, from, DnsCode::BadVersion, Told::Refused, kNotSupported, "");
  if (upstreams_.is_own(from.port, query.id)) {
    constexpr const char* kWhy =
        "this proxy's own question was redirected back to it: leave the user it runs as out of the rules (nft: meta skuid)";
    warn("DNS: a question of our own came back", kWhy);
    return refuse(query, from, DnsCode::Failure, Told::Loop, kOther, kWhy);
  }
  if (query.type == kPartOfATransfer || query.type == kWholeTransfer)
    return refuse(query, from, DnsCode::Refused, Told::Refused, kNotSupported, "no zone is transferred here");

  const ZoneName name = zone_.read(query.name);
  const net::Address reverse = addresses_ ? net::read_reverse_name(query.name) : net::Address();
  const bool is_reverse = addresses_ && reverse.valid() && addresses_->covers(reverse);
  const size_t most = room_for(query, from);
  Zone::Answer answer{Told::NotReady, {}};
  Directory::Entry* entry = nullptr;
  if (name.kind == ZoneName::Kind::Foreign && !is_reverse) {
    if (job_count_ >= settings_.most_queries) return drop(from);
    return begin(std::move(query), from)->forward(message);
  }
  if (query.klass != net::kDnsInternet && query.klass != net::kDnsAny)
    return refuse(query, from, DnsCode::Refused, Told::Refused, kNotSupported, "there is nothing here but the class IN");
  switch (name.kind) {
    case ZoneName::Kind::Foreign: answer = zone_.of_address(query, reverse, most); break;
    case ZoneName::Kind::Apex: answer = zone_.of_apex(query, most); break;
    case ZoneName::Kind::Nobody: answer = zone_.no_name(query, most); break;
    case ZoneName::Kind::Service:
    case ZoneName::Kind::Endpoint:
      if (!directory_.has_registry())
        return refuse(query, from, DnsCode::Failure, Told::NotReady, kNotReady, "there is no registry (registry.kind)");
      entry = directory_.find(name.service);
      if (!entry)
        return refuse(query, from, DnsCode::Failure, Told::NoRoom, kNotReady,
                      "too many names are waited for (registry.dns.max_names)");
      if (entry->known == Directory::Known::NotYet) {
        if (job_count_ >= settings_.most_queries) return drop(from);
        return begin(std::move(query), from)->wait_for(*entry, name);
      }
      answer = this->answer(query, from, *entry, name);
  }
  counters_.count(answer.result);
  send(from, answer.text);
}

void Server::drop(const From& from) {
  counters_.drop(Dropped::InFlight);
  if (from.stream) from.stream->end();
}

Job* Server::begin(DnsQuery query, const From& from) {
  auto* const job = new Job(*this, std::move(query), from);
  jobs_.push_back(*job);
  ++job_count_;
  return job;
}

Zone::Answer Server::answer(const DnsQuery& query, const From& from, const Directory::Entry& entry, const ZoneName& name) {
  using Known = Directory::Known;
  const size_t most = room_for(query, from);
  if (entry.known == Known::Absent || (entry.known == Known::Yes && entry.all.empty())) return zone_.no_name(query, most);
  if (entry.all.empty()) {
    net::DnsReply reply(query, DnsCode::Failure, false);
    reply.explain(kNotReady, "nobody in the registry answers, and nothing is remembered");
    return {Told::NotReady, reply.text(most)};
  }
  auto answer = zone_.answer(query, name, entry.all, most);
  if (answer.result == Told::NoRoom) warn("DNS: all virtual addresses are given", "registry.dns.ipv4, registry.dns.ipv6");
  if (addresses_ && addresses_->size() != given_ && !save_.armed()) loop_.arm(save_, kSave);
  return answer;
}

void Server::on_save() {
  counters_.show_addresses(given_ = addresses_->size());
  if (on_given_) on_given_();
}

void Server::refuse(const DnsQuery& query, const From& from, DnsCode code, Told result, uint16_t more, const char* why) {
  net::DnsReply reply(query, code, false);
  if (*why) reply.explain(more, why);
  counters_.count(result);
  send(from, reply.text(room_for(query, from)));
}

size_t Server::room_for(const DnsQuery& query, const From& from) {
  return from.socket ? std::min<size_t>(query.udp_bytes, kMostUdp) : kMostTcp;
}

void Server::send(const From& from, std::string_view message) {
  if (from.stream) return from.stream->answer(message);
  if (from.socket && from.socket->datagram.send(message, *from.peer) != 0) counters_.drop(Dropped::Unsent);
}

void Server::forget(const Stream& stream) {
  --stream_count_;
  jobs_.for_each([&](Job& job) {
    if (job.is_of(stream)) job.lose_client();
  });
}

void Server::warn(const char* what, const std::string& why) {
  if (loop_.now() < quiet_until_) return void(++unsaid_);
  quiet_until_ = loop_.now() + kApart;
  log::warn(what, {{"reason", why}, {"not_logged", std::exchange(unsaid_, 0)}});
}

}  // namespace outrider::dns
