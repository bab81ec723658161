#include "exchange/tap.h"

#include <algorithm>

#include "base/text.h"
#include "http/secrets.h"
#include "stats/names.h"

namespace outrider::exchange {

namespace {

constexpr size_t kMostFields = 16 * 1024;  // bytes of either head; what is beyond is left out, and told to be
constexpr uint32_t kShortLine = 512;
constexpr size_t kMostPath = 8 * 1024, kMostText = 1024;

// Half a character at the end would become another one.
std::string_view clipped(std::string_view text, size_t most) {
  text = text.substr(0, most);
  return text.size() < most ? text : text.substr(0, utf8_prefix(text));
}

void append_fields(std::string& out, const char* key, std::span<const http::Field> fields, size_t& left_out) {
  if (fields.empty()) return;
  out.append(",\"").append(key).append("\":[");
  size_t room = kMostFields, shown = 0;
  for (const http::Field& field : fields) {
    const size_t size = field.name.size() + field.value.size();
    if (size > room) {
      ++left_out;
      continue;
    }
    room -= size;
    out += shown++ ? ",[" : "[";
    append_json(out, field.name);
    out += ',';
    append_json(out, http::is_secret(field) ? http::kHidden : http::without_secrets(field.value));
    out += ']';
  }
  out += ']';
}

std::string line_of(const Seen& seen) {
  AccessEntry entry = seen.entry;
  const std::string path = http::without_secrets(entry.path);
  size_t left_out = path.size() > kMostPath ? 1 : 0;
  entry.path = clipped(path, kMostPath);
  entry.host = clipped(entry.host, kMostText);
  entry.method = clipped(entry.method, kMostText);
  entry.request_id = clipped(entry.request_id, kMostText);
  entry.user_agent = {};  // it is among the fields
  std::string line;
  append_entry(line, entry);
  const auto text = [&](const char* key, std::string_view value) {
    if (value.empty()) return;
    line.append(",\"").append(key).append("\":");
    append_json(line, value);
  };
  text("local", seen.local);
  text("endpoint_peer", seen.endpoint);
  if (!seen.request.empty()) text("scheme", seen.encrypted ? "https" : "http");
  text("upgrade", clipped(seen.upgrade, kMostText));
  if (seen.tapped) line += ",\"tapped\":true";
  append_fields(line, "request_headers", seen.request, left_out);
  append_fields(line, "response_headers", seen.response, left_out);
  if (left_out) line.append(",\"left_out\":").append(std::to_string(left_out));
  return line += "}\n";
}

// Where there is none for even a short line, no line needs to be made. It is counted as missed.
bool has_room(Backlog& backlog) {
  if (!backlog.enter(kShortLine, Watch::kRoom)) return false;
  backlog.leave(kShortLine);
  return true;
}

}  // namespace

filter::TapMatch::Ended ended(const Seen& seen) {
  const AccessEntry& entry = seen.entry;
  filter::TapMatch::Ended ended;
  ended.status = entry.status;
  if (entry.grpc_status) ended.grpc_status = uint32_t(*entry.grpc_status);
  ended.listener = entry.listener;
  ended.cluster = entry.cluster;
  ended.route = entry.route;
  ended.flag = entry.flag;
  ended.client = entry.peer;
  ended.endpoint = seen.endpoint;
  ended.duration = std::chrono::microseconds(entry.duration_us);
  return ended;
}

void Taps::watch(const Watches& all) {
  on_end_of_turn();
  open_.clear();
  for (const auto& each : all) open_.push_back({each, {}});
}

void Taps::show(const Seen& seen) {
  const AccessEntry& entry = seen.entry;
  const filter::TapMatch::Asked asked{entry.method, entry.host, entry.path, seen.request};
  const auto end = ended(seen);
  std::string line;
  for (Open& each : open_) {
    if (each.watch->tapped && !seen.tapped) continue;
    if (!each.watch->match.of_request(asked) || !each.watch->match.of_end(end)) continue;
    if (line.empty()) {
      if (!has_room(each.watch->backlog)) {
        count("dropped");
        continue;
      }
      line = line_of(seen);
    }
    const bool room = each.watch->backlog.enter(uint32_t(line.size()), Watch::kRoom);
    count(room ? "shown" : "dropped");
    if (!room) continue;
    each.lines += line;
    loop_.at_end_of_turn(*this);
  }
}

void Taps::count(const char* result) { shard_.add(catalog_.slot(stats::names::kTapExchanges, {{"result", result}})); }

void Taps::on_end_of_turn() {
  for (Open& each : open_)
    if (!each.lines.empty()) each.watch->sink.on_shown(each.watch, std::exchange(each.lines, {}));
}

}  // namespace outrider::exchange
