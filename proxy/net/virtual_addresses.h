#pragma once
// Addresses that stand for services: told to whoever asks DNS for one, and understood where a connection to one comes in.
//
// Why: an application that connects to a service by name says the name to DNS alone. Its connection then has an address and no
// more, where it is neither HTTP with a Host nor TLS with a server's name: a database's, or any in which the server speaks first.
// With an address that is the service's own, the sidecar knows from the destination which service was meant, and can balance, and
// speak mutual TLS to whichever replica; with a replica's address it would know neither. 240.240.0.0/16 is of the class nobody
// may use (RFC 1112) and every Linux routes, fd6f:7574:7269::/112 of those which sites may choose (RFC 4193): a connection that
// nobody catches reaches nobody.

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "base/network.h"
#include "net/address.h"

namespace outrider::net {

// A service has a place, the same in both networks: where its name's hash says, or the next that is free. So the same name has
// the same address in every proxy and after a restart, but for those few whose places are others' already, and these stay where
// the file says that they were. A place is never another's as long as the process runs: whoever keeps an address for days must
// not come to another service by it. Bounded by the networks (65536 at most). The control thread gives; any thread may ask, and
// looks at a lock only for an address that is in one of the networks, once a connection.
class VirtualAddresses {
 public:
  VirtualAddresses(std::optional<Network> v4, std::optional<Network> v6);  // nothing: none of that family
  std::optional<uint32_t> give(std::string_view service);                  // the same as before; nothing: all are given
  Address v4(uint32_t place) const { return at(v4_, place); }              // invalid: there are none of that family
  Address v6(uint32_t place) const { return at(v6_, place); }
  bool covers(const Address& address) const;             // it is in one of the networks, whether it stands for anything or not
  std::string service_of(const Address& address) const;  // empty: it stands for nothing
  size_t size() const;
  size_t room() const { return places_ - 2; }
  std::string text() const;            // "place service" a line, for load() of the next process
  size_t load(std::string_view text);  // how many of them there is room for, and nobody has taken

 private:
  static Address at(const std::optional<Network>& network, uint32_t place);
  bool take(uint32_t place, std::string_view service);
  const std::optional<Network> v4_, v6_;
  const uint32_t places_;  // the first and the last are nobody's, as in any network
  mutable std::mutex mutex_;
  std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> by_name_;
  std::unordered_map<uint32_t, const std::string*> by_place_;
};

}  // namespace outrider::net
