#include "discovery/dht/node.h"

#include <opendht/dht.h>
#include <opendht/network_utils.h>
#include <pthread.h>
#include <uv.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/log.h"
#include "discovery/dht/bootstrap.h"
#include "discovery/dht/gate.h"
#include "discovery/dht/inquiry.h"
#include "discovery/dht/sealed_socket.h"
#include "discovery/dht/snapshot.h"

namespace outrider::discovery {

namespace {

constexpr dht::ValueType::Id kType = 0x4d45;
constexpr milliseconds kChores{1000};
constexpr milliseconds kNodesSaved = std::chrono::minutes(5);
constexpr milliseconds kFirstLook{1000};               // around, after somebody has answered; doubling up to DhtOptions::seeds
constexpr milliseconds kTidy{1000}, kTidyJitter{100};  // between two rounds of touching all keys, while nodes leave
constexpr unsigned kDeepest = 8;                       // bits of a region: enough for some thousand nodes
constexpr size_t kAskedAlong = 2;                      // ways past the nearest nodes, and steps on each, at any reading
constexpr size_t kMostCalls = 100000;                  // answers waiting for their turn; more is a flood

dht::SockAddr to_dht(const net::Address& address) { return {address.raw(), address.length()}; }
net::Address from_dht(const dht::SockAddr& address) { return {address.get(), address.getLength()}; }

std::string text_of(const dht::Value& value) { return {value.data.begin(), value.data.end()}; }

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

}  // namespace

struct Node::Impl final : Table, SocketEvents, AnnouncerEvents, InquirySocket, BootstrapEvents, net::EndOfTurn {
  Impl(DhtOptions given, DhtStats& stats, NodeEvents& events)
      : options(std::move(given)), stats(stats), events(events), verifier(options, stats),
        socket(loop, options.mesh_keys, stats, *this), announcer(loop, *this, options, verifier, stats, *this),
        watches(loop, *this, options, verifier, events), bootstrap(loop, *this, options, *this), shelf(options.folder) {}
  ~Impl() { close(); }

  // OpenDHT's end calls back for all that is unfinished: nobody listens any more.
  void close() {
    closed = true;
    node.reset();
    calls.clear();
    unlink();
  }

  // Table. Callbacks of OpenDHT may come from inside the call: they wait in `calls` until it has returned.
  void put(const std::string& key, const std::string& value, std::function<void(bool)> done) override {
    auto what = std::make_shared<dht::Value>(kType, dht::Blob(value.begin(), value.end()), value_id(value));
    what->user_type = part_of(what->id);
    const dht::DoneCallback answered = [this, done = std::move(done)](bool ok, const auto&) { later([done, ok] { done(ok); }); };
    node->put(dht::InfoHash::get(key), std::move(what), answered, dht::time_point::max(), true);
    stir();
  }

  void drop(const std::string& key, const std::string& value) override {
    node->cancelPut(dht::InfoHash::get(key), value_id(value));
    stir();
  }

  uint64_t listen(const std::string& key, std::function<void(const Values&, bool)> told) override {
    const uint64_t token = ++last_token;
    auto& listener = listeners[token];
    listener.told = std::move(told);
    const dht::ValueCallback callback = [this, token](const std::vector<std::shared_ptr<dht::Value>>& values, bool expired) {
      later([this, token, ours = ours_of(values), expired, who = speaker] {
        const auto it = listeners.find(token);
        if (it == listeners.end() || ours.empty()) return;
        const auto told = it->second.told;  // it may cancel itself
        judge(who, [&] { told(ours, expired); });
      });
      return true;
    };
    listener.theirs = node->listen(dht::InfoHash::get(key), callback);
    stir();
    return token;
  }

  void unlisten(const std::string& key, uint64_t token) override {
    const auto it = listeners.find(token);
    if (it == listeners.end()) return;
    node->cancelListen(dht::InfoHash::get(key), it->second.theirs);
    listeners.erase(it);
    stir();
  }

  // The nodes nearest to the key may hide what lies there, or bury it: then others are asked, and a few in any case.
  void get(const std::string& key, std::function<void(const Values&)> found, std::function<void(bool)> done) override {
    const auto any = std::make_shared<bool>(false);
    const auto refused = verifier.refused();
    get(
        key, {},
        [found, any](const Values& values) {
          *any |= !values.empty();
          found(values);
        },
        [this, key, found, done, any, refused](bool ok) {
          if (*any && verifier.refused() == refused) return done(ok);
          inquire(key, Inquiry::kWays, Inquiry::kSteps, found, [this, done, ok, any](bool more) {
            if (more && !*any) stats.withheld.fetch_add(1, std::memory_order_relaxed);
            done(ok);
          });
        });
    inquire(key, kAskedAlong, kAskedAlong, found, [](bool) {});
  }

  void sample(const std::string& key, std::function<void(const Values&)> found, std::function<void(bool)> done) override {
    get(key, std::move(dht::Where().userType(part_of(loop.random().below(kParts)))), std::move(found), std::move(done));
  }

  void get(const std::string& key, dht::Where which, std::function<void(const Values&)> found, std::function<void(bool)> done) {
    const dht::GetCallback some = [this, found](const std::vector<std::shared_ptr<dht::Value>>& values) {
      later([this, found, ours = ours_of(values), who = speaker] {
        if (!ours.empty()) judge(who, [&] { found(ours); });
      });
      return true;
    };
    const dht::DoneCallback end = [this, done](bool ok, const auto&) { later([done, ok] { done(ok); }); };
    node->get(dht::InfoHash::get(key), some, end, {}, std::move(which));
    stir();
  }

  void inquire(const std::string& key, size_t ways, size_t steps, std::function<void(const Values&)> found,
               std::function<void(bool)> done) {
    const auto hash = dht::InfoHash::get(key);
    const auto any = std::make_shared<bool>(false);
    inquiry->ask(
        {reinterpret_cast<const char*>(hash.data()), hash.size()}, some_peers(ways), steps,
        [this, found, any](const Values& values, const net::Address& who) {
          *any = true;
          judge(who, [&] { found(values); });
        },
        [done, any] { done(*any); });
  }

  void send_question(const std::string& packet, const net::Address& to) override { socket.send(packet, to); }

  void touch(const std::string& key) override { touch(dht::InfoHash::get(key)); }
  void touch(const dht::InfoHash& id) {
    node->query(id, dht::QueryCallback([](const auto&) { return true; }), dht::DoneCallback{},
                dht::Query(dht::Select().field(dht::Value::Field::Id)));
    stir();
  }

  void ping(const net::Address& address, std::function<void(bool)> done) override {
    node->pingNode(to_dht(address), [this, done = std::move(done)](bool ok) { later([done, ok] { done(ok); }); });
    stir();
  }

  std::vector<net::Address> some_peers(size_t most) override {
    std::vector<net::Address> peers;
    for (const auto& one : node->exportNodes()) peers.emplace_back(reinterpret_cast<const sockaddr*>(&one.ss), one.sslen);
    for (size_t i = 0; i + 1 < peers.size() && i < most; ++i)
      std::swap(peers[i], peers[i + loop.random().below(uint32_t(peers.size() - i))]);
    if (peers.size() > most) peers.resize(most);
    return peers;
  }

  static Values ours_of(const std::vector<std::shared_ptr<dht::Value>>& values) {
    Values ours;
    for (const auto& value : values)
      if (value) ours.push_back(text_of(*value));
    return ours;
  }

  // Whose packet has brought these values answers for them.
  template <class Hear>
  void judge(const net::Address& who, Hear hear) {
    const uint64_t before = verifier.lies();
    verifier.from(who.valid() && socket.suspect(who));
    hear();
    if (who.valid())
      for (uint64_t lies = before; lies < verifier.lies(); ++lies) socket.blame(who);
  }

  void later(std::function<void()> call) {
    if (closed) return;
    if (calls.size() < kMostCalls) calls.push_back(std::move(call));
    stir();
  }

  void stir() {
    dirty = true;
    loop.at_end_of_turn(*this);
  }

  void on_packet(std::string_view bytes, const net::Address& from) override {
    if (!node) return;
    const auto admitted = gate.admit(bytes, from, loop.now());
    if (admitted.verdict != RecordVerdict::Ok) {
      stats.reject(admitted.verdict);
      return socket.blame(from);
    }
    if (admitted.bytes.empty()) return;
    if (inquiry->take(admitted.bytes, from)) return loop.at_end_of_turn(*this);
    speaker = from;
    enter(reinterpret_cast<const uint8_t*>(admitted.bytes.data()), admitted.bytes.size(), to_dht(from));
    speaker = {};
    loop.at_end_of_turn(*this);
  }

  // It is asked for: sending to it fails now, and so it is named to nobody any more. The keys we care for follow.
  void on_goodbye(const std::string& node_id) override {
    if (!node) return;
    touch(region_of(dht::InfoHash(reinterpret_cast<const uint8_t*>(node_id.data()), node_id.size())));
    enter(nullptr, 0, {});
    if (tidy.armed()) return;
    const auto rest = std::chrono::ceil<milliseconds>(tidied + kTidy - loop.now());
    loop.arm(tidy, std::max(rest, milliseconds(0)) + milliseconds(loop.random().below(uint32_t(kTidyJitter.count()))));
  }

  // Where the ids begin that share as many bits as sets a handful of nodes apart. OpenDHT keeps each search for an hour, and
  // in it a place for every node it meets: one for each node that leaves would be too many.
  dht::InfoHash region_of(const dht::InfoHash& id) {
    const unsigned depth = std::max(node->getNodesStats(AF_INET).table_depth, node->getNodesStats(AF_INET6).table_depth);
    dht::InfoHash region;
    for (unsigned bit = 0; bit < std::min(depth + 1, kDeepest); ++bit) region.setBit(bit, id.getBit(bit));
    return region;
  }

  // Who sits near us? OpenDHT asks that only while it has nothing else to look for. Whoever knows its seeds alone is lost
  // with them.
  void on_around() {
    touch(node->getNodeId());
    around_pace = std::min(around_pace * 2, options.seeds);
    loop.arm(around, around_pace);
  }

  void on_tidy() {
    tidied = loop.now();
    std::set<std::string> keys;
    watches.add_keys(keys);
    announcer.add_keys(keys);
    for (const auto& key : keys) touch(key);
  }

  void enter(const uint8_t* bytes, size_t size, dht::SockAddr from) {
    const auto before = dht::clock::now();
    try {
      next = node->periodic(bytes, size, std::move(from), before);
    } catch (const std::exception& error) {
      log::error("the DHT failed", {{"why", error.what()}});
      next = before + std::chrono::seconds(1);
    }
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(dht::clock::now() - before).count();
    stats.busy_us.fetch_add(uint64_t(took), std::memory_order_relaxed);
    if (uint32_t(took) > stats.busiest_us.load(std::memory_order_relaxed))
      stats.busiest_us.store(uint32_t(took), std::memory_order_relaxed);
  }

  void on_end_of_turn() override {
    if (!node) return;
    if (std::exchange(dirty, false)) enter(nullptr, 0, {});
    auto now = std::exchange(calls, {});
    for (auto& call : now) call();  // what they ask for is sent in another round of this turn
    if (!dirty) {
      node->updateStatus(AF_INET);
      node->updateStatus(AF_INET6);
      if (!answering) look();
      if (next == dht::time_point::max()) wake.cancel();
      else loop.arm(wake, std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next - dht::clock::now())));
      events.on_turn_over();
    }
    if (finishing && !announcer.leaving() && !dirty) loop.stop();
  }

  // Does anybody answer? Seeds and a few peers are pinged for life, so that silence means something.
  void look() {
    const uint32_t peers = node->getNodesStats(AF_INET).good_nodes + node->getNodesStats(AF_INET6).good_nodes;
    stats.peers.store(peers, std::memory_order_relaxed);
    const bool now = peers > 0 && socket.heard() != TimePoint{} && loop.now() - socket.heard() < options.silence;
    if (now == answering) return;
    answering = now;
    if (answering) log::info("the registry's network answers", {{"peers", peers}});
    else log::warn("nobody in the registry's network answers: last-known-good is served", {});
    bootstrap.on_connected(answering);
    events.on_answering(answering);
    watches.on_connected(answering);
    if (!answering) return around.cancel();
    announcer.on_connected();
    around_pace = kFirstLook;
    loop.arm(around, around_pace);
  }

  // BootstrapEvents. What was a part is whole again: others have become the nearest to our keys, and to us.
  void on_found_again() override {
    loop.arm(tidy, milliseconds(loop.random().below(uint32_t(kTidyJitter.count()))));
    around_pace = kFirstLook;
    loop.arm(around, milliseconds(0));
    announcer.put_again();
  }

  // AnnouncerEvents. A limit that passes brings no packet: what it means must travel all the same.
  void on_version(const std::string& service, bool acknowledged) override {
    events.on_version(service, acknowledged);
    loop.at_end_of_turn(*this);
  }
  void on_gone(const std::string& service, bool acknowledged) override {
    events.on_gone(service, acknowledged);
    loop.at_end_of_turn(*this);
  }

  void on_wake() { stir(); }

  void on_chores() {
    stats.searches.store(node->getNodesStats(AF_INET).searches + node->getNodesStats(AF_INET6).searches,
                         std::memory_order_relaxed);
    look();
    stats.longest_turn_ms.store(uint32_t(loop.longest_turn().count()), std::memory_order_relaxed);
    const auto [bytes, values] = node->getStoreSize();
    stats.stored_bytes.store(bytes, std::memory_order_relaxed);
    stats.stored_values.store(values, std::memory_order_relaxed);
    tell();
    if (!shelf.none() && !saving && loop.now() >= saved + options.save) {
      changed |= watches.changed();
      if (changed || loop.now() >= saved + kNodesSaved) save();
    }
    loop.arm(chores, kChores);
  }

  void tell() {
    DhtFacts now;
    now.answering = answering;
    now.sealed = socket.sealed();
    now.signs = options.identity && options.sign != Sign::Off;
    now.needs_signatures = options.needs_signatures();
    now.node_id = node_id;
    now.address = bound.text();
    now.peers = stats.peers.load(std::memory_order_relaxed);
    now.seeds = bootstrap.facts();
    now.announced = announcer.facts();
    if (!answering) now.detail = bootstrap.any() ? "nobody answers" : "no seeds and no remembered nodes: waiting to be found";
    else if (!shelf_trouble.empty()) now.detail = "nothing is remembered on disk: " + shelf_trouble;
    std::lock_guard lock(facts_mutex);
    facts = std::move(now);
  }

  // The disk is for another thread: it may block.
  struct Save {
    uv_work_t work;
    Impl* impl;
    Values records;
    std::vector<net::Address> nodes;
    std::string why;
  };

  void save() {
    saved = loop.now();
    saving = true;
    changed = false;
    auto* task = new Save{{}, this, watches.records(), some_peers(64), {}};
    task->work.data = task;
    uv_queue_work(
        loop.raw(), &task->work,
        [](uv_work_t* work) {
          auto* task = static_cast<Save*>(work->data);
          task->why = task->impl->shelf.save(task->records, task->nodes);
        },
        [](uv_work_t* work, int) {
          const std::unique_ptr<Save> task(static_cast<Save*>(work->data));
          task->impl->saving = false;
          task->impl->saved_with(task->why);
        });
  }

  void saved_with(const std::string& why) {
    if (!why.empty() && why != shelf_trouble) log::warn("the registry's snapshot cannot be written", {{"why", why}});
    shelf_trouble = why;
  }

  std::string start() {
    if (const auto status = socket.bind(options.bind); !status) {
      const int error = status.error().os_error;
      return options.bind.text() + ": " + (error ? uv_strerror(uv_translate_sys_error(error)) : status.error().what);
    }
    bound = socket.local();
    dht::Config config;
    config.network = options.network;
    config.public_stable = true;                                // listens are refreshed each 5 minutes instead of 30 seconds
    config.max_req_per_sec = config.max_peer_req_per_sec = -1;  // many nodes share an address behind NAT
    config.max_store_size = ssize_t(options.store_limit);
    try {
      node = std::make_unique<dht::Dht>(std::make_unique<SocketEnd>(socket), config, std::shared_ptr<dht::Logger>{});
    } catch (const std::exception& error) {
      return error.what();
    }
    node->registerType(dht::ValueType(
        kType, "outrider.endpoint", options.lease,
        [this](dht::InfoHash key, std::shared_ptr<dht::Value>& value, const dht::InfoHash&, const dht::SockAddr& from) {
          verifier.from(socket.suspect(from_dht(from)));
          if (may_store(key, *value)) return true;
          socket.blame(from_dht(from));
          return false;
        },
        // An id is the digest of its value: whoever edits one lies.
        [](dht::InfoHash, const std::shared_ptr<dht::Value>&, std::shared_ptr<dht::Value>&, const dht::InfoHash&,
           const dht::SockAddr&) { return false; }));
    node_id = node->getNodeId().toString();
    inquiry.emplace(loop, *this, std::string(reinterpret_cast<const char*>(node->getNodeId().data()), node->getNodeId().size()),
                    options.network);
    open_shelf();
    tell();
    thread = std::thread([this] { run(); });
    return {};
  }

  void open_shelf() {
    saved_with(shelf.open());
    if (!shelf_trouble.empty()) return;
    std::string why;
    watches.load(shelf.records(why));
    if (!why.empty()) log::warn("the registry's snapshot is not used", {{"why", why}});
    remembered = shelf.nodes();
  }

  // What a storing node keeps for others: only what it would believe itself.
  bool may_store(const dht::InfoHash& key, const dht::Value& value) {
    const auto record = verifier.keep(text_of(value), net::Loop::wall());
    if (!record) return false;
    if (dht::InfoHash::get(record->key_name()) == key) return true;
    stats.reject(RecordVerdict::Replayed);
    return false;
  }

  void run() {
    pthread_setname_np(pthread_self(), "outrider-dht");
    loop.post([this] {
      bootstrap.start(std::move(remembered));
      loop.arm(chores, kChores);
      stir();
    });
    loop.run();
    while (saving) loop.run_turn(true);
    changed |= watches.changed();
    socket.say_goodbye({reinterpret_cast<const char*>(node->getNodeId().data()), node->getNodeId().size()});
    if (!shelf.none() && shelf_trouble.empty()) saved_with(shelf.save(watches.records(), some_peers(64)));
    close();
  }

  void finish() {
    finishing = true;
    announcer.withdraw_all();
    stir();
  }

  struct Listener {
    std::function<void(const Values&, bool)> told;
    size_t theirs = 0;
  };
  DhtOptions options;
  DhtStats& stats;
  NodeEvents& events;
  net::Loop loop;
  Verifier verifier;
  SealedSocket socket;
  Gate gate{kType};
  net::Address speaker;  // whose packet OpenDHT is looking at
  std::optional<Inquiry> inquiry;
  std::vector<std::function<void()>> calls;
  std::map<uint64_t, Listener> listeners;
  uint64_t last_token = 0;
  std::unique_ptr<dht::Dht> node;  // uses the socket and, while it goes, `calls`
  Announcer announcer;
  Watches watches;
  Bootstrap bootstrap;
  Shelf shelf;
  std::vector<net::Address> remembered;
  net::Address bound;
  std::string node_id, shelf_trouble;
  dht::time_point next = dht::time_point::max();
  TimePoint saved{}, tidied{};
  bool closed = false, dirty = false, answering = false, finishing = false, saving = false, changed = false;
  net::BoundTimer<Impl, &Impl::on_wake> wake{*this};
  net::BoundTimer<Impl, &Impl::on_chores> chores{*this};
  net::BoundTimer<Impl, &Impl::on_tidy> tidy{*this};
  net::BoundTimer<Impl, &Impl::on_around> around{*this};
  milliseconds around_pace{0};
  mutable std::mutex facts_mutex;  // guards facts
  DhtFacts facts;
  std::thread thread;
};

Node::Node(DhtOptions options, DhtStats& stats, NodeEvents& events)
    : impl_(std::make_unique<Impl>(std::move(options), stats, events)) {}

Node::~Node() { stop(); }

std::string Node::start() { return impl_->start(); }

void Node::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->loop.post([impl = impl_.get()] { impl->finish(); });
  impl_->thread.join();
}

void Node::watch(const std::string& service) {
  impl_->loop.post([impl = impl_.get(), service] { impl->watches.watch(service); });
}

void Node::unwatch(const std::string& service) {
  impl_->loop.post([impl = impl_.get(), service] { impl->watches.unwatch(service); });
}

void Node::announce(const std::string& service, const Instance& facts) {
  impl_->loop.post([impl = impl_.get(), service, facts] { impl->announcer.announce(service, facts); });
}

void Node::withdraw(const std::string& service) {
  impl_->loop.post([impl = impl_.get(), service] { impl->announcer.withdraw(service); });
}

void Node::set_identity(std::shared_ptr<const identity::Identity> identity) {
  impl_->loop.post([impl = impl_.get(), identity = std::move(identity)] {
    const auto before = std::exchange(impl->options.identity, identity);
    const bool signer_changed = !before || before->leaf.der() != identity->leaf.der();
    const bool trust_changed = !before || !(before->trust == identity->trust);
    impl->verifier.set_identity(identity);
    if (trust_changed) impl->watches.on_trust_changed();
    if (signer_changed) impl->announcer.on_identity_changed();
    impl->stir();
  });
}

net::Address Node::local() const { return impl_->bound; }

DhtFacts Node::facts() const {
  std::lock_guard lock(impl_->facts_mutex);
  return impl_->facts;
}

}  // namespace outrider::discovery
