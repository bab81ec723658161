#pragma once
// What became of questions, as the metrics' labels have it.

#include <array>
#include <string_view>

#include "stats/names.h"

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
