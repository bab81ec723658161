#pragma once
// What became of questions, as the metrics' labels have it.

#include <array>
#include <string_view>

#include "stats/stats.h"

// DEV-NAMES-BEGIN
namespace outrider::stats::names {
// The server of DNS beside the application. result: found, no_name, no_data, not_ready (the registry does not say), no_room (of
// virtual addresses, or of names that wait), forwarded, unanswered (by nobody who was asked for it), loop (it was our own),
// malformed, refused.
inline constexpr Name kDnsQueries{
    // result
    "outrider_dns_queries_total", "Questions to the proxy's own server of DNS, by what was answered.", Kind::Counter};
// reason: no_query, rate, in_flight, connections, unsent (the client takes no answer).
inline constexpr Name kDnsDropped{// reason
                                  "outrider_dns_queries_dropped_total",
                                  "Questions to the proxy's own server of DNS that were not answered, by why.", Kind::Counter};
// reason: timeout, unreachable, refused (it could not, or would not), mismatched (an answer to something else; it is waited on).
inline constexpr Name kDnsForwardFailures{
    // reason
    "outrider_dns_forward_failures_total", "Tries to have other servers of DNS answer that failed, by why.", Kind::Counter};
inline constexpr Name kDnsVirtualAddresses{"outrider_dns_virtual_addresses", "Services that have a virtual address.",
                                           Kind::Gauge};
}  // namespace outrider::stats::names
// DEV-NAMES-END

namespace outrider::dns {

enum class Told : uint8_t {
  Found,
  NoName,
  NoData,
  NotReady,  // the registry has not said, or there is none
  NoRoom,    // of virtual addresses, or of names that are watched at a time
  Forwarded,
  Unanswered,  // by nobody it was forwarded to
  Loop,        // it was ours, or there is nobody to ask but ourselves
  Malformed,
  Refused,
  kCount
};
enum class Dropped : uint8_t { NoQuery, Rate, InFlight, Connections, Unsent, kCount };

constexpr const char* kResults[] = {"found",     "no_name",    "no_data", "not_ready", "no_room",
                                    "forwarded", "unanswered", "loop",    "malformed", "refused"};
constexpr const char* kDropped[] = {"no_query", "rate", "in_flight", "connections", "unsent"};

// Owned by the server; the shard is the control thread's.
class Counters {
 public:
  Counters(stats::Catalog& catalog, stats::Shard& shard)
      : catalog_(catalog), shard_(shard), addresses_(catalog.slot(stats::names::kDnsVirtualAddresses)) {
    for (size_t i = 0; i < results_.size(); ++i) results_[i] = catalog.slot(stats::names::kDnsQueries, {{"result", kResults[i]}});
    for (size_t i = 0; i < dropped_.size(); ++i) dropped_[i] = catalog.slot(stats::names::kDnsDropped, {{"reason", kDropped[i]}});
  }
  void count(Told result) { shard_.add(results_[size_t(result)]); }
  void drop(Dropped why) { shard_.add(dropped_[size_t(why)]); }
  void fail_forward(const char* why) { shard_.add(catalog_.slot(stats::names::kDnsForwardFailures, {{"reason", why}})); }
  void show_addresses(size_t n) { shard_.set(addresses_, n); }

 private:
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  const stats::Slot addresses_;
  std::array<stats::Slot, size_t(Told::kCount)> results_{};
  std::array<stats::Slot, size_t(Dropped::kCount)> dropped_{};
};

}  // namespace outrider::dns
