#include "server/sources.h"

#include "filters/all.h"

namespace outrider::server {

config::Sources plain_sources(const Arguments& arguments) {
  config::Sources sources;
  sources.environment = config::environment();
  sources.set = arguments.values("--set");
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  if (arguments.has("--config")) sources.file = arguments.value("--config");
  return sources;
}

config::Sources sources_of(const Arguments& arguments, std::string& error, Plain plain) {
  config::Sources sources = plain_sources(arguments);
  if (plain == Plain::File && !arguments.words().empty()) {
    if (sources.file) error = "one file: " + arguments.words()[0] + " or -c " + *sources.file;
    sources.file = arguments.words()[0];
  }
  const auto add = [&](std::vector<config::Setting> settings) {
    sources.flags.insert(sources.flags.end(), settings.begin(), settings.end());
  };
  if (arguments.has("--service")) add(config::service_flag(arguments.value("--service")));
  if (arguments.has("--bootstrap")) add(config::bootstrap_flag(arguments.value("--bootstrap")));
  if (arguments.has("--listen") != arguments.has("--to")) error = "--listen and --to go together";
  else if (arguments.has("--listen")) add(config::listen_flags(arguments.value("--listen"), arguments.value("--to")));
  return sources;
}

}  // namespace outrider::server
