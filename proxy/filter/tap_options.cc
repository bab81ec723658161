#include "filter/tap_options.h"

namespace outrider::filter {

namespace {

bool add(Options& options, TapMatch& match, const std::string& key, const std::string& value) {
  const std::string wrong = match.add(key, value);
  return wrong.empty() || options.fail("match", wrong);
}

// `{x-tap: "1", x-team: {present: true}}`
bool read_headers(Options& options, const config::Node& headers, TapMatch& match) {
  const auto refuse = [&] { return options.fail("match.header", "expected a map of names and texts, or NAME: {present: true}"); };
  if (!headers.is_map()) return refuse();
  for (const auto& [name, mark, value] : headers.entries()) {
    const config::Node* const present = value.is_map() && value.size() == 1 ? value.find("present") : nullptr;
    if (!value.is_scalar() && !(present && present->is_scalar() && present->text() == "true")) return refuse();
    if (!add(options, match, "header", value.is_scalar() ? name + ":" + value.text() : name)) return false;
  }
  return true;
}

}  // namespace

bool read_match(Options& options, TapMatch& match) {
  const config::Node* const node = options.find("match");
  if (!node || node->is_null()) return true;
  if (!node->is_map()) return options.fail("match", "expected a map");
  for (const auto& [key, mark, value] : node->entries()) {
    if (key == "header") {
      if (!read_headers(options, value, match)) return false;
      continue;
    }
    for (const config::Node* item : value.as_list()) {
      if (!item->is_scalar()) return options.fail("match." + key, "expected a text, or a list of texts");
      if (!add(options, match, key, item->text())) return false;
    }
  }
  return true;
}

}  // namespace outrider::filter
