// Nodes of the registry, many in one process, told by lines on stdin what to do: registry.py measures with it.
//
//   announce SERVICE COUNT RATE FIRST   so many instances a second, round the nodes, at 10.x.x.x addresses from FIRST on
//   watch SERVICE                       every node does
//   state                               what they know, in one line
//   lookups COUNT RATE SECONDS          of service-0 .. service-COUNT, each by some node as if somebody called it
//
// Each answer is a line of JSON; that of `lookups` comes when they are over.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "base/log.h"
#include "discovery/dht/dht_registry.h"

namespace outrider::discovery {
namespace {

struct Asked {  // on the command line
  size_t nodes = 1;
  uint16_t port = 0;  // of the first node
  std::string bind = "127.0.0.1", mesh_key;
  std::vector<std::string> bootstrap, identities;
  milliseconds lease = std::chrono::seconds(60);
};

std::string service_name(size_t n) { return "default/service-" + std::to_string(n); }

struct Member final : DhtEvents, Watcher {
  Member(net::Loop& control, DhtOptions options) : registry(control, std::move(options), *this) {}
  void on_published(const std::string&, bool acknowledged) override { ++(acknowledged ? published : unpublished); }
  void on_instances(const std::string& service, Known, std::vector<std::shared_ptr<const Instance>> all) override {
    sizes[service] = all.size();
  }
  DhtRegistry registry;
  std::map<std::string, size_t> sizes;
  std::set<std::string> asked;  // services it has looked up before
  size_t published = 0, unpublished = 0;
};

// One look-up, as a sidecar makes it for a first request: what it is told first is what the request gets.
struct Lookup final : Watcher, net::Timer {
  Lookup(net::Loop& loop, Member& member, std::string service, std::function<void(Lookup&)> done)
      : loop(loop), member(member), service(std::move(service)), fresh(member.asked.insert(this->service).second),
        done(std::move(done)), since(loop.now()) {}
  void start() {
    loop.arm(*this, std::chrono::seconds(10));
    member.registry.watch(service, *this);
  }
  void on_instances(const std::string&, Known what, std::vector<std::shared_ptr<const Instance>> all) override {
    if (known != Known::NotYet) return;
    known = what;
    found = all.size();
    took = std::chrono::duration_cast<milliseconds>(loop.now() - since);
    loop.arm(*this, milliseconds(0));
  }
  void on_timer() override {
    member.registry.unwatch(service, *this);
    done(*this);
  }
  net::Loop& loop;
  Member& member;
  const std::string service;
  const bool fresh;
  std::function<void(Lookup&)> done;
  const TimePoint since;
  Known known = Known::NotYet;
  size_t found = 0;
  milliseconds took{};
};

class Nodes {
 public:
  explicit Nodes(const Asked& asked) {
    DhtOptions options;
    options.lease = asked.lease;
    options.bootstrap = asked.bootstrap;
    if (!asked.mesh_key.empty()) {
      auto keys = identity::load_mesh_keys(asked.mesh_key);
      if (!keys) fail(keys.why());
      options.mesh_keys = *keys;
    }
    for (size_t i = 0; i < asked.nodes; ++i) {
      options.bind = *net::Address::parse(asked.bind + ':' + std::to_string(i == 0 ? asked.port : 0));
      // All of one identity, of which but eight nodes fit on one address where that is not loopback.
      if (!options.bind.is_loopback()) options.node_ids = NodeIds::Free;
      if (!asked.identities.empty()) {
        auto identity = identity::Identity::load(asked.identities[i % asked.identities.size()]);
        if (!identity) fail(identity.why());
        options.identity = std::make_shared<const identity::Identity>(std::move(*identity));
      }
      members_.push_back(std::make_unique<Member>(loop, options));
      if (const auto why = members_.back()->registry.start(); !why.empty()) fail(why);
      if (options.bootstrap.empty()) options.bootstrap = {members_[0]->registry.local().text()};
    }
    std::printf("{\"address\": \"%s\"}\n", members_[0]->registry.local().text().c_str());
  }

  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb, service;
    words >> verb;
    if (verb == "announce") {
      Batch batch;
      words >> batch.service >> batch.left >> batch.rate >> batch.next;
      batches_.push_back(batch);
      loop.arm(tick_, milliseconds(0));
    } else if (verb == "watch") {
      words >> service;
      for (auto& member : members_) member->registry.watch(service, *member);
    } else if (verb == "state") {
      state();
    } else if (verb == "lookups") {
      double seconds = 0;
      words >> services_ >> lookup_rate_ >> seconds;
      lookups_left_ = size_t(lookup_rate_ * seconds);
      last_lookup_ = loop.now();
      loop.arm(tick_, milliseconds(0));
    } else {
      fail("no such command: " + line);
    }
  }

  net::Loop loop;

 private:
  static constexpr milliseconds kTick{20};
  struct Batch {
    std::string service;
    size_t left = 0, next = 0;
    double rate = 1, due = 0;
  };

  [[noreturn]] static void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::_Exit(2);
  }

  void on_tick() {
    const double passed = std::chrono::duration<double>(kTick).count();
    for (auto& batch : batches_)
      for (batch.due += batch.rate * passed; batch.due >= 1 && batch.left > 0; --batch.due, --batch.left) announce(batch);
    std::erase_if(batches_, [](const Batch& batch) { return batch.left == 0; });
    for (lookups_due_ += lookup_rate_ * passed; lookups_due_ >= 1 && lookups_left_ > 0; --lookups_due_, --lookups_left_)
      look_up();
    if (!batches_.empty() || lookups_left_ > 0) loop.arm(tick_, kTick);
  }

  void announce(Batch& batch) {
    const size_t n = batch.next++;
    Instance self;
    self.address =
        "10." + std::to_string(n >> 16 & 255) + '.' + std::to_string(n >> 8 & 255) + '.' + std::to_string(n & 255) + ":80";
    self.protocol = "http1";
    const InstanceId id = new_instance_id();
    for (const uint8_t byte : id) {
      self.instance += "0123456789abcdef"[byte >> 4];
      self.instance += "0123456789abcdef"[byte & 15];
    }
    members_[n % members_.size()]->registry.announce(batch.service, self);
  }

  void look_up() {
    Member& member = *members_[loop.random().below(uint32_t(members_.size()))];
    const std::string service = service_name(loop.random().below(uint32_t(services_)));
    if (member.sizes.contains(service)) return look_up();  // it watches that one anyway
    auto* lookup = new Lookup(loop, member, service, [this](Lookup& over) { looked_up(over); });
    ++under_way_;
    lookup->start();
  }

  void looked_up(Lookup& over) {
    ++results_[over.found == 0            ? over.known == Known::NotYet ? "silent" : "empty"
               : over.known == Known::Yes ? "fresh"
                                          : "remembered"];
    if (over.fresh) ++results_["first"];
    if (over.found == 0) std::fprintf(stderr, "nothing for %s: %s\n", over.service.c_str(), name_of(over.known));
    took_.push_back(over.took.count());
    delete &over;
    if (--under_way_ > 0 || lookups_left_ > 0) return;
    std::sort(took_.begin(), took_.end());
    std::printf("{\"lookups\": %zu, \"p50_ms\": %ld, \"p99_ms\": %ld, \"max_ms\": %ld", took_.size(),
                long(took_[took_.size() / 2]), long(took_[took_.size() * 99 / 100]), long(took_.back()));
    for (const auto& [what, count] : results_) std::printf(", \"%s\": %zu", what.c_str(), count);
    std::printf("}\n");
    took_.clear();
    results_.clear();
  }

  void state() {
    size_t answering = 0, published = 0, unpublished = 0, unacknowledged = 0;
    uint32_t least_peers = UINT32_MAX, busiest = 0, shards = 0;
    uint64_t rejected = 0, muted = 0, in = 0, out = 0, stored = 0, stored_bytes = 0;
    std::map<std::string, std::vector<size_t>> sizes;
    for (const auto& member : members_) {
      const auto& stats = member->registry.stats();
      answering += member->registry.answering();
      published += member->published;
      unpublished += member->unpublished;
      least_peers = std::min<uint32_t>(least_peers, stats.peers);
      busiest = std::max<uint32_t>(busiest, stats.busiest_us);
      for (const auto& one : stats.rejected) rejected += one;
      muted += stats.rejected[size_t(RecordVerdict::Muted)];
      in += stats.packets_in;
      out += stats.packets_out;
      stored += stats.stored_values;
      stored_bytes += stats.stored_bytes;
      for (const auto& own : member->registry.facts().announced) {
        unacknowledged += !own.acknowledged;
        shards = std::max<uint32_t>(shards, own.shards);
      }
      for (const auto& [service, size] : member->sizes) sizes[service].push_back(size);
    }
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const double cpu =
        double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + double(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    std::printf(
        "{\"answering\": %zu, \"published\": %zu, \"unpublished\": %zu, \"unacknowledged\": %zu, \"least_peers\": %u, "
        "\"busiest_us\": %u, \"shards\": %u, \"rejected\": %lu, \"muted\": %lu, \"packets_in\": %lu, \"packets_out\": %lu, "
        "\"stored\": %lu, \"stored_bytes\": %lu, \"cpu_s\": %.3f, \"sizes\": {",
        answering, published, unpublished, unacknowledged, least_peers, busiest, shards, rejected, muted, in, out, stored,
        stored_bytes, cpu);
    const char* between = "";
    for (const auto& [service, all] : sizes) {
      std::printf("%s\"%s\": [", between, service.c_str());
      between = ", ";
      for (size_t i = 0; i < all.size(); ++i) std::printf("%s%zu", i ? ", " : "", all[i]);
      std::printf("]");
    }
    std::printf("}, \"addresses\": [");
    for (const auto& member : members_)
      std::printf("%s\"%s\"", member == members_.front() ? "" : ", ", member->registry.local().text().c_str());
    std::printf("]}\n");
  }

  std::vector<std::unique_ptr<Member>> members_;
  std::vector<Batch> batches_;
  size_t services_ = 1, lookups_left_ = 0, under_way_ = 0;
  double lookup_rate_ = 0, lookups_due_ = 0;
  TimePoint last_lookup_{};
  std::map<std::string, size_t> results_;
  std::vector<int64_t> took_;
  net::BoundTimer<Nodes, &Nodes::on_tick> tick_{*this};
};

Asked parse(int count, char** words) {
  Asked asked;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = words[i], value = words[i + 1];
    if (option == "--nodes") asked.nodes = size_t(std::atoi(words[i + 1]));
    else if (option == "--port") asked.port = uint16_t(std::atoi(words[i + 1]));
    else if (option == "--bind") asked.bind = value;
    else if (option == "--mesh-key") asked.mesh_key = value;
    else if (option == "--lease") asked.lease = std::chrono::seconds(std::atoi(words[i + 1]));
    else if (option == "--bootstrap") asked.bootstrap.push_back(value);
    else if (option == "--identity") asked.identities.push_back(value);
  }
  return asked;
}

}  // namespace
}  // namespace outrider::discovery

int main(int count, char** words) {
  using namespace outrider;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  discovery::Nodes nodes(discovery::parse(count, words));
  std::thread([&nodes] {  // ends with the process: there is nothing to withdraw
    for (std::string line; std::getline(std::cin, line);) nodes.loop.post([&nodes, line] { nodes.obey(line); });
    std::_Exit(0);
  })
      .detach();
  nodes.loop.run();
}
