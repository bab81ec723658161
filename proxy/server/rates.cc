#include "server/rates.h"

#include <algorithm>
#include <cmath>

#include "admin/json.h"
#include "server/json_fields.h"

namespace outrider::server {

namespace {

using rapidjson::Value;

const Value* array_of(const Value& object, const char* key) {
  const auto it = object.FindMember(key);
  return it != object.MemberEnd() && it->value.IsArray() ? &it->value : nullptr;
}

template <class F>
void each_of(const Value& object, const char* key, const F& f) {
  if (const Value* const all = array_of(object, key))
    for (const Value& each : all->GetArray())
      if (each.IsObject()) f(each);
}

Look::Counts counts_of(const Value& each) {
  Look::Counts counts;
  counts.requests = number_of(each, "requests");
  counts.failures = number_of(each, "failures");
  counts.in_flight = number_of(each, "in_flight");
  if (const Value* const buckets = array_of(each, "buckets"))
    for (const Value& bucket : buckets->GetArray())
      if (bucket.IsArray() && bucket.Size() == 2 && bucket[0].IsUint() && bucket[1].IsUint64() &&
          bucket[0].GetUint() < stats::Histogram::kBuckets)
        counts.duration.add(bucket[0].GetUint(), bucket[1].GetUint64(), 0);
  return counts;
}

double more(double now, double before) { return std::max(0.0, now - before); }

template <class T>
T before_of(const std::map<Look::Key, T>& before, const Look::Key& key) {
  const auto it = before.find(key);
  return it == before.end() ? T{} : it->second;
}

std::vector<Rates::Row> rows_of(const std::map<Look::Key, Look::Counts>& before, const std::map<Look::Key, Look::Counts>& now,
                                double seconds) {
  std::vector<Rates::Row> rows;
  for (const auto& [key, counts] : now) {
    const Look::Counts then = before_of(before, key);
    Rates::Row row{.key = key};
    const double passed = more(counts.requests, then.requests), failed = more(counts.failures, then.failures);
    row.requests = counts.requests;
    row.in_flight = counts.in_flight;
    row.rps = passed / seconds;
    row.failures = failed / seconds;
    if (passed > 0) row.success = 1 - std::min(failed, passed) / passed;
    stats::Histogram duration;
    for (uint32_t i = 0; i < stats::Histogram::kBuckets; ++i)
      if (counts.duration.count(i) > then.duration.count(i))
        duration.add(i, counts.duration.count(i) - then.duration.count(i), 0);
    if (duration.count() > 0) {
      row.p50 = duration.quantile(0.5) / 1000;
      row.p95 = duration.quantile(0.95) / 1000;
      row.p99 = duration.quantile(0.99) / 1000;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

double short_of(double number) { return std::round(number * 1000) / 1000; }

void write(admin::Json& json, const char* name, const std::vector<Rates::Row>& rows, std::initializer_list<const char*> labels) {
  json.key(name).array();
  for (const auto& row : rows) {
    json.object();
    size_t i = 0;
    for (const char* label : labels) json.field(label, row.key[i++]);
    const auto number = [&](const char* key, double value) {
      json.key(key);
      value < 0 ? json.null() : json.value(short_of(value));
    };
    number("rps", row.rps);
    number("failures_per_s", row.failures);
    number("success_ratio", row.success);
    number("p50_ms", row.p50);
    number("p95_ms", row.p95);
    number("p99_ms", row.p99);
    json.field("in_flight", int64_t(row.in_flight)).field("requests", uint64_t(row.requests)).close();
  }
  json.close();
}

}  // namespace

bool Look::read_stat(const Value& answer) {
  if (!answer.IsObject() || !array_of(answer, "traffic")) return false;
  name = text_of(answer, "name");
  uptime = number_of(answer, "uptime_s");
  each_of(answer, "traffic", [&](const Value& each) {
    traffic[{text_of(each, "direction"), text_of(each, "cluster")}] = counts_of(each);
  });
  each_of(answer, "routes", [&](const Value& each) {
    routes[{text_of(each, "direction"), text_of(each, "route"), text_of(each, "cluster")}] = counts_of(each);
  });
  each_of(answer, "peers", [&](const Value& each) {
    peers[{text_of(each, "direction"), text_of(each, "peer")}] = counts_of(each);
  });
  each_of(answer, "upstream", [&](const Value& each) {
    upstream[{text_of(each, "cluster")}] = {number_of(each, "retries"), number_of(each, "connect_failures"),
                                            number_of(each, "connections"), number_of(each, "pending")};
  });
  return true;
}

void Look::read_clusters(const Value& answer) {
  each_of(answer, "clusters", [&](const Value& cluster) {
    each_of(cluster, "endpoints", [&](const Value& each) {
      endpoints[{text_of(cluster, "name"), text_of(each, "address")}] = {number_of(each, "requests"),
                                                                         number_of(each, "in_flight"), number_of(each, "ewma_ms"),
                                                                         text_of(each, "state"), text_of(each, "why")};
    });
  });
}

Rates rates_of(const Look& before, const Look& now) {
  if (before.uptime > now.uptime) return rates_of({}, now);
  Rates rates{.name = now.name, .uptime = now.uptime, .seconds = std::max(now.uptime - before.uptime, 0.001)};
  rates.traffic = rows_of(before.traffic, now.traffic, rates.seconds);
  rates.routes = rows_of(before.routes, now.routes, rates.seconds);
  rates.peers = rows_of(before.peers, now.peers, rates.seconds);
  for (const auto& [key, each] : now.upstream) {
    const auto then = before_of(before.upstream, key);
    rates.upstream.push_back({key, more(each.retries, then.retries) / rates.seconds,
                              more(each.connect_failures, then.connect_failures) / rates.seconds, each.connections,
                              each.pending});
  }
  for (const auto& [key, each] : now.endpoints)
    rates.endpoints.push_back({key, more(each.requests, before_of(before.endpoints, key).requests) / rates.seconds,
                               each.in_flight, each.ewma_ms, each.state, each.why});
  return rates;
}

std::string rates_json(const Rates& rates) {
  admin::Json json;
  json.object(admin::Json::Shape::OneLine)
      .field("name", rates.name)
      .field("uptime_s", short_of(rates.uptime))
      .field("seconds", short_of(rates.seconds));
  write(json, "traffic", rates.traffic, {"direction", "cluster"});
  write(json, "routes", rates.routes, {"direction", "route", "cluster"});
  write(json, "peers", rates.peers, {"direction", "peer"});
  json.key("upstream").array();
  for (const auto& each : rates.upstream)
    json.object()
        .field("cluster", each.key[0])
        .field("connections", int64_t(each.connections))
        .field("pending", int64_t(each.pending))
        .field("retries_per_s", short_of(each.retries))
        .field("connect_failures_per_s", short_of(each.connect_failures))
        .close();
  json.close().key("endpoints").array();
  for (const auto& each : rates.endpoints)
    json.object()
        .field("cluster", each.key[0])
        .field("address", each.key[1])
        .field("state", each.state)
        .field("rps", short_of(each.rps))
        .field("in_flight", int64_t(each.in_flight))
        .field("ewma_ms", short_of(each.ewma_ms))
        .close();
  json.close().close();
  return json.take();
}

}  // namespace outrider::server
