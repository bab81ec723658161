#pragma once
// Endpoints that stand in a file of their own, which may change at any time.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/dns/dns_registry.h"
#include "discovery/registry.h"
#include "identity/file_mark.h"

namespace outrider::discovery {

class FileEvents {
 public:
  virtual void on_endpoints_file(const std::string& service, bool good) = 0;  // it has been read

 protected:
  ~FileEvents() = default;
};

// A file is read at once, and again whenever it is another one, all or nothing: one that cannot be used changes nothing, what
// was there stays, as Known::Stale, and the log says why. Hosts that are names are DNS's to find. Owned by the supervisor;
// control loop.
class FileRegistry final : public Registry, Watcher {
 public:
  FileRegistry(net::Loop& control, DnsRegistry& dns, FileEvents& events, milliseconds look);
  ~FileRegistry();
  void add(const std::string& service, const std::string& path, const config::Dns& names);
  bool has(const std::string& service) const { return files_.count(service) > 0; }
  void remove(const std::string& service);                            // nobody watches it any more
  void watch(const std::string& service, Watcher& watcher) override;  // calls back at once
  void unwatch(const std::string& service, Watcher& watcher) override;
  void announce(const std::string&, const Instance&) override {}
  void withdraw(const std::string&) override {}
  Origin origin(const std::string& service) const override;

 private:
  struct File {
    std::string path;
    config::Dns names;
    identity::FileMark mark{};
    std::string trouble{};  // with what is there now
    bool read = false;      // it was good once
    std::vector<Watcher*> watchers{};
    Known known = Known::Absent;
    std::vector<std::shared_ptr<const Instance>> all{};
  };
  void on_instances(const std::string& service, Known known, std::vector<std::shared_ptr<const Instance>> all) override;
  void look();
  void read(const std::string& service, File& file);
  static void tell(const std::string& service, const File& file, Watcher& watcher);
  void tell(const std::string& service, const File& file);
  net::Loop& control_;
  DnsRegistry& dns_;
  FileEvents& events_;
  const milliseconds look_;
  std::map<std::string, File> files_;  // by service
  net::BoundTimer<FileRegistry, &FileRegistry::look> again_{*this};
};

}  // namespace outrider::discovery
