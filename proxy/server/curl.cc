#include "server/curl.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "config/values.h"
#include "http/header_map.h"
#include "http/secrets.h"
#include "server/json_fields.h"

namespace outrider::server {

namespace {

using http::HeaderId;

// What curl says itself, what concerns one connection, and what we and proxies before us have added.
constexpr http::HeaderSet kNotRepeated =
    http::kHopByHop | http::set_of(HeaderId::Host, HeaderId::ContentLength, HeaderId::Trailer, HeaderId::Expect,
                                   HeaderId::Forwarded, HeaderId::XForwardedFor, HeaderId::XForwardedProto,
                                   HeaderId::XForwardedHost, HeaderId::XForwardedClientCert, HeaderId::XRequestId,
                                   HeaderId::XOutriderAttempt, HeaderId::XOutriderMirror, HeaderId::XOutriderTimeout,
                                   HeaderId::GrpcTimeout);
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_plain(char c) { return uint8_t(c) >= 0x20 && uint8_t(c) < 0x7f; }
bool is_quotable(char c) { return is_plain(c) || c == '\n'; }  // $(...) would lose line ends

// Of a URL: bytes that may not stand in one are percent-encoded.
std::string in_url(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_plain(c) && std::string_view(" \"<>\\^`{|}").find(c) == std::string_view::npos) out += c;
    else out.append({'%', kHex[uint8_t(c) >> 4], kHex[uint8_t(c) & 15]});
  }
  return out;
}

// A host and port and nothing else, so that a URL made of it is of nobody else.
bool is_authority(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
}

// What is known of the request, and what of it cannot be said to curl.
class Command {
 public:
  explicit Command(const rapidjson::Value& seen) : seen_(seen) {}
  std::string text() {
    const std::string method = text_of(seen_, "method");
    if (method.empty()) return "# a connection without HTTP: nothing that curl could repeat\n";
    if (method == "CONNECT") return "# a tunnel by CONNECT: nothing that curl could repeat\n";
    add("curl");
    protocol();
    if (method == "HEAD") add("--head");
    else if (method != "GET") add("-X"), add(method);
    target();
    fields();
    notes();
    std::string out;
    for (const std::string& note : notes_) out += "# " + printable(note) + "\n";
    return out + command_ + "\n";
  }

 private:
  void add(std::string_view word) {
    if (!command_.empty()) command_ += ' ';
    command_ += in_shell(word);
  }
  void header(std::string_view line) {
    add("-H");
    add(line);
  }
  void note(std::string text) { notes_.push_back(std::move(text)); }

  void protocol() {
    const bool encrypted = text_of(seen_, "scheme") == "https";
    if (text_of(seen_, "protocol") == "HTTP/2") add(encrypted ? "--http2" : "--http2-prior-knowledge");
    else add("--http1.1");
  }

  // As it was asked, of the address where the client came; a URL's dots and brackets mean nothing to curl.
  void target() {
    const std::string local = text_of(seen_, "local"), path = text_of(seen_, "path");
    std::string host = text_of(seen_, "host");
    const bool by_path = local.starts_with("unix:"), by_port = !by_path && local.find(':') != local.npos && is_authority(local);
    if (!is_authority(host)) {
      if (!host.empty()) header("Host: " + one_line(host));
      host = by_port ? local : "localhost";
    }
    add("--globoff");
    add("--path-as-is");
    if (by_path) add("--unix-socket"), add(std::string_view(local).substr(5));
    else if (by_port) add("--connect-to"), add("::" + local);
    if (path == "*") add("--request-target"), add("*");
    add(text_of(seen_, "scheme") == "https" ? "https://" + host + target_of(path) : "http://" + host + target_of(path));
    if (path.find(http::kHidden) != std::string::npos) note("its query had something that is hidden");
  }

  static std::string target_of(const std::string& path) { return path.starts_with('/') ? in_url(path) : "/"; }

  // A line end in it would be another field, which no codec lets through; who says otherwise is not us.
  std::string one_line(std::string text) {
    const auto is_end = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
    if (std::erase_if(text, is_end)) note("line ends were taken out");
    if (text.find(kReplacement) != std::string::npos) note("some of it was not UTF-8, and is not exact");
    return text;
  }

  void fields() {
    bool accepts = false, has_agent = false;
    const auto it = seen_.FindMember("request_headers");
    if (it != seen_.MemberEnd() && it->value.IsArray())
      for (const auto& each : it->value.GetArray()) {
        if (!each.IsArray() || each.Size() != 2 || !each[0].IsString() || !each[1].IsString()) continue;
        const std::string name(each[0].GetString(), each[0].GetStringLength());
        const std::string value(each[1].GetString(), each[1].GetStringLength());
        const HeaderId id = http::header_id(name);
        accepts |= id == HeaderId::Accept;
        has_agent |= id == HeaderId::UserAgent;
        field(id, name, value);
      }
    if (!accepts) header("Accept:");  // its own would be another request
    if (!has_agent) header("User-Agent:");
  }

  void field(HeaderId id, const std::string& name, const std::string& value) {
    if (kNotRepeated & http::set_of(id) && id != HeaderId::Other) return;
    if (!config::is_token(name)) return note("a field whose name is none was left out");
    if (value == http::kHidden) return void(hidden_ += (hidden_.empty() ? "" : ", ") + name);
    if (value.find(http::kHidden) != std::string::npos) note("something in " + name + " is hidden");
    const std::string line = one_line(value);
    header(line.empty() ? name + ";" : name + ": " + line);
  }

  void notes() {
    if (!hidden_.empty()) note("left out because they are hidden: " + hidden_);
    if (const auto bytes = count_of(seen_, "request_bytes"))
      note("its body of " + std::to_string(bytes) + " bytes is not kept: --data-binary @FILE would send one");
    if (const auto upgrade = text_of(seen_, "upgrade"); !upgrade.empty())
      note("it asked for an upgrade to " + upgrade + ", which is not repeated");
    if (const auto count = count_of(seen_, "left_out")) note(std::to_string(count) + " of its parts were too long to be shown");
  }

  const rapidjson::Value& seen_;
  std::string command_, hidden_;
  std::vector<std::string> notes_;
};

}  // namespace

std::string in_shell(std::string_view text) {
  const auto harmless = [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("-_./:=@%+,").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), harmless)) return std::string(text);
  std::string out;
  if (std::all_of(text.begin(), text.end(), is_quotable)) {
    out = "'";
    for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
    return out += "'";
  }
  char octal[8];
  for (size_t at = 0; at < text.size();) {
    const bool quotable = is_quotable(text[at]);
    const size_t from = at;
    while (at < text.size() && is_quotable(text[at]) == quotable) ++at;
    if (quotable) {
      out += in_shell(text.substr(from, at - from));
      continue;
    }
    out += "\"$(printf '";  // with octal escapes, which every sh has
    for (size_t i = from; i < at; ++i) {
      std::snprintf(octal, sizeof octal, "\\%03o", unsigned(uint8_t(text[i])));
      out += octal;
    }
    out += "')\"";
  }
  return out;
}

std::string printable(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    if (is_plain(c)) out += c;
    else out.append({'\\', 'x', kHex[uint8_t(c) >> 4], kHex[uint8_t(c) & 15]});
  }
  return out;
}

std::string curl_of(const rapidjson::Value& seen) { return Command(seen).text(); }

}  // namespace outrider::server
