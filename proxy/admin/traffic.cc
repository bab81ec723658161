#include "admin/traffic.h"

#include "admin/json.h"
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
void add_requests(Counts& counts, const std::string& code, const std::string& flag, uint64_t count) {
  const bool known = code.size() == 3 && code[0] >= '1' && code[0] <= '5';
  counts.requests += count;
  if (count) counts.codes[known ? std::string{code[0], 'x', 'x'} : "other"] += count;
  if (known ? code[0] == '5' : flag != "none" && code != kUntold) counts.failures += count;
}

void add(Picture& picture, const stats::Catalog& catalog, const Series& series) {
  namespace names = stats::names;
  const std::string cluster = label(series, "cluster"), direction = label(series, "direction");
  const Key at{direction, cluster}, by_route{direction, label(series, "route"), cluster};
  const auto each = [&](const auto& f) {
    f(picture.traffic[at]);
    f(picture.routes[by_route]);
  };
  if (is(series, names::kRequests))
    each([&](Traffic& to) { add_requests(to, label(series, "code"), label(series, "flag"), catalog.total(series)); });
  else if (is(series, names::kPeerRequests))  // there is no telling why a TCP connection ended
    add_requests(picture.peers[{direction, label(series, "peer")}], label(series, "code"), "none", catalog.total(series));
  else if (is(series, names::kRequestDuration))
    each([&, observed = catalog.histogram(series)](Traffic& to) { to.duration.merge(observed); });
  else if (is(series, names::kRequestBytes)) each([&](Traffic& to) { to.request_bytes += catalog.total(series); });
  else if (is(series, names::kResponseBytes)) each([&](Traffic& to) { to.response_bytes += catalog.total(series); });
  else if (is(series, names::kRequestsInFlight)) picture.traffic[at].in_flight += int64_t(catalog.total(series));
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

void write_upstream(Json& json, const Picture& picture) {
  json.key("upstream").array();
  for (const auto& [cluster, upstream] : picture.upstream)
    json.object(Json::Shape::OneLine)
        .field("cluster", cluster)
        .field("connections", upstream.connections)
        .field("pending", upstream.pending)
        .field("retries", upstream.retries)
        .field("connect_failures", upstream.connect_failures)
        .close();
  json.close();
}

}  // namespace outrider::admin
