// Somebody else decides who may come in: asked by HTTP, for each request, before it goes on.
//   ext_authz: {cluster: authz, protocol: http, timeout: 200ms, on_error: deny, headers: [authorization, cookie],
//               forward: [x-user], prefix: /check, max_body: 64KiB}

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/values.h"
#include "filter/options.h"
#include "http/grammar.h"

namespace outrider::filters {

namespace {

using http::HeaderId;

constexpr const char* kName = "ext_authz";
constexpr size_t kMostBody = 1024 * 1024;

struct AuthzSettings {
  std::string cluster, prefix;
  milliseconds timeout{200};
  bool allow_on_error = false;
  std::vector<std::string> headers{"authorization", "cookie"}, forward;
  size_t max_body = 64 * 1024;
};

// Why nobody has decided, as it is counted: where that lets nobody in, and where it lets in.
struct Undecided {
  const char *denied, *allowed;
};
constexpr Undecided kTimeout{"authz_timeout", "authz_timeout_allowed"};
constexpr Undecided kUnavailable{"authz_unavailable", "authz_unavailable_allowed"};
constexpr Undecided kFailed{"authz_failed", "authz_failed_allowed"};

// Owned by the chains that use it; const, any worker.
class ExtAuthz final : public filter::Filter {
 public:
  explicit ExtAuthz(AuthzSettings settings) : settings_(std::move(settings)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  std::string_view cluster() const override { return settings_.cluster; }

  filter::Verdict on_request(filter::Call& call) const override {
    for (const std::string& name : settings_.forward) call.request().headers.remove(name);
    auto* const question = call.arena().make<filter::Subrequest>(call.arena());
    write_target(call, question->head);
    write_fields(call, question->head.headers);
    question->timeout = settings_.timeout;
    question->most = settings_.max_body;
    call.fetch(*this, *question);
    return filter::Verdict::Pause;
  }

  filter::Verdict on_fetched(filter::Call& call, const filter::Subrequest& answer) const override {
    if (answer.error) return undecided(call, std::string_view(answer.error) == "timeout" ? kTimeout : kUnavailable);
    if (answer.status < 200 || answer.status >= 500) return undecided(call, kFailed);
    if (answer.status >= 300) return refuse(call, answer);
    for (const std::string& name : settings_.forward)
      for (const http::Field& field : answer.headers->fields())
        if (equals_ignore_case(field.name, name)) call.request().headers.add(name, field.value);
    return filter::Verdict::Continue;
  }

 private:
  // What is asked for a tunnel is whether it may be.
  void write_target(filter::Call& call, http::RequestHead& head) const {
    const http::RequestHead& request = call.request();
    const bool connect = request.method == http::Method::Connect;
    head.method = connect ? http::Method::Get : request.method;
    head.method_text = connect ? "GET" : request.method_text;
    head.scheme = call.peer().encrypted ? "https" : "http";
    head.authority = request.authority;
    const bool asterisk = request.form == http::Form::Asterisk;
    if (asterisk && settings_.prefix.empty()) head.form = request.form;
    head.path = settings_.prefix.empty() ? request.path
                                         : call.arena().concat(settings_.prefix, asterisk ? std::string_view("/") : request.path);
  }

  // Who comes is what we know of it, whatever the client says.
  void write_fields(filter::Call& call, http::HeaderMap& fields) const {
    const http::HeaderMap& given = call.request().headers;
    fields.add("Host", call.request().authority);
    for (const http::Field& field : given.fields())
      if (std::any_of(settings_.headers.begin(), settings_.headers.end(),
                      [&](const std::string& name) { return equals_ignore_case(field.name, name); }))
        fields.add(field.name, field.value);
    const filter::Peer& peer = call.peer();
    const std::string_view client = peer.remote_ip.empty() ? "unknown" : peer.remote_ip;
    const std::string_view chain = given.value(HeaderId::XForwardedFor);
    fields.set(HeaderId::XForwardedFor, chain.ends_with(call.arena().concat(", ", client)) ? chain : client);
    const std::string_view scheme = given.value(HeaderId::XForwardedProto);
    fields.set(HeaderId::XForwardedProto, !scheme.empty() ? scheme : peer.encrypted ? "https" : "http");
    if (const auto id = given.value(HeaderId::XRequestId); !id.empty()) fields.set(HeaderId::XRequestId, id);
    fields.remove(HeaderId::XForwardedClientCert);
    if (!peer.identity.empty()) fields.set(HeaderId::XForwardedClientCert, call.arena().concat("URI=", peer.identity));
  }

  filter::Verdict undecided(filter::Call& call, const Undecided& why) const {
    if (settings_.allow_on_error) {
      call.let_in(kName, why.allowed);
      return filter::Verdict::Continue;
    }
    call.deny(503, kName, why.denied, "Nobody could say whether this is allowed.");
    return filter::Verdict::Answered;
  }

  // What was said is said to the client, without what concerns the connection it came by.
  filter::Verdict refuse(filter::Call& call, const filter::Subrequest& answer) const {
    static constexpr std::array<std::string_view, 7> kPassed{"www-authenticate", "location",      "set-cookie", "content-type",
                                                             "content-encoding", "cache-control", "retry-after"};
    for (const http::Field& field : answer.headers->fields())
      if (std::any_of(kPassed.begin(), kPassed.end(), [&](auto name) { return equals_ignore_case(field.name, name); }))
        call.response().headers.add(field.name, field.value);
    call.deny(answer.status, kName, "authz_denied", answer.body);
    return filter::Verdict::Answered;
  }

  const AuthzSettings settings_;
};

bool read_on_error(filter::Options& options, bool& allow) {
  std::string text = "deny";
  if (!options.text("on_error", text)) return false;
  if (text != "deny" && text != "allow") return options.fail("on_error", "expected deny or allow, got \"" + text + "\"");
  allow = text == "allow";
  return true;
}

bool read_headers(filter::Options& options, const char* key, std::vector<std::string>& names) {
  if (options.find(key)) names.clear();
  if (!options.texts(key, names)) return false;
  for (const std::string& name : names)
    if (!http::is_token(name) || filter::is_reserved(name)) return options.fail(key, "\"" + name + "\" cannot be one of them");
  return true;
}

bool read_prefix(filter::Options& options, std::string& prefix) {
  if (!options.text("prefix", prefix)) return false;
  if (prefix.empty()) return true;
  if (!config::check_path(prefix).empty()) return options.fail("prefix", "expected a path, like /check");
  if (prefix.ends_with('/')) prefix.pop_back();
  return true;
}

bool read_protocol(filter::Options& options) {
  std::string text = "http";
  if (!options.text("protocol", text)) return false;
  return text == "http" || options.fail("protocol", "expected http, got \"" + text + "\"");
}

}  // namespace

std::unique_ptr<const filter::Filter> make_ext_authz(const config::Node& node, filter::Complaint& complaint) {
  filter::Options options(node, complaint);
  AuthzSettings settings;
  if (!options.only({"cluster", "protocol", "timeout", "on_error", "headers", "forward", "prefix", "max_body"}) ||
      !options.text("cluster", settings.cluster, true) || !read_protocol(options) ||
      !options.duration("timeout", settings.timeout, milliseconds(1), std::chrono::minutes(1)) ||
      !read_on_error(options, settings.allow_on_error) || !read_headers(options, "headers", settings.headers) ||
      !read_headers(options, "forward", settings.forward) || !read_prefix(options, settings.prefix) ||
      !options.size("max_body", settings.max_body, kMostBody))
    return nullptr;
  return std::make_unique<ExtAuthz>(std::move(settings));
}

}  // namespace outrider::filters
