// What a running proxy says of itself.

#include <sstream>

#include "base/text.h"
#include "server/admin_client.h"
#include "server/check/checks.h"
#include "server/json_fields.h"

namespace outrider::server {

namespace {

// All series of outrider_registry_rejected_total with reason="skew".
uint64_t refused_for_time(const std::string& metrics) {
  double sum = 0;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("outrider_registry_rejected_total{") || line.find("reason=\"skew\"") == line.npos) continue;
    sum += parse_decimal(line.substr(line.rfind(' ') + 1)).value_or(0);
  }
  return uint64_t(sum);
}

// Where it is scraped: ":15020" of all addresses is loopback's, too. Not where that has its defaults: those are ours.
std::string metrics_address(const std::string& config) {
  const config::Document standard;
  std::string address = standard.metrics.address;
  std::istringstream lines(config);
  bool metrics = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("metrics:") != line.npos) metrics = true;
    const size_t at = line.find("address: ");
    if (!metrics || at == line.npos) continue;
    address = line.substr(at + 9, line.find(" #") == line.npos ? line.npos : line.find(" #") - at - 9);
    break;
  }
  std::erase(address, '"');
  address = std::string(trim(address));
  return address.starts_with(":") ? "127.0.0.1" + address : address;
}

}  // namespace

RunningProxy ask_running_proxy(const std::string& admin, bool wanted) {
  RunningProxy proxy;
  proxy.admin = admin;
  proxy.wanted = wanted;
  const auto page = [&](const std::string& path) {
    std::string error;
    const auto answer = ask_admin(admin, path, error);
    return answer && (answer->status == 200 || answer->status == 503) ? answer->body : std::string();
  };
  const auto version = ask_admin(admin, "/version", proxy.error);
  if (!version) return proxy;
  rapidjson::Document said;
  said.Parse<rapidjson::kParseIterativeFlag>(version->body.c_str());
  if (version->status != 200 || said.HasParseError() || !said.IsObject())
    return proxy.error = "what answers at " + admin + " is not an outrider admin port", proxy;
  proxy.version = text_of(said, "version");
  proxy.revision = text_of(said, "revision");
  proxy.ready = page("/ready?json");
  proxy.registry = page("/registry");
  proxy.config = page("/config");
  std::string error;
  const auto metrics = ask_admin(metrics_address(proxy.config), "/metrics", error);
  if (metrics && metrics->status == 200 && metrics->body.find("outrider_registry_rejected_total") != std::string::npos)
    proxy.refused_for_time = refused_for_time(metrics->body);
  return proxy;
}

}  // namespace outrider::server
