// Rules of nft and iptables that redirect connections to a transparent listener.

#include "capture/look.h"
#include "server/check/machine.h"

namespace outrider::server {

Rules look_at_rules(uint32_t user) {
  capture::Seen seen = capture::look();
  return {std::move(seen.text), std::move(seen.why), user};
}

Fact judge(const Rules& rules, const Redirected& wanted) {
  const std::string name = "redirection";
  if (!wanted.outbound && !wanted.inbound) return skipped(name, "no listener is transparent");
  if (!rules.why.empty()) return skipped(name, rules.why);
  std::string missing, there;
  const auto add = [](std::string& to, const std::string& more) { to += (to.empty() ? "" : " and ") + more; };
  for (const auto& [port, what] : {std::pair{wanted.outbound, "what the app sends"}, {wanted.inbound, "what others send to it"}})
    if (port)
      add(capture::redirects_to(rules.text, *port) ? there : missing, std::string(what) + " to port " + std::to_string(*port));
  const std::string id = std::to_string(rules.user);
  const auto port_text = [](std::optional<uint16_t> port) { return port ? std::to_string(*port) : std::string("off"); };
  const std::string apply = "`outrider capture apply --inbound " + port_text(wanted.inbound) + " --outbound " +
                            port_text(wanted.outbound) + " --uid " + id + (wanted.by_tproxy ? " --mode tproxy" : "") + "`";
  if (there.empty())
    return warning(name, "no rule of nft or iptables redirects here: only what is sent to the proxy's own ports comes to it",
                   "none, if the app calls the proxy itself; else " + apply);
  if (wanted.outbound && capture::redirects_to(rules.text, *wanted.outbound) && !capture::leaves_out(rules.text, rules.user))
    return wrong(name,
                 there + " is redirected, and so is what the proxy itself sends (user " + id +
                     "): its connections come back to it, and are refused",
                 apply + ", or `meta skuid " + id + " return` before the redirection (iptables: -m owner --uid-owner " + id +
                     " -j RETURN)");
  if (!missing.empty())
    return warning(name, there + " is redirected; " + missing + " is not",
                   "a rule for it too, if that is meant to go through the proxy: " + apply);
  return fine(name, there + " is redirected, but for user " + id + ", the proxy's own");
}

}  // namespace outrider::server
