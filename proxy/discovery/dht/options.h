#pragma once
// What a DHT registry is told, what it tells about itself, and to whom.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "discovery/dht/quota.h"
#include "discovery/dht/record.h"
#include "identity/identity.h"
#include "identity/seal.h"
#include "identity/workload_id.h"
#include "net/address.h"

namespace outrider::discovery {

enum class Sign : uint8_t {
  Auto,       // Required with an identity, else Preferred
  Required,   // unsigned records are neither written, believed nor stored
  Preferred,  // signed when there is an identity; others' unsigned records are believed
  Off,
};

// Where in the DHT a node sits. Only with an identity and a mesh key.
enum class NodeIds : uint8_t {
  Bound,    // ids follow from identity and address (node_proof.h), and whoever does not prove his is not listened to
  Offered,  // the own one does and is proven to whoever asks; others' may be any
  Free,     // any, and nothing is proven: where addresses are translated between nodes
};

struct DhtOptions {
  net::Address bind;
  int socket = -1;                     // bound to it already, by the process before us
  std::string address;                 // IP at which others see this node, where `bind` is any; empty: found out
  std::vector<std::string> bootstrap;  // "host:port"; names are looked up again and again
  uint32_t network = 1;
  identity::MeshKeys mesh_keys;                        // none: packets travel in the clear
  std::shared_ptr<const identity::Identity> identity;  // null: nothing is signed
  Sign sign = Sign::Auto;
  NodeIds node_ids = NodeIds::Bound;
  std::string trust_domain = "mesh.local";
  identity::Owners owners;
  milliseconds lease = std::chrono::seconds(60);  // 20 s at least (below it the DHT storms), the same on every node
  milliseconds valid = std::chrono::minutes(10);  // 15 minutes at most
  milliseconds stale_serve = std::chrono::hours(1);
  uint16_t shards = 0;            // 0: as many as it takes; else a power of two
  std::string folder;             // of this node alone: known nodes and last-known-good; empty: none
  size_t store_limit = 32 << 20;  // bytes kept for others
  size_t quota = Quota::kMost;    // values taken of one signer

  // How often and how long. Tests shorten some.
  milliseconds seeds = std::chrono::seconds(30);      // between pings of the seeds, whatever the state
  milliseconds seeds_first{1000};                     // the same while nothing answers; doubles up to `seeds`
  milliseconds silence = std::chrono::seconds(45);    // nothing heard for so long: nothing answers
  milliseconds reconcile = std::chrono::seconds(60);  // between two readings of a watched service; up to twice that
  milliseconds doubt = std::chrono::seconds(60);      // until what was refused for a reason that may pass is read again
  milliseconds change{1000};                          // between two versions of an announcement
  milliseconds farewell{500};                         // how long a withdrawal waits for the first acknowledgement
  milliseconds save = std::chrono::seconds(10);       // between two writings of the snapshot
  milliseconds patience{2000};                        // how long a first look-up may take: Catalog::Options

  bool signs() const { return identity && sign != Sign::Off; }
  bool needs_signatures() const { return sign == Sign::Required || (sign == Sign::Auto && identity); }
  bool proves_node_id() const { return identity && !mesh_keys.keys.empty() && node_ids != NodeIds::Free; }
  bool asks_for_proofs() const { return proves_node_id() && needs_signatures() && node_ids == NodeIds::Bound; }
};

// Numbers for metrics: written by the registry's thread, read by any.
struct DhtStats {
  static constexpr size_t kReasons = size_t(RecordVerdict::Quota) + 1;
  std::atomic<uint32_t> peers{0};  // nodes that answer
  std::atomic<uint64_t> bytes_in{0}, bytes_out{0}, packets_in{0}, packets_out{0};
  std::array<std::atomic<uint64_t>, kReasons> rejected{};  // by RecordVerdict; reason() has the label
  std::atomic<uint64_t> published{0}, publish_failed{0};
  std::atomic<uint64_t> stored_bytes{0}, stored_values{0};  // kept for others
  std::atomic<uint32_t> searches{0};                        // that OpenDHT remembers, for an hour each
  std::atomic<uint32_t> busiest_us{0};                      // longest stay in OpenDHT since start
  std::atomic<uint64_t> busy_us{0};                         // all of it
  std::atomic<uint32_t> longest_turn_ms{0};                 // of the registry's loop in the last second
  std::atomic<uint64_t> withheld{0};                        // readings whose nearest nodes showed nothing of what others had
  std::atomic<uint64_t> unlisted{0};                        // listings of services that found no room
  uint64_t rejected_in_all() const {
    uint64_t all = 0;
    for (const auto& of_a_kind : rejected) all += of_a_kind.load(std::memory_order_relaxed);
    return all;
  }
  void reject(RecordVerdict why) { rejected[size_t(why)].fetch_add(1, std::memory_order_relaxed); }
};

// For pages.
struct DhtFacts {
  bool answering = false;  // somebody in the DHT answers
  bool sealed = false, signs = false, needs_signatures = false;
  std::string node_id, address, detail;  // detail: what a person should know now, empty when all is well
  uint32_t peers = 0;
  struct Seed {
    std::string address, state;
  };  // state: answers, silent, asking, "no such name" ...
  std::vector<Seed> seeds;
  struct Own {
    std::string service, address;
    uint64_t sequence = 0;
    double lease_left_s = 0;    // of the signed validity
    bool acknowledged = false;  // by some storing node, for this version
    uint16_t shards = 1;
  };
  std::vector<Own> announced;
  struct Listed {
    std::string service, protocol;
  };
  std::vector<Listed> listed;      // services that name themselves, by name; while somebody asks for them
  bool listed_completely = false;  // all has been read
};

class DhtEvents {  // on the control loop
 public:
  virtual void on_registry_answering(bool) {}
  virtual void on_lookup(milliseconds) {}  // a first look-up of a service has been completed
  virtual void on_seen(milliseconds) {}    // from the issue of a new version until it was seen here
  virtual void on_published(const std::string& /*service*/, bool /*acknowledged*/) {}  // each new version
  virtual void on_withdrawn(const std::string& /*service*/, bool /*acknowledged*/) {}

 protected:
  ~DhtEvents() = default;
};

}  // namespace outrider::discovery
