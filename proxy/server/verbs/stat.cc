// stat: what passes through a proxy in a while.

#include <cstdio>
#include <thread>

#include "server/admin_client.h"
#include "server/look.h"
#include "server/table.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr const char* kVerb = "stat";

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print(const Rates& rates, bool total) {
  Table traffic({"DIRECTION", "CLUSTER", "RPS", "REQUESTS", "SUCCESS", "P50", "P95", "P99", "IN FLIGHT", "RETRIES/S"});
  for (const auto& row : rates.traffic) {
    double retries = -1;
    for (const auto& each : rates.upstream)
      if (each.key[0] == row.key[1]) retries = each.retries;
    traffic.add({row.key[0], or_dash(row.key[1]), rate_text(row.rps), count_text(row.requests), share_text(row.success),
                 ms_text(row.p50), ms_text(row.p95), ms_text(row.p99), count_text(row.in_flight),
                 retries < 0 ? "-" : rate_text(retries)});
  }
  if (traffic.empty()) std::puts("no traffic yet");
  else std::fputs(traffic.text().c_str(), stdout);
  Table upstream({"CLUSTER", "CONNECTIONS", "PENDING", "RETRIES/S", "CONNECT FAILURES/S"});
  for (const auto& each : rates.upstream)
    upstream.add({or_dash(each.key[0]), count_text(each.connections), count_text(each.pending), rate_text(each.retries),
                  rate_text(each.connect_failures)});
  if (!upstream.empty()) std::printf("\n%s", upstream.text().c_str());
  Table peers({"DIRECTION", "PEER", "RPS", "REQUESTS", "SUCCESS"});
  for (const auto& row : rates.peers)
    peers.add({row.key[0], or_dash(row.key[1]), rate_text(row.rps), count_text(row.requests), share_text(row.success)});
  if (!peers.empty()) std::printf("\n%s", peers.text().c_str());
  std::printf("\n%s: %s. REQUESTS are those since its start.\n", rates.name.c_str(),
              total ? "since its start" : ("the last " + rate_text(rates.seconds) + " s").c_str());
}

}  // namespace

int show_stat(const Arguments& arguments) {
  const bool total = arguments.has("--total");
  if (total && arguments.has("--for")) return usage_error(kVerb, "--for or --total, not both");
  const auto lasts = duration_flag(kVerb, arguments, "--for", milliseconds(1000));
  if (!lasts) return kUsage;
  int code = kOk;
  Look before;
  if (!total) {
    const auto first = look_at(kVerb, arguments, false, code);
    if (!first) return code;
    before = *first;
    std::this_thread::sleep_for(*lasts);
  }
  const auto now = look_at(kVerb, arguments, false, code);
  if (!now) return code;
  const Rates rates = rates_of(before, *now);
  if (arguments.has("--json")) std::fputs(rates_json(rates).c_str(), stdout);
  else print(rates, total);
  return kOk;
}

}  // namespace outrider::server
