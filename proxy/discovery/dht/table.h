#pragma once
// A distributed table, as the registry needs it: several values under a key, told when they come and go.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/address.h"

namespace outrider::discovery {

using Values = std::vector<std::string>;

// Implemented by OpenTable, in tests by a map. One thread; callbacks never come from inside the call that asked
// for them, nor for a listener that was cancelled. Keys are texts (key_name()); a value's id follows from its bytes.
class Table {
 public:
  virtual void put(const std::string& key, const std::string& value, std::function<void(bool acknowledged)> done) = 0;
  virtual void put_listing(const std::string& key, const std::string& value, const std::string& part) = 0;
  virtual void drop(const std::string& key, const std::string& value) = 0;  // no longer refreshed; fades with its lease
  virtual uint64_t listen(const std::string& key, std::function<void(const Values&, bool expired)> told) = 0;
  virtual void unlisten(const std::string& key, uint64_t token) = 0;
  // `found` any number of times, then `done`; false: nobody answered.
  virtual void get(const std::string& key, std::function<void(const Values&)> found, std::function<void(bool)> done) = 0;
  // As get(), of one part of kParts: reading asks each node for each value.
  virtual void sample(const std::string& key, const std::string& part, std::function<void(const Values&)> found,
                      std::function<void(bool)> done) = 0;
  // Asks the nodes nearest to a key for nothing much: those that have gone are noticed, and others take their place.
  virtual void touch(const std::string& key) = 0;
  virtual void ping(const net::Address& node, std::function<void(bool answered)> done) = 0;
  virtual std::vector<net::Address> some_peers(size_t most) = 0;  // that have answered of late
  // A seed or a node remembered: asked along while it answers, whether or not the table has room for it.
  virtual void note_way_in(const net::Address& node, bool answers) = 0;

 protected:
  ~Table() = default;
};

}  // namespace outrider::discovery
