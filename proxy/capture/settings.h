#pragma once
// What is captured: which ports, of whom, and who is left out.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/network.h"
#include "base/ports.h"

namespace outrider::capture {

enum class Mode : uint8_t { Redirect, Tproxy };  // of what comes in; what goes out is redirected

// A value; whoever makes it from words has checked it.
struct Settings {
  uint16_t inbound = 15006, outbound = 15001, dns = 0;  // ports of the proxy; 0: that is not captured
  uint32_t uid = 1337, gid = 1337;                      // the proxy's own: what they send is left alone
  std::vector<PortRange> skip_inbound;                  // sorted, none touches another
  std::vector<PortRange> skip_outbound;
  std::vector<Network> skip_sources, skip_targets;  // of what comes in; of what goes out. None lies in another
  Mode mode = Mode::Redirect;
  bool ipv6 = true;
};

// As they stand on a command line.
struct Words {
  std::string inbound = "15006", outbound = "15001", dns = "off";
  std::string uid = "1337", gid = "1337";
  std::string skip_inbound, skip_outbound, skip_sources, skip_targets;  // lists with commas
  std::string mode = "redirect";
  bool ipv6 = true, allow_root = false;
};
// Empty, or why they cannot be meant, and what to write instead.
std::string read(const Words& words, Settings& settings);

// Our own ports that others ask directly, for pages, health and metrics: what comes for them is never captured.
inline constexpr uint16_t kOwnPorts[] = {15000, 15020, 15021};

// "25,3306,8000-8010". Empty, or why not. What overlaps or touches becomes one.
std::string read_ports(std::string_view text, std::vector<PortRange>& ports);
std::string read_networks(std::string_view text, std::vector<Network>& networks);
bool has(const std::vector<PortRange>& ports, uint16_t port);

std::string text_of(PortRange range, char between = '-');
bool is_v4(const Network& network);
std::string text_of(const Network& network);  // "10.0.0.0/8"; without the length where it is one address

// What belongs to a connection of the proxy to its app in a client's name (tproxy): the mark, and the table of routes by which
// answers to it stay on this machine.
inline constexpr uint32_t kMark = 0x539, kTable = 1337;

}  // namespace outrider::capture
