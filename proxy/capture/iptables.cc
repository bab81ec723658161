#include "capture/iptables.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"

namespace outrider::capture {

namespace {

constexpr std::string_view kPrefix = "OUTRIDER_";
constexpr size_t kMostPorts = 15;  // of multiport; a range is two

// One table of iptables: chains of ours, rules in them, and the ways into them from the kernel's own.
struct Table {
  std::string name;
  std::vector<std::string> chains, rules;
};

struct Writer {
  Writer(const Settings& settings, Family f) : s(settings), family(f) {}

  std::vector<Table> tables() {
    Table nat{"nat"}, mangle{"mangle"}, raw{"raw"};
    if (s.inbound && s.mode == Mode::Redirect) by_redirect(nat);
    if (s.inbound && s.mode == Mode::Tproxy) by_tproxy(mangle);
    if (s.dns && family == Family::V4) {  // the listener is at 127.0.0.1
      dns(nat);
      zones(raw);
    }
    if (s.outbound) outbound(nat);
    return {nat, mangle, raw};
  }

 private:
  static void add(Table& table, const std::string& chain, const std::string& rule) {
    table.rules.push_back("-A " + chain + " " + rule);
  }

  void skip_ports(Table& table, const std::string& chain, const std::vector<PortRange>& ranges) {
    std::string list;
    size_t count = 0;
    const auto put = [&] {
      if (!list.empty()) add(table, chain, "-p tcp -m multiport --dports " + list + " -j RETURN");
      list.clear();
      count = 0;
    };
    for (const PortRange& range : ranges) {
      const size_t more = range.first == range.last ? 1 : 2;
      if (count + more > kMostPorts) put();
      list += (list.empty() ? "" : ",") + text_of(range, ':');
      count += more;
    }
    put();
  }

  void skip_networks(Table& table, const std::string& chain, const std::vector<Network>& all, const char* flag) {
    for (const Network& network : all)
      if (is_v4(network) == (family == Family::V4)) add(table, chain, std::string(flag) + " " + text_of(network) + " -j RETURN");
  }

  void skip_inbound(Table& table, const std::string& chain) {
    add(table, chain, "-i lo -j RETURN");
    skip_ports(table, chain, s.skip_inbound);
    skip_networks(table, chain, s.skip_sources, "-s");
  }

  void leave_out_proxy(Table& table, const std::string& chain) {
    add(table, chain, "-m owner --uid-owner " + std::to_string(s.uid) + " -j RETURN");
    add(table, chain, "-m owner --gid-owner " + std::to_string(s.gid) + " -j RETURN");
  }

  void by_redirect(Table& table) {
    table.chains.push_back("OUTRIDER_INBOUND");
    skip_inbound(table, "OUTRIDER_INBOUND");
    add(table, "OUTRIDER_INBOUND", "-p tcp -j REDIRECT --to-ports " + std::to_string(s.inbound));
    add(table, "PREROUTING", "-p tcp -j OUTRIDER_INBOUND");
  }

  // As in nft.cc. TPROXY itself drops what finds no listener.
  void by_tproxy(Table& table) {
    const std::string mark = std::to_string(kMark);
    table.chains = {"OUTRIDER_INBOUND", "OUTRIDER_ANSWERS"};
    add(table, "OUTRIDER_INBOUND", "-m conntrack ! --ctstate NEW -j RETURN");
    skip_inbound(table, "OUTRIDER_INBOUND");
    add(table, "OUTRIDER_INBOUND", "-p tcp -j TPROXY --on-port " + std::to_string(s.inbound));
    const std::string own = "-o lo -m owner --uid-owner " + std::to_string(s.uid);
    add(table, "OUTRIDER_ANSWERS", own + " -j CONNMARK --set-mark " + mark);
    add(table, "OUTRIDER_ANSWERS", own + " -j RETURN");
    add(table, "OUTRIDER_ANSWERS", "-m conntrack --ctdir REPLY -m connmark --mark " + mark + " -j MARK --set-mark " + mark);
    add(table, "PREROUTING", "-p tcp -j OUTRIDER_INBOUND");
    add(table, "OUTPUT", "-p tcp -j OUTRIDER_ANSWERS");
  }

  void dns(Table& table) {
    table.chains.push_back("OUTRIDER_DNS");
    leave_out_proxy(table, "OUTRIDER_DNS");
    for (const std::string protocol : {"udp", "tcp"}) {
      add(table, "OUTRIDER_DNS", "-p " + protocol + " -j REDIRECT --to-ports " + std::to_string(s.dns));
      add(table, "OUTPUT", "-p " + protocol + " --dport 53 -j OUTRIDER_DNS");
    }
  }

  void zones(Table& table) {
    table.chains = {"OUTRIDER_DNS_OUT", "OUTRIDER_DNS_IN"};
    add(table, "OUTRIDER_DNS_OUT", "-m owner --uid-owner " + std::to_string(s.uid) + " -j CT --zone 1");
    add(table, "OUTRIDER_DNS_IN", "-j CT --zone 1");
    add(table, "OUTPUT", "! -o lo -p udp --dport 53 -j OUTRIDER_DNS_OUT");
    add(table, "PREROUTING", "! -i lo -p udp --sport 53 -j OUTRIDER_DNS_IN");
  }

  void outbound(Table& table) {
    table.chains.push_back("OUTRIDER_OUTBOUND");
    leave_out_proxy(table, "OUTRIDER_OUTBOUND");
    add(table, "OUTRIDER_OUTBOUND", "-o lo -j RETURN");
    add(table, "OUTRIDER_OUTBOUND", std::string("-d ") + (family == Family::V4 ? "127.0.0.0/8" : "::1") + " -j RETURN");
    skip_ports(table, "OUTRIDER_OUTBOUND", s.skip_outbound);
    skip_networks(table, "OUTRIDER_OUTBOUND", s.skip_targets, "-d");
    add(table, "OUTRIDER_OUTBOUND", "-p tcp -j REDIRECT --to-ports " + std::to_string(s.outbound));
    add(table, "OUTPUT", "-p tcp -j OUTRIDER_OUTBOUND");
  }

  const Settings& s;
  const Family family;
};

// What there is of ours in one table: chains, and the rules elsewhere that lead to them.
struct Present {
  std::vector<std::string> chains, ways;
};

Present present_in(std::string_view saved, std::string_view table) {
  Present out;
  bool here = false;
  for (const std::string_view line : split(saved, '\n')) {
    if (line.starts_with('*')) here = line.substr(1) == table;
    else if (!here) continue;
    else if (line.starts_with(':') && line.substr(1).starts_with(kPrefix)) {
      const std::string_view name = line.substr(1);
      out.chains.emplace_back(name.substr(0, name.find(' ')));
    } else if (line.starts_with("-A ") && !line.substr(3).starts_with(kPrefix) &&
               line.find(" -j " + std::string(kPrefix)) != line.npos) {
      out.ways.emplace_back(line.substr(3));
    }
  }
  return out;
}

// Ways in go first, chains that nobody leads to any more last; all or nothing. A chain that is named is emptied.
std::string text_of(const Table& table, const Present& before) {
  std::string text;
  for (const std::string& chain : table.chains) text += ":" + chain + " - [0:0]\n";
  for (const std::string& way : before.ways) text += "-D " + way + "\n";
  for (const std::string& rule : table.rules) text += rule + "\n";
  for (const char* order : {"-F ", "-X "})
    for (const std::string& chain : before.chains)
      if (std::find(table.chains.begin(), table.chains.end(), chain) == table.chains.end()) text += order + chain + "\n";
  return text.empty() ? text : "*" + table.name + "\n" + text + "COMMIT\n";
}

}  // namespace

std::string iptables_rules(const Settings& settings, Family family, std::string_view saved) {
  std::string text;
  for (const Table& table : Writer(settings, family).tables()) text += text_of(table, present_in(saved, table.name));
  return text;
}

std::string iptables_clear(std::string_view saved) {
  std::string text;
  for (const char* name : {"nat", "mangle", "raw"}) text += text_of({name, {}, {}}, present_in(saved, name));
  return text;
}

bool has_ours(std::string_view saved) { return saved.find("\n:" + std::string(kPrefix)) != saved.npos; }

}  // namespace outrider::capture
