#include "capture/nft.h"

namespace outrider::capture {

namespace {

struct Table {
  explicit Table(const Settings& settings) : s(settings) {}

  std::string text() {
    ports("skip_inbound", s.inbound ? s.skip_inbound : std::vector<PortRange>());
    networks("skip_sources", s.inbound ? s.skip_sources : std::vector<Network>());
    ports("skip_outbound", s.outbound ? s.skip_outbound : std::vector<PortRange>());
    networks("skip_targets", s.outbound ? s.skip_targets : std::vector<Network>());
    if (s.inbound) s.mode == Mode::Tproxy ? by_tproxy() : by_redirect();
    if (s.outbound || s.dns) outbound();
    if (s.dns) zones();
    return nft_clear() + "table " + kNftTable + " {\n" + out + "}\n";
  }

 private:
  void line(const std::string& rule) { out += "    " + rule + "\n"; }
  void chain(const char* name, const char* hook) {
    out += std::string("  chain ") + name + " {\n    " + hook + "; policy accept;\n";
  }
  void end() { out += "  }\n"; }

  void set(const std::string& name, const char* type, const std::string& elements) {
    if (!elements.empty()) out += "  set " + name + " { type " + type + "; flags interval; elements = { " + elements + " } }\n";
  }

  void ports(const char* name, const std::vector<PortRange>& ranges) {
    std::string elements;
    for (const PortRange& range : ranges) elements += (elements.empty() ? "" : ", ") + text_of(range);
    set(name, "inet_service", elements);
  }

  void networks(const std::string& name, const std::vector<Network>& all) {
    for (const bool v4 : {true, false}) {
      std::string elements;
      for (const Network& network : all)
        if (is_v4(network) == v4) elements += (elements.empty() ? "" : ", ") + text_of(network);
      set(name + (v4 ? "_v4" : "_v6"), v4 ? "ipv4_addr" : "ipv6_addr", elements);
    }
  }

  void skip_networks(const std::vector<Network>& all, const std::string& which, const std::string& name) {
    bool v4 = false, v6 = false;
    for (const Network& network : all) (is_v4(network) ? v4 : v6) = true;
    if (v4) line("ip " + which + " @" + name + "_v4 return");
    if (v6) line("ip6 " + which + " @" + name + "_v6 return");
  }

  void leave_out_family() {
    if (!s.ipv6) line("meta nfproto ipv6 return");
  }

  // What comes from other machines; the pod's own calls of itself go by lo.
  void skip_inbound() {
    leave_out_family();
    line("iifname \"lo\" return");
    if (!s.skip_inbound.empty()) line("tcp dport @skip_inbound return");
    skip_networks(s.skip_sources, "saddr", "skip_sources");
  }

  void by_redirect() {
    chain("inbound", "type nat hook prerouting priority dstnat");
    skip_inbound();
    line("meta l4proto tcp redirect to :" + std::to_string(s.inbound));
    end();
  }

  // The first packet of a connection finds the listener; the others find the connection. Without a listener there is no way past
  // it.
  void by_tproxy() {
    const std::string mark = std::to_string(kMark);
    chain("inbound", "type filter hook prerouting priority mangle");
    line("ct state != new return");
    skip_inbound();
    line("meta l4proto tcp tproxy to :" + std::to_string(s.inbound) + " accept");
    line("meta l4proto tcp drop");
    end();
    // What the proxy asks the app in a client's name: the answer is the proxy's, whoever's address it is sent to.
    chain("answers", "type route hook output priority mangle");
    line("meta l4proto != tcp return");
    line("oifname \"lo\" meta skuid " + std::to_string(s.uid) + " ct mark set " + mark + " return");
    line("ct direction reply ct mark " + mark + " meta mark set " + mark);
    end();
  }

  void outbound() {
    const std::string dns = std::to_string(s.dns);
    chain("outbound", "type nat hook output priority -100");
    line("meta skuid " + std::to_string(s.uid) + " return");
    line("meta skgid " + std::to_string(s.gid) + " return");
    if (s.dns) {  // the listener is at 127.0.0.1
      line("meta nfproto ipv4 udp dport 53 redirect to :" + dns);
      line("meta nfproto ipv4 tcp dport 53 redirect to :" + dns);
    }
    if (s.outbound) {
      leave_out_family();
      line("oifname \"lo\" return");
      line("ip daddr 127.0.0.0/8 return");
      line("ip6 daddr ::1 return");
      if (!s.skip_outbound.empty()) line("tcp dport @skip_outbound return");
      skip_networks(s.skip_targets, "daddr", "skip_targets");
      line("meta l4proto tcp redirect to :" + std::to_string(s.outbound));
    }
    end();
  }

  // A question of the proxy may have the addresses and ports that one of the app had a moment ago, which is remembered as
  // redirected: in a zone of its own it does not come back as another question.
  void zones() {
    chain("dns_out", "type filter hook output priority raw");
    line("oifname != \"lo\" meta skuid " + std::to_string(s.uid) + " meta nfproto ipv4 udp dport 53 ct zone set 1");
    end();
    chain("dns_in", "type filter hook prerouting priority raw");
    line("iifname != \"lo\" meta nfproto ipv4 udp sport 53 ct zone set 1");
    end();
  }

  const Settings& s;
  std::string out;
};

}  // namespace

std::string nft_rules(const Settings& settings) { return Table(settings).text(); }

// Of a table that is not there nothing can be deleted.
std::string nft_clear() { return std::string("add table ") + kNftTable + "\ndelete table " + kNftTable + "\n"; }

}  // namespace outrider::capture
