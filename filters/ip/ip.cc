// Who may come, by address: at a listener for each connection, at a rule for each of its requests.
//   ip: {allow: [10.0.0.0/8, "::1"], deny: [10.6.6.6]}

#include "config/node.h"
#include "filter/filter.h"
#include "filter/ip_rules.h"

namespace outrider::filters {

namespace {

// Owned by the chains and listeners that use it; const, any worker.
class Ip final : public filter::Filter {
 public:
  explicit Ip(filter::IpRules rules) : rules_(std::move(rules)) {}
  filter::Hook hooks() const override { return filter::Hook::RequestHead; }
  const filter::IpRules* ip_rules() const override { return &rules_; }
  filter::Verdict on_request(filter::Call& call) const override {
    const auto verdict = rules_.judge(ip_bytes(call.peer().remote_ip));
    if (verdict.allowed) return filter::Verdict::Continue;
    call.deny(403, "ip", verdict.rule, "Not from this address.");
    return filter::Verdict::Answered;
  }

 private:
  const filter::IpRules rules_;
};

}  // namespace

std::unique_ptr<const filter::Filter> make_ip(const config::Node& options, filter::Complaint& complaint) {
  filter::IpRules rules;
  for (const auto& entry : options.entries()) {
    if (entry.key != "allow" && entry.key != "deny") {
      complaint = {entry.key, "unknown key; expected allow or deny"};
      return nullptr;
    }
    for (const config::Node* item : entry.value.as_list())
      if (!item->is_scalar() || !(entry.key == "allow" ? rules.allow(item->text()) : rules.deny(item->text()))) {
        complaint = {entry.key, "expected addresses and networks (10.0.0.1, 10.0.0.0/8, \"::1\", \"fd00::/8\")" +
                                    (item->is_scalar() ? ", got \"" + item->text() + "\"" : std::string())};
        return nullptr;
      }
  }
  if (!rules.empty()) return std::make_unique<Ip>(std::move(rules));
  complaint = {"", "nothing to do: give allow or deny some addresses"};
  return nullptr;
}

}  // namespace outrider::filters
