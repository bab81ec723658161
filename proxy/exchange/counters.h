#pragma once
// Slots of the request and connection metrics, found once per label set and then only indexed.

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "http/grpc.h"
#include "http/voice.h"
#include "stats/stats.h"

namespace outrider::exchange {

// Why a request ended as it did: the closed set of the label `flag`.
// clang-format off
enum class Flag : uint8_t {
  None, NoRoute, NoEndpoint, ConnectFailure, ConnectTimeout, RequestTimeout, IdleTimeout, UpstreamReset, UpstreamProtocol,
  DownstreamGone, Malformed, TooLarge, Overload, Draining, Denied, Internal
};
// clang-format on
const char* name_of(Flag flag);

// Why a connection from a client ended: the closed set of the label `reason`.
// clang-format off
enum class Ending : uint8_t {
  Client, Finished, Reset, Idle, HeaderTimeout, RequestTimeout, Duration, MaxRequests, TooMany, TooManyPerIp, TooFast, Malformed,
  Draining, NoRoute, ConnectFailure, NoEndpoint, Overload, Tls, Denied, Distrusted, ProxyProtocol, Internal
};
// clang-format on
const char* name_of(Ending ending);

// Slots told apart by a key, each looked up in the catalog when its key is met first. Few keys.
template <class Key>
class Slots {
 public:
  template <class LookUp>
  stats::Slot find(Key key, LookUp look_up) {
    for (const auto& [known, slot] : known_)
      if (known == key) return slot;
    return known_.emplace_back(key, look_up()).second;
  }

 private:
  std::vector<std::pair<Key, stats::Slot>> known_;
};

// One metric by two labels of few values, on one worker. A and B keep these: std::string, or std::string_view of literals.
template <class A, class B>
class PairCounters {
 public:
  PairCounters(stats::Catalog& catalog, const stats::Name& name, const char* first, const char* second)
      : catalog_(catalog), name_(name), first_(first), second_(second) {}
  stats::Slot of(std::string_view a, std::string_view b) {
    return known_.find({A(a), B(b)}, [&] { return catalog_.slot(name_, {{first_, std::string(a)}, {second_, std::string(b)}}); });
  }

 private:
  stats::Catalog& catalog_;
  const stats::Name& name_;
  const char *const first_, *const second_;
  Slots<std::pair<A, B>> known_;
};

// One (direction, route, cluster) as one worker counts it.
class RequestCounters {
 public:
  RequestCounters(stats::Catalog& catalog, std::string_view direction, std::string_view route, std::string_view cluster);
  bool is(std::string_view direction, std::string_view route, std::string_view cluster) const {
    return cluster == cluster_ && route == route_ && direction == direction_;
  }
  stats::Slot requests(uint16_t status, Flag flag);
  stats::Slot grpc_responses(http::GrpcStatus status);
  stats::Slot retries(const char* reason, const char* result);
  stats::Slot hedges(const char* result);
  stats::Slot rate_limited(const char* scope);  // a literal
  stats::Slot tcp_bytes(bool up);
  stats::Slot duration, first_byte, in_flight, request_bytes, response_bytes, overhead;

 private:
  stats::Catalog& catalog_;
  std::string direction_, route_, cluster_;
  Slots<std::pair<uint16_t, Flag>> outcomes_;
  Slots<http::GrpcStatus> grpc_responses_;
  Slots<std::string_view> rate_limited_;
};

// All of one worker's. Owned by the Site; label sets are few (configuration, and services found by name, bounded).
class RequestCounterTable {
 public:
  explicit RequestCounterTable(stats::Catalog& catalog) : catalog_(catalog) {}
  RequestCounters& find(std::string_view direction, std::string_view route, std::string_view cluster);

 private:
  stats::Catalog& catalog_;
  std::string key_;  // scratch
  RequestCounters* last_ = nullptr;
  std::unordered_map<std::string, std::unique_ptr<RequestCounters>, StringHash, std::equal_to<>> table_;
};

// Identities that are labels: the first that are met. Shared by all workers; any thread.
class PeerNames {
 public:
  static constexpr size_t kMost = 50;
  explicit PeerNames(std::string home) : home_(std::move(home)) {}  // our own trust domain
  std::string label(std::string_view identity);                     // "namespace/account", or "other"

 private:
  const std::string home_;
  std::mutex mutex_;
  std::set<std::string, std::less<>> known_;
};

// Who calls whom, on one worker.
class PeerCounters {
 public:
  PeerCounters(stats::Catalog& catalog, std::shared_ptr<PeerNames> names) : catalog_(catalog), names_(std::move(names)) {}
  stats::Slot requests(std::string_view direction, std::string_view identity, uint16_t status);

 private:
  static constexpr size_t kRemembered = 4096;
  struct Peer {
    std::string label;
    Slots<std::pair<char, uint16_t>> slots;  // by the first letter of the direction, and status
  };
  Peer& find(std::string_view identity);
  stats::Catalog& catalog_;
  std::shared_ptr<PeerNames> names_;
  Peer other_{"other", {}};
  std::unordered_map<std::string, std::unique_ptr<Peer>, StringHash, std::equal_to<>> peers_;  // null: one of the others
};

// What authorization has said, on one worker.
class AuthorizationCounters {
 public:
  explicit AuthorizationCounters(stats::Catalog& catalog) : catalog_(catalog) {}
  stats::Slot verdict(bool allowed, std::string_view rule, bool enforced);

 private:
  stats::Catalog& catalog_;
  Slots<std::tuple<bool, std::string, bool>> known_;
};

// One listener's connections on one worker.
class ConnectionCounters {
 public:
  ConnectionCounters(stats::Catalog& catalog, std::string_view direction, std::string_view listener, const char* tls);
  // For a door where both go in: what came by clear text.
  void tell_clear_text();
  stats::Slot closed(Ending why);
  stats::Slot malformed(const char* reason);                                 // a literal
  stats::Slot recognized(http::Voice voice);                                 // Unknown: the server spoke first
  stats::Slot handshake(std::string_view result, std::string_view version);  // literals
  stats::Slot handshake_duration();
  stats::Slot tls_refused(const char* reason);    // a literal
  stats::Slot not_passed_on(const char* reason);  // a literal
  stats::Slot foreword(const char* result);       // of PROXY protocol; a literal
  stats::Slot total, active, duration;
  stats::Slot clear_total, clear_active;  // after tell_clear_text()

 private:
  stats::Catalog& catalog_;
  std::string direction_, listener_;
  Slots<std::pair<std::string_view, std::string_view>> handshakes_;
  stats::Slot handshake_duration_ = stats::kNowhere;
  Slots<Ending> closed_;
  Slots<std::string_view> malformed_, tls_refused_, not_passed_on_, forewords_;
  Slots<http::Voice> recognized_;
};

}  // namespace outrider::exchange
