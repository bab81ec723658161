#include "filters/inject/settings.h"

#include "base/text.h"
#include "config/node.h"

namespace outrider::filters {

namespace {

using inject::Settings;

struct Text {
  const char* key;
  std::string Settings::*value;
};
struct Switch {
  const char* key;
  bool Settings::*value;
};

constexpr Text kTexts[] = {{"version", &Settings::version},
                           {"image", &Settings::image},
                           {"bootstrap", &Settings::bootstrap},
                           {"registry_key_secret", &Settings::registry_key_secret},
                           {"identity_secret", &Settings::identity_secret},
                           {"trust_domain", &Settings::trust_domain},
                           {"capture", &Settings::capture}};
constexpr Switch kSwitches[] = {{"native_sidecar", &Settings::native_sidecar},
                                {"dns_capture", &Settings::dns_capture},
                                {"rewrite_probes", &Settings::rewrite_probes},
                                {"inject_unless_told", &Settings::inject_unless_told}};

bool read_set(filter::Options& options, Settings& settings) {
  const config::Node* const set = options.find("set");
  if (!set || set->is_null()) return true;
  if (!set->is_map()) return options.fail("set", "expected a map of keys of the configuration and their values");
  for (const auto& entry : set->entries()) {
    if (!entry.value.is_scalar()) return options.fail("set." + entry.key, "expected a value, as --set has it");
    settings.set.emplace_back(entry.key, entry.value.text());
  }
  return true;
}

void add(std::string& out, std::string_view key, const std::string& value) {
  if (!out.empty()) out += ", ";
  append_json(out, key);
  out += ": ";
  append_json(out, value);
}

}  // namespace

bool read_settings(filter::Options& options, Settings& settings) {
  for (const Text& each : kTexts)
    if (!options.text(each.key, settings.*each.value, each.value == &Settings::version)) return false;
  for (const Switch& each : kSwitches)
    if (!options.flag(each.key, settings.*each.value)) return false;
  const std::string& capture = settings.capture;
  if (capture != "redirect" && capture != "tproxy" && capture != "none")
    return options.fail("capture", "expected redirect, tproxy or none, got \"" + capture + "\"");
  return read_set(options, settings);
}

std::string options_text(const Settings& settings) {
  std::string out;
  for (const Text& each : kTexts)
    if (const std::string& value = settings.*each.value; !value.empty()) add(out, each.key, value);
  for (const Switch& each : kSwitches) add(out, each.key, settings.*each.value ? "on" : "off");
  std::string set;
  for (const auto& [key, value] : settings.set) add(set, key, value);
  return out + (set.empty() ? "" : ", \"set\": {" + set + "}");
}

}  // namespace outrider::filters
