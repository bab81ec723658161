#include "discovery/dht/bootstrap.h"

#include <netdb.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/log.h"

namespace outrider::discovery {

namespace {
constexpr size_t kMostAddresses = 16;  // of one name
constexpr size_t kRemembered = 8;      // pinged at a time
constexpr size_t kKept = 64;
constexpr size_t kPeers = 2;  // pinged along while all is well, to notice when it no longer is

std::pair<std::vector<net::Address>, std::string> resolve(const std::string& host, const std::string& port) {
  addrinfo wanted{}, *list = nullptr;
  wanted.ai_socktype = SOCK_DGRAM;
  wanted.ai_flags = AI_NUMERICSERV;
  const int status = getaddrinfo(host.c_str(), port.c_str(), &wanted, &list);
  if (status != 0) return {{}, gai_strerror(status)};
  std::vector<net::Address> addresses;
  for (addrinfo* at = list; at && addresses.size() < kMostAddresses; at = at->ai_next)
    addresses.emplace_back(at->ai_addr, at->ai_addrlen);
  freeaddrinfo(list);
  return {std::move(addresses), {}};
}
}  // namespace

// Where a look-up leaves its answer. `to` is null once there is nobody to tell.
struct Bootstrap::Mailbox {
  std::mutex mutex;
  Bootstrap* to;
  bool busy = false;  // only the loop's thread looks at it
};

Bootstrap::Bootstrap(net::Loop& loop, Table& table, const DhtOptions& options)
    : loop_(loop), table_(table), options_(options), pace_(options.seeds_first), mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->to = this;
  for (const auto& name : options.bootstrap) {
    Seed seed;
    seed.name = name;
    if (auto address = net::Address::parse(name)) {
      seed.addresses.push_back(*address);
    } else if (const size_t colon = name.rfind(':'); colon != std::string::npos) {
      seed.host = name.substr(0, colon);
      seed.port = name.substr(colon + 1);
    } else {
      seed.trouble = "no port";
    }
    seeds_.push_back(std::move(seed));
  }
}

Bootstrap::~Bootstrap() {
  std::lock_guard lock(mailbox_->mutex);
  mailbox_->to = nullptr;
}

void Bootstrap::start(std::vector<net::Address> remembered) {
  remembered_ = std::move(remembered);
  on_due();
}

void Bootstrap::on_connected(bool connected) {
  if (connected_ == connected) return;
  connected_ = connected;
  pace_ = options_.seeds_first;
  if (!connected) loop_.arm(due_, milliseconds(0));
}

void Bootstrap::on_due() {
  look_up();
  for (auto& seed : seeds_) ping(seed);
  if (connected_) {
    auto peers = table_.some_peers(kKept);
    for (size_t i = 0; i < std::min(kPeers, peers.size()); ++i) table_.ping(peers[i], [](bool) {});
    if (!peers.empty()) remembered_ = std::move(peers);
  } else {
    for (size_t i = 0; i < std::min(kRemembered, remembered_.size()); ++i) {
      std::swap(remembered_[i], remembered_[i + loop_.random().below(uint32_t(remembered_.size() - i))]);
      table_.ping(remembered_[i], [](bool) {});
    }
  }
  const milliseconds pace = connected_ ? options_.seeds : pace_;
  if (!connected_) pace_ = std::min(pace_ * 2, options_.seeds);
  loop_.arm(due_, pace - milliseconds(loop_.random().below(uint32_t(pace.count() / 5 + 1))));
}

void Bootstrap::ping(Seed& seed) {
  if (seed.asked > 0) return;  // three tries a second apart are under way
  const size_t index = size_t(&seed - seeds_.data());
  seed.asked = seed.addresses.size();
  seed.ever_asked |= seed.asked > 0;
  auto any = std::make_shared<bool>(false);
  const auto mailbox = mailbox_;
  for (const auto& address : seed.addresses)
    table_.ping(address, [mailbox, index, any](bool answered) {
      Bootstrap* self = mailbox->to;  // written on this thread only
      if (!self) return;
      Seed& seed = self->seeds_[index];
      *any |= answered;
      if (seed.asked > 0) --seed.asked;
      if (answered || seed.asked == 0) seed.answered = *any;
    });
}

void Bootstrap::look_up() {
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& seed : seeds_)
    if (!seed.host.empty()) names.emplace_back(seed.host, seed.port);
  if (names.empty() || mailbox_->busy) return;
  mailbox_->busy = true;
  std::thread([names = std::move(names), mailbox = mailbox_] {
    Answers answers;
    for (const auto& [host, port] : names) answers.push_back(resolve(host, port));
    std::lock_guard lock(mailbox->mutex);
    if (!mailbox->to) return;
    mailbox->to->loop_.post([mailbox, answers = std::move(answers)] {
      mailbox->busy = false;
      if (mailbox->to) mailbox->to->found(answers);
    });
  }).detach();
}

void Bootstrap::found(const Answers& answers) {
  size_t next = 0;
  for (auto& seed : seeds_) {
    if (seed.host.empty() || next >= answers.size()) continue;
    const auto& [addresses, trouble] = answers[next++];
    if (!trouble.empty() && seed.trouble != trouble)
      log::warn("cannot find a seed of the registry", {{"seed", seed.name}, {"why", trouble}});
    seed.trouble = trouble;
    if (!trouble.empty() || addresses == seed.addresses) continue;  // what a name meant last time is kept
    seed.addresses = addresses;
    ping(seed);
  }
}

std::vector<DhtFacts::Seed> Bootstrap::facts() const {
  std::vector<DhtFacts::Seed> all;
  for (const auto& seed : seeds_) {
    std::string state = seed.answered ? "answers" : seed.asked > 0 ? "asking" : seed.ever_asked ? "silent" : "waiting";
    if (!seed.answered && !seed.trouble.empty()) state = seed.trouble;
    all.push_back({seed.name, std::move(state)});
  }
  return all;
}

}  // namespace outrider::discovery
