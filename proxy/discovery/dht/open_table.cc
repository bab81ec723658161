#include "discovery/dht/open_table.h"

#include <opendht/dht.h>
#include <opendht/network_utils.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/log.h"
#include "discovery/dht/gate.h"
#include "discovery/dht/inquiry.h"

namespace outrider::discovery {

namespace {

constexpr std::chrono::seconds kListingLease{300};
constexpr unsigned kDeepest = 8;       // bits of a region: enough for some thousand nodes
constexpr size_t kAskedAlong = 2;      // ways past the nearest nodes, and steps on each, at any reading
constexpr size_t kWaysIn = 64;         // kept
constexpr size_t kMostCalls = 100000;  // answers waiting for their turn; more is a flood

dht::SockAddr to_dht(const net::Address& address) { return {address.raw(), address.length()}; }
net::Address from_dht(const dht::SockAddr& address) { return {address.get(), address.getLength()}; }

std::string text_of(const dht::Value& value) { return {value.data.begin(), value.data.end()}; }

std::string bytes_of(const dht::InfoHash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

bool contains(const std::vector<net::Address>& all, const net::Address& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

Values ours_of(const std::vector<std::shared_ptr<dht::Value>>& values) {
  Values ours;
  for (const auto& value : values)
    if (value) ours.push_back(text_of(*value));
  return ours;
}

// OpenDHT's end of the socket. It owns this end only.
struct SocketEnd final : dht::net::DatagramSocket {
  explicit SocketEnd(SealedSocket& socket) : socket(socket), bound(to_dht(socket.local())) {
    other.setFamily(bound.getFamily() == AF_INET6 ? AF_INET : AF_INET6);
  }
  int sendTo(const dht::SockAddr& to, const uint8_t* data, size_t size, bool) override {
    return socket.send({reinterpret_cast<const char*>(data), size}, from_dht(to));
  }
  // Both, whatever is bound: without it listen() hands out tokens that cannot be cancelled.
  bool hasIPv4() const override { return true; }
  bool hasIPv6() const override { return true; }
  const dht::SockAddr& getBoundRef(sa_family_t family) const override {
    return family == AF_UNSPEC || family == bound.getFamily() ? bound : other;
  }
  void stop() override {}
  SealedSocket& socket;
  dht::SockAddr bound, other;
};

// Callbacks of OpenDHT may come from inside a call: they wait in calls_ until it has returned.
class Opened final : public OpenTable, InquirySocket, net::EndOfTurn {
 public:
  Opened(net::Loop& loop, SealedSocket& socket, const DhtOptions& options, Verifier& verifier, DhtStats& stats,
         OpenTableEvents& events)
      : loop_(loop), socket_(socket), options_(options), verifier_(verifier), stats_(stats), events_(events) {}
  ~Opened() override { close(); }
  std::string open(const std::string& node_id) override;
  void close() override;

  void put(const std::string& key, const std::string& value, std::function<void(bool)> done) override {
    put(key, value, kRecordType, part_of(value_id(value)), std::move(done));
  }
  void put_listing(const std::string& key, const std::string& value, const std::string& part) override {
    put(key, value, kListingType, part, [](bool) {});
  }
  void drop(const std::string& key, const std::string& value) override;
  uint64_t listen(const std::string& key, std::function<void(const Values&, bool)> told) override;
  void unlisten(const std::string& key, uint64_t token) override;
  void get(const std::string& key, std::function<void(const Values&)> found, std::function<void(bool)> done) override;
  void sample(const std::string& key, const std::string& part, std::function<void(const Values&)> found,
              std::function<void(bool)> done) override {
    get(key, std::move(dht::Where().userType(part)), std::move(found), std::move(done));
  }
  void touch(const std::string& key) override { touch(dht::InfoHash::get(key)); }
  void ping(const net::Address& address, std::function<void(bool)> done) override;
  std::vector<net::Address> some_peers(size_t most) override;
  void note_way_in(const net::Address& node, bool answers) override;

  void take(std::string_view packet, const net::Address& from, std::string_view node_id) override;
  void left(const std::string& node_id) override;
  void look_around() override { touch(node_->getNodeId()); }
  void stir() override {
    dirty_ = true;
    loop_.at_end_of_turn(*this);
  }
  std::string id() const override { return bytes_of(node_->getNodeId()); }
  void count() override;

 private:
  struct Listener {
    std::function<void(const Values&, bool)> told;
    size_t theirs = 0;
  };
  void put(const std::string& key, const std::string& value, uint16_t type, const std::string& part,
           std::function<void(bool)> done);
  void get(const std::string& key, dht::Where which, std::function<void(const Values&)> found, std::function<void(bool)> done);
  void inquire(const std::string& key, size_t ways, size_t steps, std::function<void(const Values&)> found,
               std::function<void(bool)> done);
  void send_question(const std::string& packet, const net::Address& to) override { socket_.send(packet, to); }
  std::vector<net::Address> beginnings(size_t most);
  void touch(const dht::InfoHash& id);
  dht::InfoHash region_of(const dht::InfoHash& id);
  template <class Hear>
  void judge(const net::Address& who, Hear hear);
  void register_type(uint16_t type, const char* name, milliseconds lease);
  bool may_store(const dht::InfoHash& key, const dht::Value& value);
  void later(std::function<void()> call);
  void enter(const uint8_t* bytes, size_t size, dht::SockAddr from);
  void on_end_of_turn() override;
  void on_wake() { stir(); }

  net::Loop& loop_;
  SealedSocket& socket_;
  const DhtOptions& options_;
  Verifier& verifier_;
  DhtStats& stats_;
  OpenTableEvents& events_;
  Gate gate_;
  net::Address speaker_;  // whose packet OpenDHT is looking at
  std::optional<Inquiry> inquiry_;
  std::vector<std::function<void()>> calls_;
  std::vector<net::Address> ways_in_;  // the newest last
  std::map<uint64_t, Listener> listeners_;
  uint64_t last_token_ = 0;
  bool closed_ = false, dirty_ = false;
  dht::time_point next_ = dht::time_point::max();
  net::BoundTimer<Opened, &Opened::on_wake> wake_{*this};
  std::unique_ptr<dht::Dht> node_;  // uses the socket and, while it goes, calls_
};

std::string Opened::open(const std::string& node_id) {
  dht::Config config;
  if (!node_id.empty()) config.node_id = dht::InfoHash(reinterpret_cast<const uint8_t*>(node_id.data()), node_id.size());
  config.network = options_.network;
  config.public_stable = true;                                // listens are refreshed each 5 minutes instead of 30 seconds
  config.max_req_per_sec = config.max_peer_req_per_sec = -1;  // many nodes share an address behind NAT
  config.max_store_size = ssize_t(options_.store_limit);
  try {
    node_ = std::make_unique<dht::Dht>(std::make_unique<SocketEnd>(socket_), config, std::shared_ptr<dht::Logger>{});
  } catch (const std::exception& error) {
    return error.what();
  }
  register_type(kRecordType, "outrider.endpoint", options_.lease);
  register_type(kListingType, "outrider.listing", kListingLease);
  inquiry_.emplace(loop_, static_cast<InquirySocket&>(*this), id(), options_.network);
  return {};
}

// OpenDHT's end calls back for all that is unfinished: nobody listens any more.
void Opened::close() {
  closed_ = true;
  node_.reset();
  calls_.clear();
  unlink();
}

void Opened::put(const std::string& key, const std::string& value, uint16_t type, const std::string& part,
                 std::function<void(bool)> done) {
  auto what = std::make_shared<dht::Value>(type, dht::Blob(value.begin(), value.end()), value_id(value));
  what->user_type = part;
  const dht::DoneCallback answered = [this, done = std::move(done)](bool ok, const auto&) { later([done, ok] { done(ok); }); };
  node_->put(dht::InfoHash::get(key), std::move(what), answered, dht::time_point::max(), true);
  stir();
}

void Opened::drop(const std::string& key, const std::string& value) {
  node_->cancelPut(dht::InfoHash::get(key), value_id(value));
  stir();
}

uint64_t Opened::listen(const std::string& key, std::function<void(const Values&, bool)> told) {
  const uint64_t token = ++last_token_;
  auto& listener = listeners_[token];
  listener.told = std::move(told);
  const dht::ValueCallback callback = [this, token](const std::vector<std::shared_ptr<dht::Value>>& values, bool expired) {
    later([this, token, ours = ours_of(values), expired, who = speaker_] {
      const auto it = listeners_.find(token);
      if (it == listeners_.end() || ours.empty()) return;
      const auto told = it->second.told;  // it may cancel itself
      judge(who, [&] { told(ours, expired); });
    });
    return true;
  };
  listener.theirs = node_->listen(dht::InfoHash::get(key), callback);
  stir();
  return token;
}

void Opened::unlisten(const std::string& key, uint64_t token) {
  const auto it = listeners_.find(token);
  if (it == listeners_.end()) return;
  node_->cancelListen(dht::InfoHash::get(key), it->second.theirs);
  listeners_.erase(it);
  stir();
}

// The nodes nearest to the key may hide what lies there, or bury it: then others are asked, and a few in any case.
void Opened::get(const std::string& key, std::function<void(const Values&)> found, std::function<void(bool)> done) {
  const auto any = std::make_shared<bool>(false);
  const auto refused = verifier_.refused();
  get(
      key, {},
      [found, any](const Values& values) {
        *any |= !values.empty();
        found(values);
      },
      [this, key, found, done, any, refused](bool ok) {
        if (*any && verifier_.refused() == refused) return done(ok);
        inquire(key, Inquiry::kWays, Inquiry::kSteps, found, [this, done, ok, any](bool more) {
          if (more && !*any) stats_.withheld.fetch_add(1, std::memory_order_relaxed);
          done(ok);
        });
      });
  inquire(key, kAskedAlong, kAskedAlong, found, [](bool) {});
}

void Opened::get(const std::string& key, dht::Where which, std::function<void(const Values&)> found,
                 std::function<void(bool)> done) {
  const dht::GetCallback some = [this, found](const std::vector<std::shared_ptr<dht::Value>>& values) {
    later([this, found, ours = ours_of(values), who = speaker_] {
      if (!ours.empty()) judge(who, [&] { found(ours); });
    });
    return true;
  };
  const dht::DoneCallback end = [this, done](bool ok, const auto&) { later([done, ok] { done(ok); }); };
  node_->get(dht::InfoHash::get(key), some, end, {}, std::move(which));
  stir();
}

void Opened::inquire(const std::string& key, size_t ways, size_t steps, std::function<void(const Values&)> found,
                     std::function<void(bool)> done) {
  const auto any = std::make_shared<bool>(false);
  inquiry_->ask(
      bytes_of(dht::InfoHash::get(key)), beginnings(ways), steps,
      [this, found, any](const Values& values, const net::Address& who) {
        *any = true;
        judge(who, [&] { found(values); });
      },
      [done, any] { done(*any); });
}

void Opened::touch(const dht::InfoHash& id) {
  node_->query(id, dht::QueryCallback([](const auto&) { return true; }), dht::DoneCallback{},
               dht::Query(dht::Select().field(dht::Value::Field::Id)));
  stir();
}

void Opened::ping(const net::Address& address, std::function<void(bool)> done) {
  node_->pingNode(to_dht(address), [this, done = std::move(done)](bool ok) { later([done, ok] { done(ok); }); });
  stir();
}

// OpenDHT keeps eight nodes to a region of ids: whoever fills one keeps others out of it, but not a way in.
void Opened::note_way_in(const net::Address& node, bool answers) {
  std::erase(ways_in_, node);
  if (answers) ways_in_.push_back(node);
  if (ways_in_.size() > kWaysIn) ways_in_.erase(ways_in_.begin());
}

// Half of them ways in: nobody chose those but this side's configuration and memory.
std::vector<net::Address> Opened::beginnings(size_t most) {
  auto peers = some_peers(SIZE_MAX);
  size_t in = 0;
  for (size_t i = 0; i < peers.size() && in < (most + 1) / 2; ++i)
    if (contains(ways_in_, peers[i]) && !socket_.suspect(peers[i])) std::swap(peers[in++], peers[i]);
  if (peers.size() > most) peers.resize(most);
  return peers;
}

// Any of them, but who has lied of late only where there is nobody else: among many liars the honest one is asked at once.
std::vector<net::Address> Opened::some_peers(size_t most) {
  std::vector<net::Address> peers;
  for (const auto& one : node_->exportNodes()) peers.emplace_back(reinterpret_cast<const sockaddr*>(&one.ss), one.sslen);
  for (const auto& one : ways_in_)
    if (!contains(peers, one)) peers.push_back(one);
  for (size_t i = 0; i + 1 < peers.size(); ++i) std::swap(peers[i], peers[i + loop_.random().below(uint32_t(peers.size() - i))]);
  std::stable_partition(peers.begin(), peers.end(), [&](const net::Address& peer) { return !socket_.suspect(peer); });
  if (peers.size() > most) peers.resize(most);
  return peers;
}

void Opened::take(std::string_view packet, const net::Address& from, std::string_view node_id) {
  if (!node_) return;
  const auto admitted = gate_.admit(packet, from, loop_.now(), node_id);
  if (admitted.verdict != RecordVerdict::Ok) {
    stats_.reject(admitted.verdict);
    socket_.blame(from);
    if (admitted.verdict == RecordVerdict::WrongIdentity) events_.on_wrong_id(from);
    return;
  }
  if (admitted.bytes.empty()) return;
  if (inquiry_->take(admitted.bytes, from)) return loop_.at_end_of_turn(*this);
  speaker_ = from;
  enter(reinterpret_cast<const uint8_t*>(admitted.bytes.data()), admitted.bytes.size(), to_dht(from));
  speaker_ = {};
  loop_.at_end_of_turn(*this);
}

// It is asked for: sending to it fails now, which is how OpenDHT learns that it has gone.
void Opened::left(const std::string& node_id) {
  if (!node_) return;
  touch(region_of(dht::InfoHash(reinterpret_cast<const uint8_t*>(node_id.data()), node_id.size())));
  enter(nullptr, 0, {});
}

// Where the ids begin that share as many bits as sets a handful of nodes apart. OpenDHT keeps each search for an hour, and
// in it a place for every node it meets: one for each node that leaves would be too many.
dht::InfoHash Opened::region_of(const dht::InfoHash& id) {
  const unsigned depth = std::max(node_->getNodesStats(AF_INET).table_depth, node_->getNodesStats(AF_INET6).table_depth);
  dht::InfoHash region;
  for (unsigned bit = 0; bit < std::min(depth + 1, kDeepest); ++bit) region.setBit(bit, id.getBit(bit));
  return region;
}

void Opened::count() {
  const auto v4 = node_->getNodesStats(AF_INET), v6 = node_->getNodesStats(AF_INET6);
  stats_.peers.store(v4.good_nodes + v6.good_nodes, std::memory_order_relaxed);
  stats_.searches.store(v4.searches + v6.searches, std::memory_order_relaxed);
  const auto [bytes, values] = node_->getStoreSize();
  stats_.stored_bytes.store(bytes, std::memory_order_relaxed);
  stats_.stored_values.store(values, std::memory_order_relaxed);
}

// Whose packet has brought these values answers for them.
template <class Hear>
void Opened::judge(const net::Address& who, Hear hear) {
  const uint64_t before = verifier_.lies();
  verifier_.from(who.valid() && socket_.suspect(who));
  hear();
  if (who.valid())
    for (uint64_t lies = before; lies < verifier_.lies(); ++lies) socket_.blame(who);
}

void Opened::register_type(uint16_t type, const char* name, milliseconds lease) {
  node_->registerType(dht::ValueType(
      type, name, lease,
      [this](dht::InfoHash key, std::shared_ptr<dht::Value>& value, const dht::InfoHash&, const dht::SockAddr& from) {
        verifier_.from(socket_.suspect(from_dht(from)));
        if (may_store(key, *value)) return true;
        socket_.blame(from_dht(from));
        return false;
      },
      // An id is the digest of its value: whoever edits one lies.
      [](dht::InfoHash, const std::shared_ptr<dht::Value>&, std::shared_ptr<dht::Value>&, const dht::InfoHash&,
         const dht::SockAddr&) { return false; }));
}

// What a storing node keeps for others: only what it would believe itself.
bool Opened::may_store(const dht::InfoHash& key, const dht::Value& value) {
  const auto record = verifier_.keep(text_of(value), net::Loop::wall());
  if (!record) return false;
  const std::string belongs =
      value.type == kListingType ? listing_key(record->trust_domain, record->service) : record->key_name();
  if (dht::InfoHash::get(belongs) == key) return true;
  stats_.reject(RecordVerdict::Replayed);
  return false;
}

void Opened::later(std::function<void()> call) {
  if (closed_) return;
  if (calls_.size() < kMostCalls) calls_.push_back(std::move(call));
  stir();
}

void Opened::enter(const uint8_t* bytes, size_t size, dht::SockAddr from) {
  const auto before = dht::clock::now();
  try {
    next_ = node_->periodic(bytes, size, std::move(from), before);
  } catch (const std::exception& error) {
    log::error("the DHT failed", {{"why", error.what()}});
    next_ = before + std::chrono::seconds(1);
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(dht::clock::now() - before).count();
  stats_.busy_us.fetch_add(uint64_t(took), std::memory_order_relaxed);
  if (uint32_t(took) > stats_.busiest_us.load(std::memory_order_relaxed))
    stats_.busiest_us.store(uint32_t(took), std::memory_order_relaxed);
}

void Opened::on_end_of_turn() {
  if (!node_) return;
  if (std::exchange(dirty_, false)) enter(nullptr, 0, {});
  auto now = std::exchange(calls_, {});
  for (auto& call : now) call();  // what they ask for is sent in another round of this turn
  if (dirty_) return;
  node_->updateStatus(AF_INET);
  node_->updateStatus(AF_INET6);
  if (next_ == dht::time_point::max()) wake_.cancel();
  else loop_.arm(wake_, std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next_ - dht::clock::now())));
  events_.on_settled();
}

}  // namespace

std::unique_ptr<OpenTable> OpenTable::make(net::Loop& loop, SealedSocket& socket, const DhtOptions& options, Verifier& verifier,
                                           DhtStats& stats, OpenTableEvents& events) {
  return std::make_unique<Opened>(loop, socket, options, verifier, stats, events);
}

}  // namespace outrider::discovery
