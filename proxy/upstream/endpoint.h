#pragma once
// An endpoint as the whole process sees it, and the set of them that makes a service.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "discovery/registry.h"
#include "net/address.h"
#include "upstream/answers.h"

namespace outrider::upstream {

using discovery::Known;
enum class Health : uint8_t { Unknown, Healthy, Unhealthy };
enum class Ejected : uint8_t { Nothing, ConnectFailure, NoAnswer, GatewayError, ServerError, SuccessRate };
const char* name_of(Ejected why);  // as the metric's label has it

// Shared by all threads for as long as any set names it. Address and identity are the key and never change.
struct Endpoint {
  Endpoint(std::string address_text, std::string identity_text, WallTime first_seen = std::chrono::system_clock::now(),
           bool mutual = false, std::string name = {});
  const std::string address, identity;
  const std::string host;  // whom its certificate must be for, where it was found by a name; a part of the key
  const bool mutual_tls;   // it is asked for mutual TLS, and must show `identity`; a part of the key
  std::string_view mutual_identity() const { return mutual_tls ? std::string_view(identity) : std::string_view{}; }
  const net::Address socket;           // parsed once; invalid when the text is no address
  const int64_t since_ms;              // wall clock: first seen; slow start counts from here
  std::atomic<uint32_t> in_flight{0};  // of the whole process
  std::atomic<uint32_t> ewma_us{0};    // latest moving average any worker wrote, for pages
  std::atomic<float> load{-1};         // as it last said of itself, 1 is full; less than 0: nobody has asked, or it has not said
  std::atomic<uint64_t> picks{0};
  std::atomic<Health> health{Health::Unknown};  // written by the health checker
  std::atomic<int64_t> health_since_ms{0};
  // Faults in a row across workers, written when one happens and by the good answer after it.
  std::atomic<bool> suspected{false};  // any of these four is not 0: all that a good answer looks at
  std::atomic<uint32_t> local_row{0}, gateway_row{0}, server_row{0};
  std::atomic<uint32_t> ejections{0};  // in a row: until it has answered again
  std::atomic<Ejected> ejected_for{Ejected::Nothing};
  std::atomic<int64_t> ejected_until_ms{0}, ejected_since_ms{0};  // wall clock
  std::atomic<bool> on_trial{false};                              // somebody's request shows whether it is back
  // Where a success rate is asked for: of the interval that ends then, on the steady clock.
  std::atomic<int64_t> interval_ends_ms{0};
  std::atomic<uint32_t> asked{0}, failed{0};
  Answers answers;
  net::Address source;  // in whose name it is connected to, set as it is made (Destinations); invalid: our own
};

inline constexpr milliseconds kLongestEjection = std::chrono::hours(1);  // that may be configured
// An end farther away than any ejection lasts was written before the wall clock jumped back: not ejected.
bool is_ejected(const Endpoint& endpoint, int64_t now_ms);
// Its time is up, and it has not answered since: half-open, it gets one request and no more before that has ended well.
bool is_half_open(const Endpoint& endpoint, int64_t now_ms);
bool is_out(const Endpoint& endpoint, int64_t now_ms);  // either of the two

// Records are re-signed every five minutes and change weight or state: the facts are replaced, the endpoint stays.
struct Member {
  std::shared_ptr<Endpoint> endpoint;
  std::shared_ptr<const discovery::Instance> facts;
};

// Immutable. A change is a new set; a set that differs only in expiry is not published at all.
struct EndpointSet {
  uint64_t revision = 0;
  Known known = Known::NotYet;
  int64_t since_ms = 0;  // wall clock: when `known`, or being empty, last changed
  std::string trouble;   // why nobody is found or confirmed, for people; may be empty
  std::vector<Member> members;
};

// The next set: endpoints of survivors (same address and identity) are the same objects. Null when nothing that
// matters has changed.
std::shared_ptr<const EndpointSet> next_set(const std::shared_ptr<const EndpointSet>& before, Known known,
                                            const std::vector<std::shared_ptr<const discovery::Instance>>& all,
                                            const std::string& trouble = {});

// Why an endpoint is not used, for pages; "ready" when it is.
enum class EndpointState : uint8_t { Ready, Draining, Ejected, Unhealthy, Stale };
EndpointState state_of(const Member& member, Known known, WallTime now);
const char* name_of(EndpointState state);
int64_t since_of(const Endpoint& endpoint, EndpointState state);  // wall clock; 0: nobody noted it

}  // namespace outrider::upstream
