#pragma once
// From what was written where to one document, or to every complaint about it.

#include <optional>

#include "config/document.h"

namespace outrider::config {

// One value given on the command line; `origin` is the flag as the user typed it: "--bootstrap seed:4222".
struct Setting {
  std::string path, value, origin;
};

// Looks at a filter's options for the floor above: false and where (below the options) and what is wrong.
using FilterCheck = bool (*)(std::string_view name, const Node& options, std::string& path, std::string& message);

struct Sources {
  std::optional<std::string> file;                               // its path
  std::optional<std::string> text;                               // its content, instead of reading it
  std::optional<std::vector<Included>> included;                 // what it takes in, instead of reading that
  std::vector<std::pair<std::string, std::string>> environment;  // OUTRIDER_A__B, and for ${VAR}
  std::vector<Setting> flags;                                    // from the one-line forms, below
  std::vector<std::string> set;                                  // "PATH=VALUE", as typed
  std::vector<std::string_view> filters;                         // which there are (filters::names()); empty: any
  FilterCheck check_filter = nullptr;                            // filters::check
  std::string identity_dir = "/run/identity";                    // the default of identity.dir, where there is a tls.crt in it
  std::string service_account = "/var/run/secrets/kubernetes.io/serviceaccount";  // of a pod: its file `namespace`
  bool registry_only = false;  // `outrider dht`: no listener needed, the registry is
};

struct Outcome {
  std::optional<Document> document;   // there unless a complaint is an error
  std::vector<Complaint> complaints;  // by file and line
  std::vector<std::string> takes_in;  // files and folders besides its own, whether or not they can be used
};

// Merged in this order: defaults, preset, `defaults.*`, item, environment, flags, --set.
Outcome load(const Sources& sources);

std::vector<std::pair<std::string, std::string>> environment();  // of this process

// `--service web:8080`, `--bootstrap a:1,b:2`, `--listen :8080 --to a:1,b:2`. The last makes mode `edge`, registry.kind
// `none`, listener `edge` and cluster `web`.
std::vector<Setting> service_flag(const std::string& value);
std::vector<Setting> bootstrap_flag(const std::string& value);
std::vector<Setting> listen_flags(const std::string& listen, const std::string& to);

// "outrider.yaml:14:22: error: clusters.cart.timeout: ...", a line each.
std::string print(const std::vector<Complaint>& complaints);
std::string print_json(const std::vector<Complaint>& complaints);  // an array

}  // namespace outrider::config
