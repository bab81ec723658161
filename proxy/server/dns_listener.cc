// The supervisor's part in DNS: the addresses of services, and the server that tells them.

#include "dns/server.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "config/name_server.h"
#include "identity/files.h"
#include "net/virtual_addresses.h"
#include "server/supervisor.h"

namespace outrider::server {

namespace {

constexpr const char* kName =
    "dns";  // of pages; the number of a socket that is handed over is 0 for datagrams, 1 for connections

bool answers_virtually(const config::Document& document) {
  using Answers = config::NameServer::Answers;
  const config::NameServer own = config::name_server_of(document);
  if (own.listen.empty() || own.answers == Answers::Endpoints || (own.ipv4.empty() && own.ipv6.empty())) return false;
  return own.answers == Answers::Virtual || config::passes_redirected_on(document);
}

std::optional<Network> network_of(const std::string& text) { return text.empty() ? std::nullopt : Network::parse(text); }

// Beside what the registry remembers; empty: nothing is kept.
std::string folder_of(const config::Document& document) {
  const std::string& all = document.registry.snapshot;
  return all.empty() ? std::string() : all + "/" + document.node.id;
}

void load(net::VirtualAddresses& addresses, const std::string& folder) {
  constexpr size_t kMost = 16 << 20;
  const std::string path = folder + "/addresses";
  if (folder.empty() || ::access(path.c_str(), F_OK) != 0) return;
  const auto text = identity::read_file(path, kMost);
  if (text) addresses.load(*text);
  else log::warn("virtual addresses of before are forgotten", {{"reason", text.why()}});
}

void save(const net::VirtualAddresses& addresses, const std::string& folder) {
  if (folder.empty()) return;
  const auto made = identity::make_folder(folder);
  const auto wrote = made ? identity::write_file(folder + "/addresses", addresses.text(), 0600) : made;
  if (!wrote) log::warn("virtual addresses are not kept for the next start", {{"reason", wrote.why()}});
}

dns::Settings settings_of(const config::Document& document) {
  const config::NameServer own = config::name_server_of(document);
  dns::Settings to;
  to.zone = {document.registry.domain, document.service.name_space, uint32_t(own.ttl.count() / 1000), own.max_answers};
  for (const std::string& server : own.servers)
    if (const auto at = net::Address::parse(server)) to.upstreams.servers.push_back(*at);
  to.upstreams.timeout = own.timeout;
  to.wait = own.wait;
  to.idle = own.idle;
  to.watched = document.registry.idle_timeout;
  to.most_names = own.max_names;
  to.most_queries = own.max_queries;
  to.most_connections = own.max_connections;
  to.rate = own.max_rate;
  return to;
}

}  // namespace

void Supervisor::make_virtual_addresses() {
  if (!answers_virtually(*document_)) return;
  const config::NameServer own = config::name_server_of(*document_);
  virtual_addresses_ = std::make_unique<net::VirtualAddresses>(network_of(own.ipv4), network_of(own.ipv6));
  load(*virtual_addresses_, folder_of(*document_));
}

// Ports that nobody has asked for may be others': then their owner stays, and it is said.
std::string Supervisor::open_dns() {
  const config::NameServer own = config::name_server_of(*document_);
  if (own.listen.empty()) return {};
  dns_ = std::make_unique<dns::Server>(control_, settings_of(*document_), virtual_addresses_.get(),
                                       dns::Counters(*catalog_, *shard_));
  if (virtual_addresses_) dns_->on_given([this] { save(*virtual_addresses_, folder_of(*document_)); });
  for (const std::string& text : own.listen) {
    const auto at = net::Address::parse(text);
    if (!at) return "registry.dns.listen: \"" + text + "\" is no address";
    dns::Server::Sockets inherited;
    if (auto* before = settings_.inheritance.get())
      if (const auto both = before->page(kName, at->text()); both.size() == 2) inherited = {both[0], both[1]};
    const auto opened = dns_->listen(*at, inherited);
    if (!opened && !own.implied)
      return "registry.dns.listen: cannot listen on " + text + ": " + std::strerror(opened.error().os_error);
    if (!opened) {
      const int why = opened.error().os_error;
      if (why != EADDRNOTAVAIL && why != EAFNOSUPPORT)  // this machine has no IPv6
        log::warn("no names of services are answered here: registry.dns.listen",
                  {{"address", text}, {"reason", std::strerror(why)}});
      continue;
    }
    opened_.push_back({Handed::Kind::Page, kName, at->text(), 0, opened->datagrams});
    opened_.push_back({Handed::Kind::Page, kName, at->text(), 1, opened->stream});
    pages_.emplace_back(kName, dns_->local().back());
  }
  if (dns_->local().empty()) dns_.reset();
  return {};
}

void Supervisor::serve_dns() {
  if (!dns_) return;
  if (virtual_addresses_ && settings_.inheritance) load(*virtual_addresses_, folder_of(*document_));  // what was given meanwhile
  dns_->serve(mesh_.registry());
}

}  // namespace outrider::server
