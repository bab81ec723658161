#pragma once
// Endpoints whose hosts are names in DNS.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/dns/dns_name.h"
#include "discovery/registry.h"

namespace outrider::discovery {

class DnsEvents {
 public:
  virtual void on_dns_lookup(const char* result) = 0;  // as the metric's label has it; one of them: "cut"

 protected:
  ~DnsEvents() = default;
};

// Names are asked for while somebody watches, each for itself and before anybody needs it; what they stand for is one set.
// Nothing is announced here. Owned by the supervisor; control loop.
class DnsRegistry final : public Registry {
 public:
  DnsRegistry(net::Loop& control, DnsEvents& events);
  ~DnsRegistry();
  // An endpoint's address is ip:port, which nobody is asked for, or name:port; of type Srv the port is the records' own. Again:
  // replaces; names that stay keep what they have found.
  void add(const std::string& service, std::vector<Instance> endpoints, const config::Dns& options);
  void remove(const std::string& service);  // nobody watches it any more
  void watch(const std::string& service, Watcher& watcher) override;
  void unwatch(const std::string& service, Watcher& watcher) override;
  void announce(const std::string&, const Instance&) override {}
  void withdraw(const std::string&) override {}
  Origin origin(const std::string& service) const override;

 private:
  class Service;
  net::Resolver& resolver_of(const config::Dns& options);
  net::Loop& control_;
  DnsEvents& events_;
  std::map<std::string, std::unique_ptr<net::Resolver>> resolvers_;  // by servers and timeout
  std::map<std::string, std::unique_ptr<Service>> services_;
};

}  // namespace outrider::discovery
