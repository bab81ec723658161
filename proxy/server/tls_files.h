#pragma once
// Certificates, keys and authorities that listeners and clusters name: read at start, and again whenever a file is another.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "identity/file_mark.h"
#include "net/loop.h"
#include "net/tls_slot.h"
#include "stats/collector.h"
#include "stats/stats.h"

namespace outrider::server {

// What cannot be used changes nothing: what was there stays, and the log says why. New connections begin with what is new,
// those there are stay. Owned by the supervisor; control loop.
class TlsFiles {
 public:
  using Slot = std::shared_ptr<const net::TlsSlot>;
  // `owner` is where the configuration names the files: "listeners.edge.tls".
  identity::Outcome<Slot> server(const std::string& owner, std::vector<net::TlsServerSettings> settings);
  identity::Outcome<Slot> client(const std::string& owner, net::TlsClientSettings settings);
  void watch(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, milliseconds look);  // from here on
  void add_samples(stats::Samples& samples) const;
  void each_shown(const std::function<void(const std::string& owner, const std::string& file, WallTime until)>& see) const;

 private:
  using Made = identity::Outcome<std::shared_ptr<const net::TlsContext>>;
  struct Shown {
    std::string file;
    WallTime until;
  };
  struct Watched {
    std::string owner;
    std::vector<std::string> certificates, others;
    std::function<Made(const net::TlsContext* before)> make;
    std::vector<identity::FileMark> seen{};
    std::vector<Shown> shown{};
    std::shared_ptr<net::TlsSlot> slot{};
    stats::Slot renewals{}, failures{};
  };
  identity::Outcome<Slot> add(Watched watched);
  static Made read(Watched& watched, bool dated);
  static std::vector<identity::FileMark> marks(const Watched& watched);
  void look();
  net::Loop* control_ = nullptr;
  stats::Shard* shard_ = nullptr;
  milliseconds look_{};
  std::vector<Watched> watched_;
  net::BoundTimer<TlsFiles, &TlsFiles::look> again_{*this};
};

}  // namespace outrider::server
