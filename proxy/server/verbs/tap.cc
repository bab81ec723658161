// tap: requests as they end.

#include <rapidjson/document.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/text.h"
#include "filter/authorization.h"
#include "identity/workload_id.h"
#include "server/admin_client.h"
#include "server/curl.h"
#include "server/json_fields.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

using rapidjson::Value;

constexpr const char* kVerb = "tap";

std::string bytes_text(double bytes) {
  char text[32];
  if (bytes < 10'000) std::snprintf(text, sizeof text, "%.0fB", bytes);
  else if (bytes < 10'000'000) std::snprintf(text, sizeof text, "%.1fkB", bytes / 1e3);
  else std::snprintf(text, sizeof text, "%.1fMB", bytes / 1e6);
  return text;
}

std::string duration_text(double ms) {
  char text[32];
  if (ms < 10'000) std::snprintf(text, sizeof text, "%.1fms", ms);
  else std::snprintf(text, sizeof text, "%.1fs", ms / 1e3);
  return text;
}

// "namespace/account", whatever the trust domain.
std::string short_peer(const std::string& identity) {
  const auto id = identity::WorkloadId::parse(identity);
  return id ? filter::short_name(identity, id->trust_domain()) : identity;
}

std::string ip_of(const std::string& client) { return client.substr(0, client.rfind(':')); }

// "GET /cart": as query parameters, or an error.
std::string query_of(const std::vector<std::string>& words, std::string& error) {
  std::string query;
  const auto add = [&](std::string_view key, std::string_view value) {
    query += (query.empty() ? "" : "&") + escaped(key) + "=" + escaped(value);
  };
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (word.starts_with('/')) add("prefix", word);
    else if (word == "tapped") add("tapped", "");
    else if (equals != word.npos && equals > 0) add(word.substr(0, equals), std::string_view(word).substr(equals + 1));
    else if (word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ,-") == word.npos) add("method", word);
    else error = "\"" + word + "\" is neither a METHOD, a /PATH nor KEY=VALUE";
  }
  return query;
}

// Rows whose columns line up as well as they can, when it is not known what comes next: a column never gets narrower.
class Rows {
 public:
  Rows() : coloured_(::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR")) {}
  void print(const Value& seen) {
    if (std::exchange(fresh_, false))
      print({"TIME", "METHOD", "STATUS", "TOOK", "UP", "DOWN", "FROM", "CLUSTER", "ENDPOINT", "FLAG", "REQUEST"}, "\033[1m");
    const uint64_t status = count_of(seen, "status");
    const bool grpc = seen.HasMember("grpc_status");
    const std::string grpc_status = grpc ? "/" + std::to_string(count_of(seen, "grpc_status")) : "";
    const std::string time = text_of(seen, "time"), flag = text_of(seen, "flag");
    const std::string peer = text_of(seen, "peer"), method = text_of(seen, "method");
    const std::string request = text_of(seen, "host") + text_of(seen, "path");
    const Row row{time.size() > 20 ? time.substr(11, 12) : time,
                  method.empty() ? text_of(seen, "protocol") : method,
                  status ? std::to_string(status) + grpc_status : "",
                  duration_text(number_of(seen, "duration_ms")),
                  bytes_text(number_of(seen, "request_bytes")),
                  bytes_text(number_of(seen, "response_bytes")),
                  peer.empty() ? ip_of(text_of(seen, "client")) : short_peer(peer),
                  text_of(seen, "cluster"),
                  text_of(seen, "endpoint"),
                  flag == "none" ? "" : flag,
                  request};
    const bool bad = status >= 500 || !row[9].empty() || (grpc && count_of(seen, "grpc_status") != 0);
    print(row, bad ? "\033[31m" : status >= 400 ? "\033[33m" : "");
  }

 private:
  using Row = std::array<std::string, 11>;
  static constexpr size_t kWidest = 60;
  static constexpr std::array<bool, 11> kToTheRight{false, false, false, true, true, true, false, false, false, false, false};

  void print(const Row& row, const char* colour) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = row[i].empty() ? "-" : printable(row[i]);
      const bool last = i + 1 == row.size();
      widths_[i] = std::max(widths_[i], std::min(cell.size(), kWidest));
      const std::string room(last || cell.size() > widths_[i] ? 0 : widths_[i] - cell.size(), ' ');
      line += kToTheRight[i] ? room + cell : cell + room;
      if (!last) line += "  ";
    }
    const bool coloured = coloured_ && *colour;
    std::printf("%s%s%s\n", coloured ? colour : "", line.c_str(), coloured ? "\033[0m" : "");
  }

  const bool coloured_;
  bool fresh_ = true;
  std::array<size_t, 11> widths_{12, 7, 6, 8, 6, 7, 15, 12, 21, 9, 0};
};

// What the page says of itself; empty: it shows an exchange.
std::string told(const Value& line) {
  if (line.HasMember("dropped"))
    return std::to_string(count_of(line, "dropped")) + " not shown: they came faster than they were read";
  const std::string end = text_of(line, "end");
  if (end == "duration") return "the time is over (--for asks for more)";
  return end.empty() ? "" : "that was all: " + printable(end);
}

}  // namespace

int show_tap(const Arguments& arguments) {
  std::string error;
  std::string query = query_of(arguments.words(), error);
  if (!error.empty()) return usage_error(kVerb, error);
  const bool json = arguments.has("--json"), curl = arguments.has("--curl");
  if (json && curl) return usage_error(kVerb, "--json or --curl, not both");
  for (const char* flag : {"--limit", "--for"})
    if (arguments.has(flag)) query += (query.empty() ? "" : "&") + std::string(flag + 2) + "=" + escaped(arguments.value(flag));
  Rows rows;
  bool limited = false, ended = false;
  const auto show = [&](const Value& seen) {
    if (curl) std::printf("%s", curl_of(seen).c_str());
    else rows.print(seen);
  };
  const auto on_line = [&](std::string_view line) {
    rapidjson::Document parsed;
    parsed.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (parsed.HasParseError() || !parsed.IsObject()) {
      error = "the answer is not what this version reads";
      return false;
    }
    const std::string about = told(parsed);
    ended |= parsed.HasMember("end");
    limited |= text_of(parsed, "end") == "limit";
    if (json) std::printf("%.*s\n", int(line.size()), line.data());
    else if (about.empty()) show(parsed);
    else if (!limited) std::fprintf(stderr, "outrider tap: %s\n", about.c_str());
    return std::fflush(stdout) == 0;  // whoever read it has gone: so do we
  };
  const auto answer =
      follow_admin(admin_address(arguments.value("--admin")), "/tap" + (query.empty() ? "" : "?" + query), on_line, error);
  if (answer && answer->status != 200) error = answer->body.substr(0, answer->body.find('\n'));
  if (error.empty() && answer && !ended && !std::ferror(stdout)) error = "the proxy has ended, or closed the connection";
  if (error.empty()) return kOk;
  std::fprintf(stderr, "outrider tap: %s\n", printable(error).c_str());
  return answer && answer->status == 429 ? kNegative : kUsage;
}

}  // namespace outrider::server
