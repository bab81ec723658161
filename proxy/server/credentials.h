#pragma once
// identity.dir: read at start, and again whenever a file of it is another.

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/document.h"
#include "identity/identity.h"
#include "net/loop.h"
#include "server/workload_tls.h"
#include "stats/stats.h"

namespace outrider::server {

// What cannot be used changes nothing: the identity there was stays, and the log says why. Owned by the supervisor;
// control loop.
class Credentials {
 public:
  // `renewed` is called after start() only, with what identity() is from then on.
  Credentials(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, const config::Document& document,
              std::function<void(const identity::Identity&)> renewed);
  std::string start();  // empty, or what is wrong with the folder
  const std::optional<identity::Identity>& identity() const { return identity_; }
  WorkloadTls* workload() { return workload_ ? &*workload_ : nullptr; }  // null: nobody speaks mutual TLS

 private:
  struct Mark {  // of a file, as a change shows
    int64_t changed_ns = 0;
    uint64_t inode = 0, size = 0;
    bool operator==(const Mark&) const = default;
  };
  using Marks = std::array<Mark, 3>;
  identity::Outcome<identity::Identity> read() const;
  Marks marks() const;
  void look();
  net::Loop& control_;
  stats::Shard& shard_;
  const stats::Slot renewals_, failures_;
  const config::Identity& settings_;
  const std::function<void(const identity::Identity&)> renewed_;
  std::optional<identity::Identity> identity_;
  std::optional<WorkloadTls> workload_;
  Marks seen_{};
  net::BoundTimer<Credentials, &Credentials::look> again_{*this};
};

}  // namespace outrider::server
