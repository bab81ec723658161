#include "admin/traffic.h"

#include "admin/pages.h"
#include "stats/names.h"

namespace outrider::admin {

namespace {

using stats::Series;

constexpr std::string_view kUntold = "__other__";  // of series beyond the most there may be

std::string label(const Series& series, std::string_view name) {
  for (const stats::Label& one : series.labels)
    if (one.name == name) return one.value;
  return {};
}

bool is(const Series& series, const stats::Name& name) { return std::string_view(series.name.name) == name.name; }

// A 5xx, or no answer where there should have been one, is a failure; what the client did wrong is not ours. A TCP
// connection has no code, and no flag when all went well.
void add_requests(Traffic& traffic, const std::string& code, const std::string& flag, uint64_t count) {
  const bool known = code.size() == 3 && code[0] >= '1' && code[0] <= '5';
  traffic.requests += count;
  if (count) traffic.codes[known ? std::string{code[0], 'x', 'x'} : "other"] += count;
  if (known ? code[0] == '5' : flag != "none" && code != kUntold) traffic.failures += count;
}

// Of a peer only the code is counted: there is no telling why a TCP connection ended.
void add_requests(Peer& peer, const std::string& code, uint64_t count) {
  peer.requests += count;
  if (code[0] == '5') peer.failures += count;
}

void add(Picture& picture, const stats::Catalog& catalog, const Series& series) {
  namespace names = stats::names;
  const std::string cluster = label(series, "cluster");
  const std::pair at(label(series, "direction"), cluster);
  if (is(series, names::kRequests))
    add_requests(picture.traffic[at], label(series, "code"), label(series, "flag"), catalog.total(series));
  else if (is(series, names::kRequestDuration)) picture.traffic[at].duration.merge(catalog.histogram(series));
  else if (is(series, names::kRequestsInFlight)) picture.traffic[at].in_flight += int64_t(catalog.total(series));
  else if (is(series, names::kRequestBytes)) picture.traffic[at].request_bytes += catalog.total(series);
  else if (is(series, names::kResponseBytes)) picture.traffic[at].response_bytes += catalog.total(series);
  else if (is(series, names::kPeerRequests))
    add_requests(picture.peers[{at.first, label(series, "peer")}], label(series, "code"), catalog.total(series));
  else if (is(series, names::kClusterRetries)) picture.upstream[cluster].retries += catalog.total(series);
  else if (is(series, names::kClusterConnectFailures)) picture.upstream[cluster].connect_failures += catalog.total(series);
  else if (is(series, names::kClusterConnectionsActive)) picture.upstream[cluster].connections += int64_t(catalog.total(series));
  else if (is(series, names::kClusterPending)) picture.upstream[cluster].pending += int64_t(catalog.total(series));
}

}  // namespace

Picture picture_of(const stats::Catalog& catalog, const std::string& only) {
  Picture picture;
  for (const Series* series : catalog.series())
    if (is_asked(label(*series, "cluster"), only)) add(picture, catalog, *series);
  return picture;
}

}  // namespace outrider::admin
