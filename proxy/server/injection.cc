#include "server/injection.h"

#include <algorithm>

#include "base/text.h"
#include "server/build.h"

namespace outrider::server {

namespace {

bool read_flag(const Arguments& arguments, std::string_view flag, bool& into, std::string& error) {
  const std::string value = arguments.value(flag, into ? "true" : "false");
  if (value != "true" && value != "false") error = std::string(flag) + " is true or false, not \"" + value + "\"";
  into = value == "true";
  return error.empty();
}

}  // namespace

inject::Settings injection_settings(const Arguments& arguments, std::string& error, std::string_view set_flag) {
  inject::Settings settings;
  settings.version = this_build().version;
  settings.image = arguments.value("--image");
  settings.namespace_name = arguments.value("--namespace");
  settings.bootstrap = arguments.value("--bootstrap");
  settings.registry_key_secret = arguments.value("--registry-key-secret");
  settings.identity_secret = arguments.value("--identity-secret");
  settings.trust_domain = arguments.value("--trust-domain");
  settings.capture = arguments.value("--capture", settings.capture);
  if (settings.capture != "redirect" && settings.capture != "tproxy" && settings.capture != "none")
    error = "--capture is redirect, tproxy or none, not \"" + settings.capture + "\"";
  if (!read_flag(arguments, "--native-sidecar", settings.native_sidecar, error)) return settings;
  if (!read_flag(arguments, "--dns-capture", settings.dns_capture, error)) return settings;
  for (const std::string& set : arguments.values(set_flag)) {
    const size_t equals = set.find('=');
    const std::string path = set.substr(0, equals);
    const bool fine = equals != set.npos && !path.empty() && std::all_of(path.begin(), path.end(), [](char c) {
                        return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '.';
                      });
    // It becomes the name of a variable, which cannot hold more.
    if (!fine)
      error = std::string(set_flag) + " " + set +
              ": expected PATH=VALUE with a path of a-z, 0-9, _ and . (a ConfigMap can say the rest)";
    else settings.set.emplace_back(path, set.substr(equals + 1));
  }
  return settings;
}

}  // namespace outrider::server
