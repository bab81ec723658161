#pragma once
// What a configuration needs of the world around it, and what the proxy that runs says.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/document.h"
#include "config/load.h"
#include "config/name_server.h"
#include "server/check/fact.h"

namespace outrider::server {

// Of the proxy that runs, as its pages say; all empty where nobody answers.
struct RunningProxy {
  std::string admin, error;  // whom we asked; why there is no answer
  bool wanted = false;       // somebody said where it is: it should be there
  std::string version, revision;
  std::string ready, registry;               // JSON
  std::string config;                        // YAML
  std::optional<uint64_t> refused_for_time;  // records of peers; none: not known
  explicit operator bool() const { return error.empty(); }
};
RunningProxy ask_running_proxy(const std::string& admin, bool wanted);

// Whether a host's name stands for an address: empty, or why not. Bounded in time.
using Resolve = std::function<std::string(const std::string& host)>;
std::string resolve_by_system(const std::string& host);

Fact check_configuration(const std::string& file, const config::Outcome& outcome);
Fact check_proxy(const RunningProxy& proxy);
Fact check_version(const RunningProxy& proxy);
Fact check_readiness(const RunningProxy& proxy);
Fact check_identity(const config::Document& document, WallTime now);
Fact check_files(const config::Document& document);  // of TLS and of filters: what a start would read
Fact check_registry(const config::Document& document, const RunningProxy& proxy, const Resolve& resolve);
Fact check_names(const config::Document& document, const Resolve& resolve);
Fact check_name_server(const config::NameServer& own, const std::string& domain, const RunningProxy& proxy);  // dns.cc
Fact check_app(const config::Document& document);
Fact check_folders(const config::Document& document);

// All of it, and the machine. `outcome` is empty where there is no configuration to be had.
std::vector<Fact> check_all(const std::string& file, const std::optional<config::Outcome>& outcome, const RunningProxy& proxy);

}  // namespace outrider::server
