#include "discovery/kubernetes/slice_set.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"
#include "net/address.h"

namespace outrider::discovery {

namespace {

using State = SliceEndpoint::State;

bool is_or_begins(std::string_view name, std::string_view word) {  // "http", "http-admin"
  return name == word || (name.starts_with(word) && name[word.size()] == '-');
}

// What a port speaks, as appProtocol or, without one, the name's first word says.
const char* protocol_of(const SlicePort& port) {
  const std::string& said = port.app_protocol;
  const auto is = [&](std::string_view word) { return said.empty() ? is_or_begins(port.name, word) : said == word; };
  if (is("grpc")) return "grpc";
  if (is("kubernetes.io/h2c") || is("h2c") || is("http2")) return "http2";
  if (is("kubernetes.io/ws")) return "http1";
  if (is("tcp")) return "tcp";
  return "auto";
}

// How much a port looks like the one that is meant where nobody says which; less is more.
int rank_of(const SlicePort& port) {
  const std::string_view name = port.name, said = port.app_protocol;
  if (name == "http") return 0;
  if (is_or_begins(name, "http") || is_or_begins(name, "http2") || is_or_begins(name, "h2c")) return 1;
  if (said == "http" || said == "kubernetes.io/h2c" || said == "kubernetes.io/ws") return 2;
  if (is_or_begins(name, "grpc") || said == "grpc") return 3;
  return is_or_begins(name, "https") || is_or_begins(name, "metrics") ? 5 : 4;
}

struct Found {  // an endpoint as one slice has it
  const Slice* slice = nullptr;
  const SliceEndpoint* endpoint = nullptr;
  const SlicePort* port = nullptr;
  uint64_t written = 0;
};

// Topology: whom a zone's clients should call is said by hints, where there are any.
const std::string& zone_of(const SliceEndpoint& endpoint, const std::string& own) {
  const auto& hints = endpoint.for_zones;
  if (hints.empty()) return endpoint.zone;
  const auto ours = std::find(hints.begin(), hints.end(), own);
  return ours != hints.end() ? *ours : hints.front();
}

bool wants_identity(const SliceRules& rules, const Slice& slice) {
  if (rules.tls != SliceRules::Tls::Auto) return rules.tls == SliceRules::Tls::Identity;
  if (slice.tls == "clear") return false;
  return slice.tls == "identity" || rules.tls_expected;
}

std::string count(size_t n, const char* one, const char* more) { return std::to_string(n) + (n == 1 ? one : more); }

}  // namespace

void SliceSet::replace(std::vector<Slice> all) {
  slices_.clear();
  ++writes_;
  for (Slice& slice : all) {
    std::string name = slice.name;
    slices_[std::move(name)] = {std::move(slice), writes_};
  }
}

void SliceSet::put(Slice slice) {
  std::string name = slice.name;
  slices_[std::move(name)] = {std::move(slice), ++writes_};
}

size_t SliceSet::endpoints() const {
  size_t all = 0;
  for (const auto& [name, held] : slices_) all += held.slice.endpoints.size();
  return all;
}

Endpoints SliceSet::endpoints(const SliceRules& rules) const {
  Endpoints to;
  // The port by its name, which is the same in all slices; the number may be another where pods differ.
  const SlicePort* chosen = nullptr;
  const auto is_asked = [&](const SlicePort& port) { return port.name == rules.port || std::to_string(port.port) == rules.port; };
  for (const auto& [name, held] : slices_)
    for (const SlicePort& port : held.slice.ports)
      if (rules.port.empty() ? !chosen || rank_of(port) < rank_of(*chosen) : !chosen && is_asked(port)) chosen = &port;
  if (!chosen) {
    if (endpoints() > 0) to.trouble = rules.port.empty() ? "it has no port of TCP" : "it has no port " + rules.port;
    return to;
  }

  std::map<std::string, Found> by_address;
  for (const auto& [name, held] : slices_) {
    const Slice& slice = held.slice;
    const auto port = std::find_if(slice.ports.begin(), slice.ports.end(), [&](const SlicePort& each) {
      return each.name == chosen->name && (!chosen->name.empty() || slice.ports.size() == 1 || each.port == chosen->port);
    });
    if (port == slice.ports.end() || slice.family == Slice::Family::Other) continue;
    for (const SliceEndpoint& endpoint : slice.endpoints) {
      const bool v6 = slice.family == Slice::Family::V6;
      const std::string text = (v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" + std::to_string(port->port);
      const auto address = net::Address::parse(text);
      if (!address || address->is_unix() || endpoint.address.empty()) continue;
      Found& found = by_address[address->text()];
      const bool newer = !found.slice || held.written > found.written ||
                         (held.written == found.written && endpoint.state < found.endpoint->state);
      if (newer) found = {&slice, &endpoint, &*port, held.written};
    }
  }

  // A pod with two addresses is called at one of them. Those that are no pods are held to be the same ones in both families.
  std::set<std::string> preferred;
  const auto is_preferred = [&](const Found& found) { return (found.slice->family == Slice::Family::V6) == rules.v6_first; };
  size_t out = 0, unidentified = 0, beyond = 0;
  for (const auto& [address, found] : by_address)
    if (found.endpoint->state != State::Out && is_preferred(found)) preferred.insert(found.endpoint->uid);
  for (const auto& [address, found] : by_address) {
    const SliceEndpoint& endpoint = *found.endpoint;
    if (endpoint.state == State::Out) {
      ++out;
      continue;
    }
    if (!is_preferred(found) && preferred.count(endpoint.uid)) continue;
    const bool mutual = wants_identity(rules, *found.slice);
    if (mutual && !rules.identified) {
      ++unidentified;
      continue;
    }
    if (to.all.size() >= rules.most) {
      ++beyond;
      continue;
    }
    auto facts = std::make_shared<Instance>();
    facts->address = address;
    if (mutual) facts->identity = rules.space + "/*";
    facts->mutual_tls = mutual;
    facts->instance = endpoint.pod;
    facts->zone = zone_of(endpoint, rules.zone);
    facts->protocol = protocol_of(*found.port);
    facts->draining = endpoint.state == State::Draining;
    if (!endpoint.node.empty()) facts->labels.emplace_back("node", endpoint.node);
    if (!endpoint.pod.empty()) facts->labels.emplace_back("pod", endpoint.pod);
    to.all.push_back(std::move(facts));
  }
  if (unidentified > 0)
    to.trouble =
        count(unidentified, " endpoint takes", " endpoints take") + " mutual TLS alone, and this proxy has no identity to show";
  else if (beyond > 0) to.trouble = count(beyond, " endpoint is", " endpoints are") + " beyond registry.kubernetes.max_endpoints";
  else if (to.all.empty()) to.trouble = out > 0 ? count(out, " pod is not ready", " pods are not ready") : "it has no pods";
  return to;
}

}  // namespace outrider::discovery
