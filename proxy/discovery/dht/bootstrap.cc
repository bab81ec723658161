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
constexpr size_t kLost = 256, kLostAsked = 2;
constexpr milliseconds kLostFor = std::chrono::minutes(15);
constexpr size_t kManyLost = 8;  // one lost of so many peers
constexpr int kSilentShare = 8;  // of the time that has passed since somebody fell silent, until the next round

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

Bootstrap::Bootstrap(net::Loop& loop, Table& table, const DhtOptions& options, BootstrapEvents& events)
    : loop_(loop), table_(table), options_(options), events_(events), pace_(options.seeds_first),
      mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->to = this;
  for (const auto& name : options.bootstrap) {
    Seed seed;
    seed.name = name;
    if (auto address = net::Address::parse(name)) {
      seed.places.push_back({*address, false, {}});
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
    note_peers();
    ask_lost(kLostAsked);
  } else {
    for (size_t i = 0; i < std::min(kRemembered, remembered_.size()); ++i) {
      std::swap(remembered_[i], remembered_[i + loop_.random().below(uint32_t(remembered_.size() - i))]);
      table_.ping(remembered_[i], [&table = table_, one = remembered_[i]](bool answered) { table.note_way_in(one, answered); });
    }
  }
  const milliseconds pace = this->pace();
  if (!connected_) pace_ = std::min(pace_ * 2, options_.seeds);
  loop_.arm(due_, pace - milliseconds(loop_.random().below(uint32_t(pace.count() / 5 + 1))));
}

milliseconds Bootstrap::pace() const {
  if (!connected_) return pace_;
  TimePoint last{};  // that somebody fell silent
  for (const auto& seed : seeds_)
    for (const auto& place : seed.places)
      if (place.silent != TimePoint{}) last = std::max(last, place.silent);
  for (const auto& [address, since] : lost_) last = std::max(last, since);
  if (last == TimePoint{}) return options_.seeds;
  const auto share = std::chrono::duration_cast<milliseconds>(loop_.now() - last) / kSilentShare;
  return std::clamp(share, std::min(options_.seeds_first, options_.seeds), options_.seeds);
}

void Bootstrap::note_peers() {
  auto peers = table_.some_peers(SIZE_MAX);
  const auto among_peers = [&](const net::Address& one) { return std::find(peers.begin(), peers.end(), one) != peers.end(); };
  const TimePoint now = loop_.now();
  std::erase_if(lost_, [&](const auto& one) { return now - one.second > kLostFor || among_peers(one.first); });
  for (const auto& one : remembered_)
    if (lost_.size() < kLost && !among_peers(one) &&
        std::none_of(lost_.begin(), lost_.end(), [&](const auto& lost) { return lost.first == one; }))
      lost_.emplace_back(one, now);
  for (size_t i = 0; i < std::min(kPeers, peers.size()); ++i)
    table_.ping(peers[i], [&table = table_, one = peers[i]](bool answered) {
      if (!answered) table.note_way_in(one, false);
    });
  if (peers.size() > kKept) peers.resize(kKept);
  if (!peers.empty()) remembered_ = std::move(peers);
}

void Bootstrap::ask_lost(size_t most) {
  const auto mailbox = mailbox_;
  for (size_t i = 0; i < std::min(most, lost_.size()); ++i) {
    std::swap(lost_[i], lost_[i + loop_.random().below(uint32_t(lost_.size() - i))]);
    table_.ping(lost_[i].first, [mailbox, address = lost_[i].first](bool answered) {
      Bootstrap* self = mailbox->to;
      if (!self || !answered) return;
      const bool many = self->lost_.size() * kManyLost >= self->remembered_.size();  // not just one that was slow
      if (std::erase_if(self->lost_, [&](const auto& one) { return one.first == address; }) && many) self->found_again();
    });
  }
}

void Bootstrap::found_again() {
  auto lost = std::exchange(lost_, {});  // each is asked once for this
  for (const auto& [address, since] : lost) table_.ping(address, [](bool) {});
  if (found_again_ != TimePoint{} && loop_.now() < found_again_ + options_.seeds) return;
  found_again_ = loop_.now();
  events_.on_found_again();
}

void Bootstrap::ping(Seed& seed) {
  if (seed.asked > 0) return;  // three tries a second apart are under way
  const size_t index = size_t(&seed - seeds_.data());
  seed.asked = seed.places.size();
  seed.ever_asked |= seed.asked > 0;
  const auto mailbox = mailbox_;
  for (const auto& place : std::vector<Place>(seed.places))
    table_.ping(place.address, [mailbox, index, address = place.address](bool answered) {
      // Written on this thread only.
      if (Bootstrap* self = mailbox->to) self->answer(self->seeds_[index], address, answered);
    });
}

void Bootstrap::answer(Seed& seed, const net::Address& address, bool answered) {
  if (seed.asked > 0) --seed.asked;
  table_.note_way_in(address, answered);
  bool again = false;
  for (auto& place : seed.places) {
    if (place.address != address) continue;
    if (!answered && place.answered) place.silent = loop_.now();
    if (answered) again |= std::exchange(place.silent, TimePoint{}) != TimePoint{};
    place.answered = answered;
  }
  seed.answered = std::any_of(seed.places.begin(), seed.places.end(), [](const Place& place) { return place.answered; });
  if (again) found_again();
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
    if (!trouble.empty()) continue;  // what a name meant last time is kept
    std::vector<Place> places;
    for (const auto& address : addresses) {
      const auto known =
          std::find_if(seed.places.begin(), seed.places.end(), [&](const Place& one) { return one.address == address; });
      places.push_back(known == seed.places.end() ? Place{address, false, {}} : *known);
    }
    const bool changed =
        places.size() != seed.places.size() || !std::equal(places.begin(), places.end(), seed.places.begin(),
                                                           [](const Place& a, const Place& b) { return a.address == b.address; });
    seed.places = std::move(places);
    if (changed) ping(seed);
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
