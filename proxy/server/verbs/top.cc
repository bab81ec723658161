// top: what passes through a proxy, live.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>

#include "server/curl.h"
#include "server/look.h"
#include "server/screen.h"
#include "server/table.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr const char* kVerb = "top";
constexpr const char* kOrders[] = {"requests", "failures", "p99", "name"};
constexpr size_t kUnlimited = 1000;
constexpr milliseconds kForEver = std::chrono::hours(24 * 365);

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

// Less comes first.
template <class Row>
double rank_of(const Row& row, size_t order) {
  if constexpr (requires { row.p99; }) {
    if (order == 1) return -row.failures;
    if (order == 2) return -row.p99;
  } else {
    if (order == 1) return row.state == "ready" ? 1 : 0;
    if (order == 2) return -row.ewma_ms;
  }
  return order == 3 ? 0 : -row.rps;
}

template <class Row>
void sort(std::vector<Row>& rows, size_t order) {
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return rank_of(a, order) < rank_of(b, order); });
}

// So many rows of it, and how many more there are.
template <class Row, class Cells>
std::string section(std::vector<std::string> heading, const std::vector<Row>& rows, size_t most, const Cells& cells) {
  if (rows.empty()) return {};
  Table table(std::move(heading));
  for (size_t i = 0; i < std::min(most, rows.size()); ++i) table.add(cells(rows[i]));
  std::string text = "\n" + table.text();
  if (rows.size() > most) text += "... and " + std::to_string(rows.size() - most) + " more\n";
  return text;
}

std::string page_of(Rates rates, size_t order, size_t height) {
  for (auto* rows : {&rates.traffic, &rates.routes}) sort(*rows, order);
  sort(rates.endpoints, order);
  double rps = 0, failures = 0, in_flight = 0;
  for (const auto& row : rates.traffic) rps += row.rps, failures += row.failures, in_flight += row.in_flight;
  std::string text = "outrider " + printable(rates.name) + "   " + rate_text(rps) + " requests/s   " +
                     share_text(rps > 0 ? 1 - failures / rps : -1) + " success   " + count_text(in_flight) + " in flight   by " +
                     kOrders[order] + ", of the last " + rate_text(rates.seconds) + " s\n";
  if (rates.traffic.empty()) text += "\nno traffic yet\n";
  // Three sections, each with an empty line, a heading and perhaps how many more; who needs less leaves it to the others.
  size_t room = height > 12 ? height - 11 : 3, sections = 3;
  const auto share = [&](size_t wanted) {
    const size_t rows = std::min(wanted, std::max<size_t>(1, room / sections--));
    room -= std::min(room, rows);
    return rows;
  };
  const size_t clusters = share(rates.traffic.size()), routes = share(rates.routes.size()),
               endpoints = share(rates.endpoints.size());
  text += section(
      {"ROUTE", "DIRECTION", "CLUSTER", "RPS", "SUCCESS", "P50", "P95", "P99"}, rates.routes, routes, [](const auto& row) {
        return std::vector<std::string>{or_dash(row.key[1]),     row.key[0],       or_dash(row.key[2]), rate_text(row.rps),
                                        share_text(row.success), ms_text(row.p50), ms_text(row.p95),    ms_text(row.p99)};
      });
  text += section({"CLUSTER", "DIRECTION", "RPS", "SUCCESS", "P50", "P95", "P99", "IN FLIGHT", "PENDING", "RETRIES/S"},
                  rates.traffic, clusters, [&](const auto& row) {
                    Rates::Upstream up;
                    for (const auto& each : rates.upstream)
                      if (each.key[0] == row.key[1]) up = each;
                    return std::vector<std::string>{
                        or_dash(row.key[1]),    row.key[0],           rate_text(row.rps), share_text(row.success),
                        ms_text(row.p50),       ms_text(row.p95),     ms_text(row.p99),   count_text(row.in_flight),
                        count_text(up.pending), rate_text(up.retries)};
                  });
  text += section({"ENDPOINT", "CLUSTER", "STATE", "RPS", "IN FLIGHT", "EWMA", "WHY"}, rates.endpoints, endpoints,
                  [](const auto& each) {
                    return std::vector<std::string>{
                        or_dash(each.key[1]), or_dash(each.key[0]),       each.state,
                        rate_text(each.rps),  count_text(each.in_flight), ms_text(each.ewma_ms > 0 ? each.ewma_ms : -1),
                        or_dash(each.why)};
                  });
  return text;
}

}  // namespace

// Where it can be drawn it is drawn, else told.
int show_top(const Arguments& arguments) {
  const auto every = duration_flag(kVerb, arguments, "--every", milliseconds(1000));
  const auto lasts = every ? duration_flag(kVerb, arguments, "--for", kForEver) : every;
  if (!lasts) return kUsage;
  const bool once = arguments.has("--once"), json = arguments.has("--json");
  if (once && arguments.has("--for")) return usage_error(kVerb, "--for or --once, not both");
  int code = kOk;
  auto before = look_at(kVerb, arguments, true, code);
  if (!before) return code;
  const auto begun = std::chrono::steady_clock::now();
  std::unique_ptr<Screen> screen;
  if (!once && !json && Screen::possible()) screen = std::make_unique<Screen>();
  Rates rates;
  size_t order = 0;
  const auto draw = [&] { screen->draw(page_of(rates, order, screen->rows()) + "\nq ends it, s sorts by something else\n"); };
  if (screen) screen->draw("outrider " + printable(before->name) + "   looking ...\n");
  for (;;) {
    const auto due = std::chrono::steady_clock::now() + *every;
    while (screen && std::chrono::steady_clock::now() < due) {
      char key = 0;
      const auto event = screen->wait(std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now()), key);
      if (event == Screen::Event::End || (event == Screen::Event::Key && (key == 'q' || key == 4))) return kOk;
      if (event == Screen::Event::Key && key == 's') order = (order + 1) % std::size(kOrders);
      if (event != Screen::Event::Time && rates.seconds > 0) draw();
    }
    if (!screen) std::this_thread::sleep_for(*every);
    auto now = look_at(kVerb, arguments, true, code);
    if (!now) return code;
    rates = rates_of(*before, *now);
    before = std::move(now);
    if (screen) draw();
    else if (json) std::fputs(rates_json(rates).c_str(), stdout);
    else std::printf("%s%s", page_of(rates, order, kUnlimited).c_str(), once ? "" : "\n");
    if (std::fflush(stdout) != 0) return kOk;  // whoever read it has gone
    if (once || std::chrono::steady_clock::now() - begun >= *lasts) return kOk;
  }
}

}  // namespace outrider::server
