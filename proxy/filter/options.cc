#include "filter/options.h"

#include <algorithm>

#include "base/text.h"
#include "config/values.h"
#include "http/grammar.h"

namespace outrider::filter {

namespace {

bool is_line(const config::Node& node) {
  return node.is_scalar() && node.text().find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

}  // namespace

bool is_reserved(std::string_view name) {
  const http::HeaderId id = http::header_id(name);
  return http::is_hop_by_hop(id) || id == http::HeaderId::ContentLength || id == http::HeaderId::Host ||
         id == http::HeaderId::Trailer || id == http::HeaderId::Expect;
}

bool Options::fail(std::string path, std::string message) {
  complaint_ = {std::move(path), std::move(message)};
  return false;
}

bool Options::only(std::initializer_list<std::string_view> keys) {
  if (!node_.is_map()) return fail("", "expected a map of options");
  for (const auto& entry : node_.entries())
    if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) {
      std::string known;
      for (const std::string_view key : keys) known.append(known.empty() ? "" : ", ").append(key);
      return fail(entry.key, "unknown key; there are: " + known);
    }
  return true;
}

bool Options::text(const char* key, std::string& out, bool required) {
  const config::Node* value = node_.find(key);
  if (!value || value->is_null()) return !required || fail(key, "missing");
  if (!is_line(*value) || value->text().empty()) return fail(key, "expected a text of one line");
  out = value->text();
  return true;
}

bool Options::file(const char* key, std::string& out) {
  constexpr std::string_view kFile = "file:";
  if (!text(key, out, true)) return false;
  if (!out.starts_with(kFile) || out.size() == kFile.size())
    return fail(key, "expected file:/path, because what is in it is not for configurations");
  out.erase(0, kFile.size());
  return true;
}

bool Options::header(const char* key, std::string& out, bool required) {
  if (!text(key, out, required)) return false;
  if (out.empty()) return true;
  if (!http::is_token(out)) return fail(key, "\"" + out + "\" is no name of a header");
  return !is_reserved(out) || fail(key, "\"" + out + "\" is the proxy's own business");
}

bool Options::texts(const char* key, std::vector<std::string>& out) {
  const config::Node* value = node_.find(key);
  if (!value) return true;
  for (const config::Node* item : value->as_list()) {
    if (!is_line(*item) || item->text().empty()) return fail(key, "expected texts of one line");
    out.push_back(item->text());
  }
  return true;
}

bool Options::flag(const char* key, bool& out) {
  const config::Node* value = node_.find(key);
  if (!value || value->is_null()) return true;
  const std::string text = value->is_scalar() ? value->text() : "";
  if (text != "on" && text != "true" && text != "off" && text != "false") return fail(key, "expected on or off");
  out = text == "on" || text == "true";
  return true;
}

bool Options::duration(const char* key, milliseconds& out, milliseconds least, milliseconds most) {
  std::string given;
  if (!text(key, given)) return false;
  if (given.empty()) return true;
  const auto read = config::duration_of(given);
  if (!read || *read < least || *read > most)
    return fail(key, "expected a duration from " + config::duration_text(least) + " to " + config::duration_text(most));
  out = std::chrono::duration_cast<milliseconds>(*read);
  return true;
}

bool Options::size(const char* key, size_t& out, size_t most) {
  std::string given;
  if (!text(key, given)) return false;
  if (given.empty()) return true;
  const auto read = config::size_of(given);
  if (!read || *read > most) return fail(key, "expected a size of at most " + config::size_text(most));
  out = size_t(*read);
  return true;
}

bool Options::share(const char* key, double& out) {
  std::string given;
  if (!text(key, given)) return false;
  if (given.empty()) return true;
  const auto read = config::share_of(given);
  if (!read) return fail(key, "expected a percentage from 0% to 100%, got \"" + given + "\"");
  out = *read;
  return true;
}

bool Options::number(const char* key, uint64_t& out, uint64_t least, uint64_t most) {
  std::string given;
  if (!text(key, given)) return false;
  if (given.empty()) return true;
  const auto read = parse_number(given);
  if (!read || *read < least || *read > most)
    return fail(key,
                "expected a number from " + std::to_string(least) + " to " + std::to_string(most) + ", got \"" + given + "\"");
  out = *read;
  return true;
}

}  // namespace outrider::filter
