// `registry.dns`: the server of DNS beside an application.

#include <algorithm>

#include "base/network.h"
#include "base/text.h"
#include "config/name_server.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

constexpr const char* kStandard[] = {"127.0.0.1:15053", "[::1]:15053"};

// An answer from another address than was asked is not taken, and at a wildcard the kernel chooses one.
std::string check_listen(std::string& text) {
  if (std::string wrong = check_address(text, {.unix_path = false}); !wrong.empty()) return wrong;
  const std::string port = text.substr(text.rfind(':') + 1);
  if (text.starts_with(':') || text.starts_with("0.0.0.0:") || text.starts_with("[::]:"))
    return "\"" + text +
           "\" is every address, and answers would come from another one than was asked: expected one, such as 127.0.0.1:" + port;
  return {};
}

void read_listen(Fields& fields, NameServer& server) {
  const Node* value = fields.hand("listen", "addresses or off", "127.0.0.1:15053 and [::1]:15053");
  server.implied = !value || value->origin().kind == Origin::Kind::Default;
  if (!value) {
    Node all = Node::list();
    for (const char* address : kStandard) server.listen.emplace_back(address), all.append(Node::scalar(address));
    return fields.keep("listen", std::move(all));
  }
  fields.keep("listen", *value);
  if (value->is_scalar() && is_off(value->text())) return fields.keep("listen", Node::scalar("off"));
  if (value->is_map()) return fields.error("listen", *value, "expected addresses or off, got a map");
  for (const Node& item : items_of(*value)) {
    std::string address = item.text();
    const std::string wrong = item.is_scalar() ? check_listen(address) : "expected an address, got " + kind_of(item);
    if (!wrong.empty()) fields.error("listen", item, wrong);
    else if (server.listen.size() >= 8) fields.error("listen", item, "expected 8 addresses at most");
    else server.listen.push_back(std::move(address));
  }
}

// So that there are places in it, and no more bits of them than fit.
void read_network(Fields& fields, const char* key, std::string& network, bool v6) {
  const Node* value = fields.hand(key, "network or off", network);
  fields.keep(key, value ? *value : Node::scalar(network));
  if (!value) return;
  const std::string family_name = v6 ? "IPv6 from /32 to /120" : "IPv4 from /8 to /24";
  if (value->is_scalar() && is_off(value->text())) {
    fields.keep(key, Node::scalar("off"));
    return network.clear();
  }
  bool stray = false;
  const bool family = value->is_scalar() && (value->text().find(':') != std::string::npos) == v6;
  const auto read = family ? Network::parse(value->text(), &stray) : std::nullopt;
  const unsigned before = v6 ? 0 : 96;
  if (stray) return fields.error(key, *value, "there are bits behind the prefix of \"" + value->text() + "\"");
  if (!read || read->length < before + (v6 ? 32 : 8) || read->length > before + (v6 ? 120 : 24))
    return fields.error(key, *value, "expected a network of " + family_name + ", or off, got " + kind_of(*value));
  network = value->text();
}

void read(Fields& dns, NameServer& server) {
  using Answers = NameServer::Answers;
  read_listen(dns, server);
  dns.choice("answers", server.answers,
             {{"auto", Answers::Auto}, {"virtual", Answers::Virtual}, {"endpoints", Answers::Endpoints}});
  read_network(dns, "ipv4", server.ipv4, false);
  read_network(dns, "ipv6", server.ipv6, true);
  dns.duration("ttl", server.ttl, seconds(0), std::chrono::hours(1));
  dns.duration("wait", server.wait, milliseconds(100), seconds(30));
  dns.texts("servers", server.servers, "addresses", check_dns_server);
  dns.duration("timeout", server.timeout, milliseconds(100), seconds(30));
  dns.duration("idle_timeout", server.idle, seconds(1), seconds(600));
  dns.number("max_answers", server.max_answers, 1, 64);
  dns.number("max_names", server.max_names, 1, 10000);
  dns.number("max_queries", server.max_queries, 1, 10000);
  dns.number("max_connections", server.max_connections, 1, 10000);
  dns.number("max_rate", server.max_rate, 1, 1'000'000);
  if (dns.reading().catalog) return;
  if (const Node* ttl = dns.given("ttl"); ttl && server.ttl.count() % 1000 != 0)
    dns.error("ttl", *ttl, "DNS counts in seconds: expected whole ones, got " + kind_of(*ttl));
  if (const Node* answers = dns.given("answers");
      answers && server.answers == Answers::Virtual && server.ipv4.empty() && server.ipv6.empty())
    dns.error("answers", *answers, "virtual addresses need a network: ipv4 and ipv6 are both off");
}

}  // namespace

void read_name_server(Fields& dns) {
  NameServer checked;
  read(dns, checked);
}

NameServer name_server_of(const Document& document) {
  NameServer server;
  const Node* registry = document.effective.find("registry");
  const Node* dns = registry && registry->is_map() ? registry->find("dns") : nullptr;
  if (!dns || !dns->is_map()) return server;
  Reading told;
  Fields fields(told, dns, "registry.dns");
  std::string domain;
  fields.text("domain", domain);
  read(fields, server);
  return server;
}

bool passes_redirected_on(const Document& document) {
  return std::any_of(document.listeners.begin(), document.listeners.end(), [](const Listener& l) {
    return l.transparent && l.direction == Direction::Outbound &&
           std::any_of(l.routes.begin(), l.routes.end(), [](const Route& route) { return route.passes_on(); });
  });
}

}  // namespace outrider::config
