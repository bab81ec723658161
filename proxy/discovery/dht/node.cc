#include "discovery/dht/node.h"

#include <pthread.h>
#include <uv.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "discovery/dht/bootstrap.h"
#include "discovery/dht/introductions.h"
#include "discovery/dht/listings.h"
#include "discovery/dht/open_table.h"
#include "discovery/dht/sealed_socket.h"
#include "discovery/dht/snapshot.h"

namespace outrider::discovery {

namespace {

constexpr milliseconds kChores{1000};
constexpr milliseconds kNodesSaved = std::chrono::minutes(5);
constexpr milliseconds kFirstLook{1000};               // around, after somebody has answered; doubling up to DhtOptions::seeds
constexpr milliseconds kTidy{1000}, kTidyJitter{100};  // between two rounds of touching all keys, while nodes leave

}  // namespace

struct Node::Impl final : SocketEvents, IntroductionsEvents, OpenTableEvents, AnnouncerEvents, ListingsEvents, BootstrapEvents {
  Impl(DhtOptions given, DhtStats& stats, NodeEvents& events)
      : options(std::move(given)), stats(stats), events(events), verifier(options, stats),
        socket(loop, options.mesh_keys, stats, *this), introductions(options, verifier, stats, *this),
        table(OpenTable::make(loop, socket, options, verifier, stats, *this)),
        announcer(loop, *table, options, verifier, stats, *this), watches(loop, *table, options, verifier, events),
        listings(loop, *table, options, verifier, stats, *this), bootstrap(loop, *table, options, *this), shelf(options.folder) {}
  ~Impl() { table->close(); }

  // SocketEvents.
  void on_packet(std::string_view bytes, const net::Address& from) override {
    if (!introductions.asks()) return table->take(bytes, from, {});
    if (const std::string* id = introductions.admit(bytes, from, loop.now())) table->take(bytes, from, *id);
  }
  void on_introduction(std::string_view bytes, const net::Address& from) override {
    introductions.take(bytes, from, loop.now(), net::Loop::wall());
  }
  // Nobody names it any more. The keys we care for follow.
  void on_goodbye(const std::string& who, const net::Address& from) override {
    introductions.forget(from);
    table->left(who);
    if (tidy.armed()) return;
    const auto rest = std::chrono::ceil<milliseconds>(tidied + kTidy - loop.now());
    loop.arm(tidy, std::max(rest, milliseconds(0)) + milliseconds(loop.random().below(uint32_t(kTidyJitter.count()))));
  }

  // IntroductionsEvents.
  void on_introduced(std::string_view packet, const net::Address& from, const std::string& id) override {
    table->take(packet, from, id);
  }
  void send_introduction(std::string_view bytes, const net::Address& to) override { socket.send(bytes, to); }
  void on_false_proof(const net::Address& who) override { socket.blame(who); }

  // OpenTableEvents.
  void on_wrong_id(const net::Address& who) override { introductions.doubt(who, loop.now()); }
  void on_settled() override {
    if (!answering) look();
    events.on_turn_over();
    if (finishing && !announcer.leaving()) loop.stop();
  }

  // Who sits near us? OpenDHT asks that only while it has nothing else to look for. Whoever knows its seeds alone is lost
  // with them.
  void on_around() {
    table->look_around();
    around_pace = std::min(around_pace * 2, options.seeds);
    loop.arm(around, around_pace);
  }

  void on_tidy() {
    tidied = loop.now();
    std::set<std::string> keys;
    watches.add_keys(keys);
    announcer.add_keys(keys);
    listings.add_keys(keys);
    for (const auto& key : keys) table->touch(key);
  }

  // Does anybody answer? Seeds and a few peers are pinged for life, so that silence means something.
  void look() {
    table->count();
    const uint32_t peers = stats.peers.load(std::memory_order_relaxed);
    const bool now = peers > 0 && socket.heard() != TimePoint{} && loop.now() - socket.heard() < options.silence;
    if (now == answering) return;
    answering = now;
    if (answering) log::info("the registry's network answers", {{"peers", peers}});
    else log::warn("nobody in the registry's network answers: last-known-good is served", {});
    bootstrap.on_connected(answering);
    events.on_answering(answering);
    watches.on_connected(answering);
    listings.on_connected(answering);
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
    listings.put_again();
  }

  // AnnouncerEvents. A limit that passes brings no packet: what it means must travel all the same.
  void on_version(const std::string& service, bool acknowledged) override {
    events.on_version(service, acknowledged);
    table->stir();
  }
  void on_gone(const std::string& service, bool acknowledged) override {
    events.on_gone(service, acknowledged);
    table->stir();
  }

  void on_written(const std::string& service, const InstanceId& instance, const std::string& record, bool gone) override {
    listings.on_written(service, instance, record, gone);
  }

  // ListingsEvents. Whoever asked need not wait for the next chores.
  void on_listed() override { tell(); }

  void on_chores() {
    look();
    introductions.tick(loop.now());
    stats.longest_turn_ms.store(uint32_t(loop.longest_turn().count()), std::memory_order_relaxed);
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
    if (listings.wanted()) now.listed = listings.listed();
    now.listed_completely = listings.complete();
    if (!answering && introductions.trouble().empty())
      now.detail = bootstrap.any() ? "nobody answers" : "no seeds and no remembered nodes: waiting to be found";
    else if (!introductions.trouble().empty()) now.detail = introductions.trouble();
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
    auto* task = new Save{{}, this, watches.records(), table->some_peers(64), {}};
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
    if (const auto status = socket.bind(options.bind, std::exchange(options.socket, -1)); !status) {
      const int error = status.error().os_error;
      return options.bind.text() + ": " + (error ? uv_strerror(uv_translate_sys_error(error)) : status.error().what);
    }
    bound = socket.local();
    introductions.open(bound);
    if (auto why = table->open(introductions.node_id()); !why.empty()) return why;
    node_id = to_hex(table->id());
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

  void run() {
    pthread_setname_np(pthread_self(), "outrider-dht");
    loop.post([this] {
      bootstrap.start(std::move(remembered));
      loop.arm(chores, kChores);
      table->stir();
    });
    loop.run();
    while (saving) loop.run_turn(true);
    changed |= watches.changed();
    if (!heir) socket.say_goodbye(table->id());
    if (!heir && !shelf.none() && shelf_trouble.empty()) saved_with(shelf.save(watches.records(), table->some_peers(64)));
    table->close();
  }

  void finish() {
    finishing = true;
    if (!heir) announcer.withdraw_all();
    table->stir();
  }

  // Whoever takes our place knows then what we knew.
  int fall_silent() {
    const int shared = socket.fall_silent();
    if (!shelf.none() && shelf_trouble.empty()) saved_with(shelf.save(watches.records(), table->some_peers(64)));
    return shared;
  }

  void speak_again() {
    socket.speak_again();
    announcer.on_identity_changed();  // written anew: newer than what somebody else may have said in our name
    table->stir();
  }

  DhtOptions options;
  DhtStats& stats;
  NodeEvents& events;
  net::Loop loop;
  Verifier verifier;
  SealedSocket socket;
  Introductions introductions;
  const std::unique_ptr<OpenTable> table;
  Announcer announcer;
  Watches watches;
  Listings listings;
  Bootstrap bootstrap;
  Shelf shelf;
  std::vector<net::Address> remembered;
  net::Address bound;
  std::string node_id, shelf_trouble;
  TimePoint saved{}, tidied{};
  bool answering = false, finishing = false, saving = false, changed = false;
  bool heir = false;  // another process has our place: what was announced stays
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

void Node::list() {
  impl_->loop.post([impl = impl_.get()] { impl->listings.want(); });
}

void Node::set_identity(std::shared_ptr<const identity::Identity> identity) {
  impl_->loop.post([impl = impl_.get(), identity = std::move(identity)] {
    const auto before = std::exchange(impl->options.identity, identity);
    const bool signer_changed = !before || before->leaf.der() != identity->leaf.der();
    const bool trust_changed = !before || !(before->trust == identity->trust);
    impl->verifier.set_identity(identity);
    impl->introductions.on_identity_changed(trust_changed, impl->loop.now());
    if (trust_changed) impl->watches.on_trust_changed(), impl->listings.forget();
    if (signer_changed) impl->announcer.on_identity_changed();
    impl->table->stir();
  });
}

int Node::fall_silent() {
  if (!impl_->thread.joinable()) return -1;
  std::promise<int> silent;
  impl_->loop.post([&] { silent.set_value(impl_->fall_silent()); });
  return silent.get_future().get();
}

void Node::speak_again() {
  impl_->loop.post([impl = impl_.get()] { impl->speak_again(); });
}

void Node::leave_silently() {
  impl_->loop.post([impl = impl_.get()] { impl->heir = true; });
}

net::Address Node::local() const { return impl_->bound; }

DhtFacts Node::facts() const {
  std::lock_guard lock(impl_->facts_mutex);
  return impl_->facts;
}

}  // namespace outrider::discovery
