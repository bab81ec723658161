#pragma once
// What a node remembers across restarts: records as received, and where other nodes were.

#include <string>
#include <vector>

#include "discovery/dht/table.h"
#include "identity/outcome.h"
#include "net/address.h"

namespace outrider::discovery {

// "outrider-records-1\n", then length 4 (big endian) and bytes of each, then SHA-256 of everything before: a torn or
// foreign file is refused whole. Records are verified when they are used, not here.
std::string write_snapshot(const Values& records);
identity::Outcome<Values> read_snapshot(const std::string& bytes);

std::string write_nodes(const std::vector<net::Address>& nodes);  // a line each
std::vector<net::Address> read_nodes(std::string_view text);      // lines that make no sense are left out

// The files of one node: `records` and `nodes` in `folder`. Blocks on the disk.
class Shelf {
 public:
  explicit Shelf(std::string folder) : folder_(std::move(folder)) {}
  std::string open() const;                // makes the folder; empty, or why it cannot be written to
  Values records(std::string& why) const;  // why: when there is a file that cannot be used
  std::vector<net::Address> nodes() const;
  std::string save(const Values& records, const std::vector<net::Address>& nodes) const;  // empty, or why not
  bool none() const { return folder_.empty(); }

 private:
  std::string folder_;
};

}  // namespace outrider::discovery
