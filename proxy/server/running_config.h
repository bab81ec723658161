#pragma once
// The configuration of a running proxy, as its admin port shows it, and what it was started with besides its file.

#include <optional>
#include <string>

#include "config/load.h"

namespace outrider::server {

struct RunningConfig {
  config::Sources sources;  // reads as what is in force there
  std::vector<std::pair<std::string, std::string>>
      environment;                            // what came from its variables, so far as a file could not say it
  std::vector<std::string> set;               // its --set
  std::vector<config::Setting> flags;         // its one-line forms
  void add_to(config::Sources& other) const;  // as its file is read at its next reload
};

// What `text`, an answer of /config, says in its comments of where values came from. `base`: filters, and the environment of
// whoever asks, for ${VAR}, whose values nobody shows.
RunningConfig running_config(const std::string& text, const config::Sources& base);

}  // namespace outrider::server
