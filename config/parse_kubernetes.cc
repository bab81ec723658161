// `registry.kubernetes`: the API server, and how it is asked.

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_server(std::string& text) {
  const bool http = text.starts_with("http://"), https = text.starts_with("https://");
  std::string host = http ? text.substr(7) : https ? text.substr(8) : "";
  if (host.ends_with('/')) host.pop_back();
  const size_t bracket = host.rfind(']');
  const bool port = host.find(':', bracket == host.npos ? 0 : bracket) != host.npos;
  if (!host.empty() && !port) host += https ? ":443" : ":80";
  const bool whole =
      !host.empty() && check_address(host, {.names = true, .wildcard = false, .unix_path = false, .port_zero = false}).empty();
  return whole ? "" : "expected https://host:port of the API server, like https://10.96.0.1:443, got \"" + text + "\"";
}

std::string check_namespace(std::string& text) {
  return is_label(text) ? "" : "expected a namespace (lower-case letters, digits and -), got \"" + text + "\"";
}

}  // namespace

void read_kubernetes(Fields& registry, Kubernetes& k) {
  Fields fields = registry.map("kubernetes");
  fields.text("server", k.server, "URL", check_server);
  fields.text("token_file", k.token_file, "file");
  fields.text("ca", k.ca, "file");
  fields.text("namespace", k.name_space, "namespace", check_namespace);
  fields.choice("tls", k.tls,
                {{"auto", Kubernetes::Tls::Auto}, {"identity", Kubernetes::Tls::Identity}, {"clear", Kubernetes::Tls::Clear}});
  fields.duration("timeout", k.timeout, milliseconds(10));
  fields.duration("watch", k.watch, seconds(1), std::chrono::hours(1));
  fields.duration("silence", k.silence, milliseconds(10));
  {
    Fields backoff = fields.map("backoff");
    backoff.duration("base", k.backoff_base, milliseconds(1));
    backoff.duration("max", k.backoff_max, milliseconds(1), std::chrono::hours(1));
  }
  fields.number("page", k.page, 1, 10000);
  fields.size("max_size", k.max_size, 64 * 1024, uint64_t(256) << 20);
  fields.number("max_endpoints", k.max_endpoints, 1, 100000);
  fields.number("max_services", k.max_services, 1, 10000);
}

}  // namespace outrider::config
