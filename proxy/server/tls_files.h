#pragma once
// Certificates, keys and authorities that listeners and clusters name: read at start, and again whenever a file is another.

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "identity/file_mark.h"
#include "net/loop.h"
#include "net/tls_slot.h"
#include "stats/collector.h"
#include "stats/stats.h"

namespace outrider::server {

// What cannot be used changes nothing: what was there stays, and the log says why. New connections begin with what is new,
// those there are stay. A configuration is gathered between begin() and keep() or drop(): where it asks for what the one
// before it had, it gets the same slot, and what it does not ask for is looked after no more. Owned by the supervisor; control
// loop.
class TlsFiles {
 public:
  using Slot = std::shared_ptr<const net::TlsSlot>;
  void begin();
  void keep();  // what was asked for since begin() is what there is
  void drop();  // back to what there was
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
    std::variant<std::vector<net::TlsServerSettings>, net::TlsClientSettings> settings;
    std::vector<std::string> certificates{}, others{};
    std::vector<identity::FileMark> seen{};
    std::vector<Shown> shown{};
    std::shared_ptr<net::TlsSlot> slot{};
    std::shared_ptr<const net::TlsContext> before{};  // while it is made: what it takes the place of
    stats::Slot renewals{}, failures{};
  };
  identity::Outcome<Slot> add(Watched watched);
  void count(Watched& watched);
  static Made read(Watched& watched, bool dated);
  static std::vector<identity::FileMark> marks(const Watched& watched);
  void look();
  net::Loop* control_ = nullptr;
  stats::Catalog* catalog_ = nullptr;
  stats::Shard* shard_ = nullptr;
  milliseconds look_{};
  std::vector<Watched> watched_, before_;  // before_: of the configuration in force, while another is gathered
  net::BoundTimer<TlsFiles, &TlsFiles::look> again_{*this};
};

}  // namespace outrider::server
