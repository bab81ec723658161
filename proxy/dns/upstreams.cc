#include "dns/upstreams.h"

#include <net/if.h>

#include <algorithm>

#include "base/text.h"
#include "dns/forward.h"
#include "identity/files.h"
#include "net/original_dst.h"

namespace outrider::dns {

namespace {

constexpr milliseconds kAvoided{30'000};
constexpr size_t kMostServers = 8, kMostFile = 64 * 1024;

// "10.0.0.1", "fe80::1%eth0"
net::Address address_of(std::string_view ip, uint16_t port) {
  const size_t scope = ip.find('%');
  const std::string host(ip.substr(0, scope));
  const bool v6 = host.find(':') != host.npos;
  auto address = net::Address::parse((v6 ? "[" + host + "]" : host) + ":" + std::to_string(port));
  if (!address || address->is_unix() || address->is_wildcard()) return {};
  if (scope == ip.npos || !v6) return *address;
  sockaddr_in6 scoped = *reinterpret_cast<const sockaddr_in6*>(address->raw());
  scoped.sin6_scope_id = ::if_nametoindex(std::string(ip.substr(scope + 1)).c_str());
  return {reinterpret_cast<const sockaddr*>(&scoped), sizeof scoped};
}

}  // namespace

std::vector<net::Address> read_resolv_conf(std::string_view text, uint16_t port) {
  std::vector<net::Address> servers;
  while (!text.empty() && servers.size() < kMostServers) {
    std::string_view line = trim(next_part(text, '\n'));
    constexpr std::string_view kWord = "nameserver";
    if (!line.starts_with(kWord) || line.size() == kWord.size() || (line[kWord.size()] != ' ' && line[kWord.size()] != '\t'))
      continue;
    line = trim(line.substr(kWord.size()));
    const net::Address address = address_of(line.substr(0, line.find_first_of(" \t#;\r")), port);
    if (address.valid()) servers.push_back(address);
  }
  return servers;
}

Upstreams::Upstreams(Settings settings) : settings_(std::move(settings)) {}

Upstreams::~Upstreams() = default;

void Upstreams::look() {
  const bool given = !settings_.servers.empty();
  if (given && looked_) return;
  const auto mark = given ? identity::FileMark{} : identity::FileMark::of(settings_.resolv_conf);
  if (looked_ && mark == mark_) return;
  looked_ = true;
  mark_ = mark;
  std::vector<net::Address> all = settings_.servers;
  if (!given)
    if (const auto text = identity::read_file(settings_.resolv_conf, kMostFile)) all = read_resolv_conf(*text, settings_.port);
  const size_t before = all.size();
  std::erase_if(all, [this](const net::Address& one) { return net::is_one_of(one, ourselves_); });
  only_ourselves_ = before > 0 && all.empty();
  servers_.clear();
  for (auto& address : all) servers_.push_back({std::move(address)});
}

std::vector<net::Address> Upstreams::in_order(TimePoint now) {
  look();
  std::vector<net::Address> order;
  for (const bool avoided : {false, true})
    for (const Server& server : servers_)
      if ((server.avoid_until > now) == avoided) order.push_back(server.address);
  return order;
}

void Upstreams::note(const net::Address& server, bool answered, TimePoint now) {
  for (Server& one : servers_)
    if (one.address == server) one.avoid_until = answered ? TimePoint{} : now + kAvoided;
}

std::string Upstreams::text() {
  look();
  std::string all;
  for (const Server& server : servers_) all += (all.empty() ? "" : ", ") + server.address.text();
  if (!all.empty()) return all;
  return only_ourselves_ ? settings_.resolv_conf + " names nobody but this proxy" : settings_.resolv_conf + " names nobody";
}

bool Upstreams::is_own(uint16_t port, uint16_t id) {
  bool own = false;
  under_way_.for_each([&](Forward& one) { own |= one.is(port, id); });
  return own;
}

}  // namespace outrider::dns
