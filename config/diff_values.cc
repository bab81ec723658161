// Any two values, leaf by leaf, and what it means for traffic where that can be said.

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "config/differences.h"
#include "config/reader.h"
#include "config/secret.h"
#include "config/values.h"

namespace outrider::config {

namespace {

using Impact = Difference::Severity;

struct Effect {
  Impact severity = Impact::Changes;
  const char* text = "";  // empty: the values say enough
};

// What it means that a value is another. Values that can be compared have two ways to go; 0 and off are more than anything where
// they stand for "no limit".
struct Meaning {
  const char* path;  // '*': any one key
  bool zero_is_none;
  Effect less, more;
  const char* called = nullptr;  // else its keys
};

constexpr auto B = Impact::Breaks, R = Impact::Risk, C = Impact::Changes, N = Impact::Note;

constexpr Meaning kMeanings[] = {
    {"listeners.*.tls.min",
     false,
     {R, "older versions of TLS are accepted"},
     {B, "clients that know no newer one are refused"},
     "TLS minimum"},
    {"listeners.*.tls.client_ca", false, {B, "clients need a certificate of one of these authorities"}, {}, "TLS client_ca"},
    {"listeners.*.tls.ciphers", false, {R, "clients that have none of these are refused"}, {}, "TLS ciphers"},
    {"listeners.*.tls.curves", false, {R, "clients that have none of these are refused"}, {}, "TLS curves"},
    {"listeners.*.tls.alpn", false, {R, "clients that speak none of these are refused"}, {}, "TLS ALPN"},
    {"listeners.*.tls.cert", false, {C, "clients are shown another certificate"}, {}, "TLS certificate"},
    {"listeners.*.tls.key", false, {N, ""}, {}, "TLS key"},
    {"listeners.*.tls", false, {B, "clients that speak as before are not understood"}, {}, "TLS"},
    {"listeners.*.protocol", false, {B, "clients that speak another protocol are refused"}, {}},
    {"listeners.*.direction", false, {C, "other rules are implied, and metrics have another label"}, {}},
    {"listeners.*.transparent", false, {R, "redirected connections are treated otherwise"}, {}},
    {"listeners.*.limits.connections", false, {R, "one more connection is refused"}, {N, ""}},
    {"listeners.*.limits.per_ip", true, {R, "one more from the same address is refused"}, {N, ""}},
    {"listeners.*.limits.rate", true, {R, "more new connections a second are refused"}, {N, ""}},
    {"listeners.*.limits.buffer", false, {N, ""}, {N, ""}},
    {"listeners.*.http.max_body", true, {R, "longer bodies are answered with 413"}, {N, ""}},
    {"listeners.*.http.max_header_bytes", false, {R, "longer heads are answered with 431"}, {N, ""}},
    {"listeners.*.http.max_headers", false, {R, "heads with more fields are answered with 431"}, {N, ""}},
    {"listeners.*.http.max_streams", false, {C, ""}, {N, ""}},
    {"listeners.*.http.http10", false, {B, "HTTP/1.0 is answered with 505"}, {N, ""}},
    {"listeners.*.http.websocket", false, {B, "WebSockets are answered with 403"}, {N, ""}},
    {"listeners.*.http.strict",
     false,
     {R, "requests that can be read in two ways are let through"},
     {R, "requests that can be read in two ways are refused"}},
    {"listeners.*.http.escaped_slash", false, {R, ""}, {}},
    {"listeners.*.http.forwarded", false, {R, "endpoints are told otherwise who the client is"}, {}},
    {"listeners.*.timeouts.*", true, {R, "who is slower is cut off"}, {N, ""}},
    {"clusters.*.timeout", true, {R, "slower answers will be 504"}, {N, ""}},
    {"clusters.*.connect_timeout", false, {R, "endpoints that take longer to connect count as failed"}, {N, ""}},
    {"clusters.*.retry.attempts",
     false,
     {R, "failures that a retry hid will be seen"},
     {C, "endpoints that fail are asked more often"}},
    {"clusters.*.retry.per_try_timeout", true, {R, "slower tries are given up"}, {N, ""}},
    {"clusters.*.retry.budget",
     false,
     {R, "failures that a retry hid will be seen"},
     {C, "endpoints that fail are asked more often"}},
    {"clusters.*.retry", false, {R, ""}, {}},
    {"clusters.*.retry.when", false, {R, ""}, {}},
    {"clusters.*.circuit_breaker.*", false, {R, "what is beyond is refused with 503"}, {N, ""}},
    {"clusters.*.outlier_detection", false, {R, ""}, {}},
    {"clusters.*.health_check", false, {R, ""}, {}},
    {"clusters.*.protocol", false, {R, "endpoints are spoken to in another protocol"}, {}},
    {"clusters.*.tls", false, {R, "endpoints are spoken to otherwise"}, {}, "TLS"},
    {"clusters.*.tls.min", false, {N, ""}, {R, "endpoints that know no newer one cannot be used"}, "TLS minimum"},
    {"clusters.*.tls.ca", false, {R, "endpoints whose certificate is not of these authorities cannot be used"}, {}, "TLS ca"},
    {"clusters.*.tls.sni", false, {R, "endpoints whose certificate is not for that name cannot be used"}, {}, "TLS sni"},
    {"clusters.*.tls.identity", false, {R, "endpoints with another identity cannot be used"}, {}, "TLS identity"},
    {"clusters.*.constraints.require.*", false, {R, "endpoints without that label get no requests"}, {}},
    {"clusters.*.discovery", false, {R, "endpoints come from elsewhere"}, {}},
    {"clusters.*.endpoints_file", false, {R, "endpoints come from elsewhere"}, {}},
    {"clusters.*.dns.name", false, {R, "endpoints come from elsewhere"}, {}},
    {"clusters.*.dns.*", false, {C, ""}, {C, ""}},
    {"clusters.*.panic", false, {C, ""}, {C, ""}},
    {"clusters.*.pool.*", false, {N, ""}, {N, ""}},
    {"service.name", false, {B, "callers of the old name no longer find it"}, {}},
    {"service.namespace", false, {B, "callers in the old namespace no longer find it"}, {}},
    {"service.version", false, {C, "callers of name@version find another"}, {}},
    {"service.port", false, {R, "the application is asked at another port"}, {}},
    {"service.ports", false, {R, "the application is asked at another port"}, {}},
    {"service.address", false, {R, "the application is asked at another address"}, {}},
    {"service.register", false, {B, "others no longer find it"}, {C, "others find it"}},
    {"service.weight", false, {C, "it gets a smaller share of requests"}, {C, "it gets a larger share of requests"}},
    {"service.health.*", false, {R, ""}, {R, ""}},
    {"service.concurrency", true, {R, "one more request waits, or is refused"}, {N, ""}},
    {"service.admission.success_rate", false, {N, ""}, {R, "requests are refused sooner when the service fails"}},
    {"service.admission", false, {R, ""}, {}},
    {"service.queue.max", false, {R, "one more that waits is refused"}, {N, ""}},
    {"service.queue.timeout", false, {R, "who waits longer is refused"}, {N, ""}},
    {"identity.mtls", false, {R, ""}, {}},
    {"identity.trust_domain", false, {B, "peers of the old trust domain are strangers"}, {}},
    {"identity.spiffe_id", false, {B, "who allows the old identity refuses the new one"}, {}},
    {"identity.dir", false, {R, "another certificate is shown"}, {}},
    {"identity.workload_api", false, {R, "another certificate is shown"}, {}},
    {"identity.trust.*", false, {R, "who is vouched for there is another"}, {}},
    {"identity.tls.min",
     false,
     {R, "older versions of TLS are accepted"},
     {B, "sidecars that know no newer one are refused"},
     "TLS minimum between sidecars"},
    {"identity.tls.*", false, {R, "sidecars that have none of these are refused"}, {}},
    {"authorization.mode", false, {R, ""}, {}},
    {"registry.kind", false, {B, "services are found elsewhere, or not at all"}, {}},
    {"registry.key", false, {B, "nodes that have the old key alone are not heard, and do not hear us"}, {}},
    {"registry.network", false, {B, "nodes of the old network are not heard"}, {}},
    {"registry.bind", false, {R, "others find this node at another address"}, {}},
    {"registry.bootstrap", false, {C, "other nodes are asked first"}, {}},
    {"registry.sign", false, {R, "other records are believed"}, {}},
    {"registry.owners.*", false, {R, "others may speak for it"}, {}},
    {"registry.node_ids", false, {R, "other nodes are listened to"}, {}},
    {"registry.kubernetes.server", false, {B, "services are found in another cluster"}, {}},
    {"registry.kubernetes.namespace", false, {B, "names without a namespace mean other services"}, {}},
    {"registry.kubernetes.tls", false, {R, "endpoints are spoken to otherwise: by mutual TLS, or in clear text"}, {}},
    {"registry.kubernetes.*", false, {N, ""}, {N, ""}},
    {"registry.stale.serve", false, {R, "endpoints are forgotten sooner when nobody answers"}, {N, ""}},
    {"overload.memory", true, {R, "requests of low priority are refused sooner"}, {N, ""}},
    {"overload.connections", false, {R, "one more connection is refused"}, {N, ""}},
    {"overload.loop_lag", true, {R, "requests of low priority are refused sooner"}, {N, ""}},
    {"lifecycle.drain.time", false, {R, "what is open for longer is cut off at the end"}, {N, ""}},
    {"lifecycle.ready_when", false, {C, "/ready waits for other things"}, {}},
    {"telemetry.metrics.address", false, {R, "who scrapes the old address gets nothing"}, {}},
    {"telemetry.metrics", false, {R, "who scrapes the old address gets nothing"}, {}},
    {"admin.address", false, {R, "who asks the old address gets no answer"}, {}},
    {"admin.health", false, {B, "probes of the old address fail"}, {}},
    {"admin.debug", false, {C, "most admin pages are closed"}, {C, "all admin pages are open"}},
    {"experiments.*.fault", false, {R, "other requests fail or wait"}, {}},
};

bool is_of(const char* pattern, const Keys& keys) {
  const auto parts = split(pattern, '.');
  if (parts.size() != keys.size()) return false;
  for (size_t i = 0; i < keys.size(); ++i)
    if (parts[i] != "*" && parts[i] != keys[i]) return false;
  return true;
}

const Meaning* meaning_of(const Keys& keys) {
  for (const Meaning& each : kMeanings)
    if (is_of(each.path, keys)) return &each;
  return nullptr;
}

// What nobody has a word for: what requests pass through, or what only people see.
Effect usual(const Keys& keys) {
  const std::string& first = keys.front();
  return {first == "telemetry" || first == "admin" || first == "config" || first == "node" || first == "lifecycle" ? N : C, ""};
}

std::optional<double> measure(const Node& value) {
  if (!value.is_scalar()) return {};
  const std::string& text = value.text();
  if (const auto on = switch_of(text)) return *on ? 1 : 0;
  if (const auto number = parse_decimal(text.ends_with("/s") ? std::string_view(text).substr(0, text.size() - 2) : text))
    return number;
  if (const auto duration = duration_of(text)) return double(duration->count());
  if (const auto size = size_of(text)) return double(*size);
  if (const auto share = share_of(text)) return *share;
  return {};
}

bool is_more(const Node& before, const Node& after, bool zero_is_none) {
  const auto a = measure(before), b = measure(after);
  if (!a || !b) return false;
  if (zero_is_none && (*a == 0) != (*b == 0)) return *b == 0;
  return *b > *a;
}

// The few of which the words say more than the values.
std::optional<Effect> special(const Keys& keys, const Node* before, const Node* after) {
  const std::string from = before && before->is_scalar() ? before->text() : "",
                    to = after && after->is_scalar() ? after->text() : "";
  const std::string path = joined(keys, ".");
  if (path == "identity.mtls") {
    if (to == "strict") return Effect{B, "who comes without mutual TLS is refused"};
    if (to == "off") return Effect{R, "traffic between sidecars is clear text"};
    return Effect{from == "strict" ? R : C, "who comes without mutual TLS is let in, too"};
  }
  if (path == "authorization.mode")
    return to == "enforce" ? Effect{B, "what it denies is refused, no longer only counted"}
                           : Effect{R, "what it denies is only counted, and let in"};
  if (path == "service.weight" && to == "0") return Effect{B, "it is drained: callers send it nothing more"};
  if (is_of("listeners.*.tls", keys) && (is_off(from) || is_off(to)))
    return is_off(from) ? Effect{B, "clients that speak clear text are refused"}
                        : Effect{B, "clients that speak TLS are not understood"};
  if (is_of("listeners.*.tls.client_ca", keys) && to.empty()) return Effect{R, "clients need no certificate any more"};
  if (is_of("clusters.*.retry", keys) && is_off(to)) return Effect{R, "failures that a retry hid will be seen"};
  if (is_of("clusters.*.outlier_detection", keys) && is_off(to)) return Effect{R, "endpoints that fail keep getting requests"};
  if (is_of("clusters.*.health_check", keys) && is_off(from)) return Effect{C, "endpoints that do not answer it are left out"};
  if (is_of("clusters.*.health_check", keys) && is_off(to))
    return Effect{R, "endpoints are no longer asked whether they are well"};
  return {};
}

bool is_nothing(const Node* node) {
  return !node || node->is_null() || ((node->is_map() || node->is_list()) && node->size() == 0);
}

std::string flow_text(const Node& value);

std::string scalar_text(const Node& value) {
  if (!value.written().empty()) return value.written();
  if (is_secret(value.text())) return shown_secret(value.text());
  if (value.text().empty()) return "nothing";
  return value.text().size() > 80 ? value.text().substr(0, 77) + "..." : value.text();
}

// Of a map what somebody has said: defaults go without saying.
std::string map_text(const Node& value) {
  std::string all, said;
  for (const auto& entry : value.entries()) {
    const std::string one = entry.key + ": " + flow_text(entry.value);
    const bool standard = entry.value.origin().kind == Origin::Kind::Default;
    if (entry.value.is_map() && entry.value.size() == 0) continue;
    if (!standard) said += (said.empty() ? "" : ", ") + one;
    all += (all.empty() ? "" : ", ") + one;
  }
  return said.empty() ? (all.size() > 60 ? "on, with its defaults" : "{" + all + "}") : "{" + said + "}";
}

std::string flow_text(const Node& value) {
  if (value.is_scalar()) return scalar_text(value);
  if (value.is_map()) return map_text(value);
  std::string out;
  for (const Node& item : value.items()) out += (out.empty() ? "" : ", ") + flow_text(item);
  return value.size() == 1 ? out : "[" + out + "]";
}

bool scalars_alone(const Node& list) {
  return list.is_list() &&
         std::none_of(list.items().begin(), list.items().end(), [](const Node& item) { return !item.is_scalar(); });
}

// "a -> b"; of lists what has come and what has gone.
std::string change_text(const Node* before, const Node* after, const char* nothing) {
  if (before && after && scalars_alone(*before) && scalars_alone(*after) && before->size() + after->size() > 2) {
    std::vector<std::string> come, gone;
    const auto has = [](const Node& list, const Node& item) {
      return std::find(list.items().begin(), list.items().end(), item) != list.items().end();
    };
    for (const Node& item : after->items())
      if (!has(*before, item)) come.push_back(scalar_text(item));
    for (const Node& item : before->items())
      if (!has(*after, item)) gone.push_back(scalar_text(item));
    std::string out;
    if (!gone.empty()) out += "without " + joined(gone) + " now";
    if (!come.empty()) out += (out.empty() ? "" : ", ") + std::string("with ") + joined(come) + (gone.empty() ? " now" : "");
    return out.empty() ? "in another order" : out;
  }
  const auto text = [&](const Node* value) { return is_nothing(value) ? std::string(nothing) : flow_text(*value); };
  const std::string from = text(before), to = text(after);
  if (from == to) return "has another value in " + to;  // of a variable
  return from + " -> " + to;
}

void one(const Node* before, const Node* after, const Compared& what, Differences& out) {
  const Meaning* const meaning = meaning_of(what.path);
  Effect effect = usual(what.path);
  if (const auto found = special(what.path, before, after)) effect = *found;
  else if (meaning)
    effect =
        before && after && is_more(*before, *after, meaning->zero_is_none) && (*meaning->more.text || meaning->more.severity != C)
            ? meaning->more
            : meaning->less;
  std::string name = meaning && meaning->called ? meaning->called : "";
  for (size_t i = what.named; name.empty() && i < what.path.size(); ++i)
    for (size_t j = i; j < what.path.size(); ++j) name += (j == i ? "" : ".") + what.path[j];
  std::string path;
  for (const auto& key : what.path) path = join_path(path, key);
  std::string sentence = what.subject + name + (name.empty() ? "" : " ") + change_text(before, after, what.nothing);
  if (*effect.text) sentence += std::string(": ") + effect.text;
  out.push_back({what.kind, std::move(path), std::move(sentence), effect.severity});
}

Compared below(const Compared& what, const std::string& key) {
  Compared deeper = what;
  deeper.path.push_back(key);
  deeper.skip.clear();
  return deeper;
}

// A map that can be switched off, or be given as a word.
bool has_two_forms(const Node* a, const Node* b) { return a && b && a->is_map() != b->is_map(); }

}  // namespace

void diff_values(const Node* before, const Node* after, const Compared& what, Differences& out) {
  if (is_nothing(before) && is_nothing(after)) return;
  if (before && after && *before == *after) return;
  const bool maps = (is_nothing(before) || before->is_map()) && (is_nothing(after) || after->is_map());
  if (!maps || has_two_forms(before, after)) return one(before, after, what, out);
  // One has it and the other has nothing of it: one sentence, where it is not the whole section.
  if (what.path.size() > 1 && (is_nothing(before) || is_nothing(after)) && what.path.size() > what.named)
    return one(before, after, what, out);
  Keys keys;
  for (const Node* node : {before, after})
    if (node)
      for (const auto& entry : node->entries())
        if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) keys.push_back(entry.key);
  for (const std::string& key : keys)
    if (std::find(what.skip.begin(), what.skip.end(), key) == what.skip.end())
      diff_values(before ? before->find(key) : nullptr, after ? after->find(key) : nullptr, below(what, key), out);
}

}  // namespace outrider::config
