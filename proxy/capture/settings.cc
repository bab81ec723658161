#include "capture/settings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace outrider::capture {

namespace {

constexpr uint8_t kV4Prefix = 96;

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// "off" and 0 are no port.
std::string read_port(const char* flag, const std::string& text, uint16_t& port) {
  port = 0;
  if (text == "off" || text == "0") return {};
  const auto given = parse_port(text);
  if (!given) return std::string(flag) + " wants a port from 1 to 65535, or off; not " + quoted(text);
  port = *given;
  return {};
}

std::string read_id(const char* flag, const std::string& text, bool allow_root, uint32_t& id) {
  const auto number = parse_number(text);
  if (!number || *number >= UINT32_MAX) return std::string(flag) + " wants a number, not " + quoted(text);
  id = uint32_t(*number);
  if (id != 0 || allow_root) return {};
  return std::string(flag) +
         " 0 leaves out all that root sends, and so most apps: run the proxy as a user of its own (1337); --allow-root if that is meant";
}

// Ports that are the proxy's, each for one thing alone.
std::string check_own(const Settings& s) {
  struct Named {
    const char* flag;
    uint16_t port;
  };
  const Named all[] = {{"--inbound", s.inbound}, {"--outbound", s.outbound}, {"--dns", s.dns}};
  for (const Named& one : all) {
    if (one.port == 0) continue;
    if (std::find(std::begin(kOwnPorts), std::end(kOwnPorts), one.port) != std::end(kOwnPorts))
      return std::string(one.flag) + " " + std::to_string(one.port) +
             " is where the proxy's pages, health or metrics are: give the listener's port";
    for (const Named& other : all)
      if (&one != &other && one.port == other.port)
        return std::string(one.flag) + " and " + other.flag + " are both " + std::to_string(one.port) +
               ": what goes out would come in, and go round in circles; each listener has a port of its own";
  }
  if (!s.inbound && !s.outbound && !s.dns) return "nothing is to be captured: give one of --inbound, --outbound and --dns a port";
  if (s.inbound && has(s.skip_inbound, s.inbound))
    return "--skip-inbound has " + std::to_string(s.inbound) + ", the port that what comes in is led to: take it out";
  if (s.outbound && has(s.skip_outbound, s.outbound))
    return "--skip-outbound has " + std::to_string(s.outbound) + ", the port that what goes out is led to: take it out";
  if (s.dns && has(s.skip_outbound, 53))
    return "--skip-outbound has 53, and --dns captures what goes there: take one of the two out";
  return {};
}

}  // namespace

std::string read_ports(std::string_view text, std::vector<PortRange>& ports) {
  ports.clear();
  if (trim(text).empty()) return {};
  for (const std::string_view part : split(text, ',')) {
    const auto range = PortRange::parse(part);
    if (!range) return "expected ports from 1 to 65535, such as 25,8000-8010; got " + quoted(part);
    if (range->first > range->last) return quoted(part) + " ends before it begins: the smaller port comes first";
    ports.push_back(*range);
  }
  std::sort(ports.begin(), ports.end(), [](PortRange a, PortRange b) { return a.first < b.first; });
  std::vector<PortRange> apart;
  for (const PortRange& range : ports)
    if (!apart.empty() && range.first <= uint32_t(apart.back().last) + 1)
      apart.back().last = std::max(apart.back().last, range.last);
    else apart.push_back(range);
  ports = std::move(apart);
  return {};
}

std::string read_networks(std::string_view text, std::vector<Network>& networks) {
  networks.clear();
  if (trim(text).empty()) return {};
  std::vector<Network> all;
  for (const std::string_view part : split(text, ',')) {
    bool stray = false;
    const auto network = Network::parse(part, &stray);
    if (!network && stray)
      return quoted(part) + " has bits behind its prefix: the network's first address, or " +
             std::string(part.substr(0, part.find('/'))) + " alone?";
    if (!network) return "expected networks, such as 10.0.0.0/8,fd00::/8; got " + quoted(part);
    all.push_back(*network);
  }
  std::sort(all.begin(), all.end(),
            [](const Network& a, const Network& b) { return a.length != b.length ? a.length < b.length : a.first < b.first; });
  for (const Network& one : all) {  // ::/0 has no IPv4 in it, whatever its bytes say
    const auto lies_in = [&](const Network& wider) { return is_v4(wider) == is_v4(one) && wider.has(one.first); };
    if (std::none_of(networks.begin(), networks.end(), lies_in)) networks.push_back(one);
  }
  std::sort(networks.begin(), networks.end(), [](const Network& a, const Network& b) { return a.first < b.first; });
  return {};
}

bool has(const std::vector<PortRange>& ports, uint16_t port) {
  return std::any_of(ports.begin(), ports.end(), [&](PortRange range) { return range.first <= port && port <= range.last; });
}

std::string read(const Words& words, Settings& s) {
  s = {};
  s.ipv6 = words.ipv6;
  if (words.mode != "redirect" && words.mode != "tproxy") return "--mode wants redirect or tproxy, not " + quoted(words.mode);
  s.mode = words.mode == "tproxy" ? Mode::Tproxy : Mode::Redirect;
  struct Read {
    const char* flag;
    std::string why;
  };
  for (const Read& read : {Read{"", read_port("--inbound", words.inbound, s.inbound)},
                           {"", read_port("--outbound", words.outbound, s.outbound)},
                           {"", read_port("--dns", words.dns, s.dns)},
                           {"", read_id("--uid", words.uid, words.allow_root, s.uid)},
                           {"", read_id("--gid", words.gid, words.allow_root, s.gid)},
                           {"--skip-inbound: ", read_ports(words.skip_inbound, s.skip_inbound)},
                           {"--skip-outbound: ", read_ports(words.skip_outbound, s.skip_outbound)},
                           {"--skip-inbound-cidrs: ", read_networks(words.skip_sources, s.skip_sources)},
                           {"--skip-cidrs: ", read_networks(words.skip_targets, s.skip_targets)}})
    if (!read.why.empty()) return read.flag + read.why;
  if (auto why = check_own(s); !why.empty()) return why;
  std::string all = words.skip_inbound;
  for (const uint16_t own : kOwnPorts) all += (trim(all).empty() ? "" : ",") + std::to_string(own);
  return read_ports(all, s.skip_inbound);
}

std::string text_of(PortRange range, char between) {
  std::string text = std::to_string(range.first);
  if (range.last != range.first) text += between + std::to_string(range.last);
  return text;
}

bool is_v4(const Network& network) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return network.length >= kV4Prefix && std::equal(std::begin(kMapped), std::end(kMapped), network.first.begin());
}

std::string text_of(const Network& network) {
  const bool v4 = is_v4(network);
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(v4 ? AF_INET : AF_INET6, network.first.data() + (v4 ? 12 : 0), text, sizeof text);
  const int length = network.length - (v4 ? kV4Prefix : 0), whole = v4 ? 32 : 128;
  return length == whole ? std::string(text) : std::string(text) + "/" + std::to_string(length);
}

}  // namespace outrider::capture
