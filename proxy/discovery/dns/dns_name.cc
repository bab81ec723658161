#include "discovery/dns/dns_name.h"

#include <algorithm>
#include <tuple>

#include "base/log.h"

namespace outrider::discovery {

using net::DnsRecord;
using Result = net::DnsAnswer::Result;

namespace {

constexpr milliseconds kLongestBackoff{30000};

auto key_of(const DnsRecord& record) {
  return std::tuple(record.priority, std::string_view(record.target), record.port, record.weight);
}

// Servers give them in another order each time.
bool is_before(const DnsRecord& a, const DnsRecord& b) {
  return std::pair(key_of(a), a.address.text()) < std::pair(key_of(b), b.address.text());
}

bool is_same(const DnsRecord& a, const DnsRecord& b) { return key_of(a) == key_of(b) && a.address == b.address; }

}  // namespace

DnsName::DnsName(net::Loop& loop, net::Resolver& resolver, std::string name, std::vector<net::DnsType> types,
                 const config::Dns& options, Events& events)
    : loop_(loop), resolver_(resolver), name_(std::move(name)), types_(std::move(types)), options_(options), events_(events) {
  trouble_ = resolver_.servers() + " is asked for " + question() + " and has not answered yet";
  ask();
}

std::string DnsName::question() const { return std::string(name_of(types_[at_])) + " of " + name_; }

void DnsName::ask() { resolver_.ask(*this, name_, types_[at_]); }

void DnsName::on_dns_answer(const net::DnsAnswer& answer) {
  events_.on_dns_result(answer.result);
  switch (answer.result) {
    case Result::Found: on_found(answer); break;
    case Result::NoData:
      if (at_ + 1 < types_.size()) {
        ++at_;
        return ask();
      }
      [[fallthrough]];
    case Result::NoName: on_none(answer); break;
    default: on_failure(answer); break;
  }
  at_ = 0;
}

void DnsName::on_found(const net::DnsAnswer& answer) {
  auto records = answer.records;
  std::sort(records.begin(), records.end(), is_before);
  records.erase(std::unique(records.begin(), records.end(), is_same), records.end());
  const bool same =
      state_ == State::Found && std::equal(records.begin(), records.end(), records_.begin(), records_.end(), is_same);
  failures_ = nones_ = 0;
  const auto wait = std::clamp<milliseconds>(answer.ttl, options_.min_ttl, options_.max_ttl);
  if (same) return loop_.arm(again_, wait);
  records_ = std::move(records);
  set(State::Found, {}, wait);
}

void DnsName::on_none(const net::DnsAnswer& answer) {
  failures_ = 0;
  const auto wait = std::clamp<milliseconds>(answer.ttl, options_.min_ttl,
                                             std::max(options_.min_ttl, std::min(options_.max_ttl, kLongestBackoff)));
  if (options_.keep && !records_.empty() && ++nones_ < 2) return set(State::Failing, explain(answer.result), wait);
  records_.clear();
  set(State::None, explain(answer.result), wait);
}

// Half of the wait is left to chance: a crowd that failed together must not come back together.
void DnsName::on_failure(const net::DnsAnswer& answer) {
  nones_ = 0;
  if (!options_.keep) records_.clear();
  const auto most = std::max(options_.min_ttl, std::min(options_.max_ttl, kLongestBackoff));
  const auto wait = std::min(options_.min_ttl * (int64_t(1) << std::min(failures_++, 16u)), most);
  set(State::Failing, explain(answer.result), wait / 2 + milliseconds(loop_.random().below(uint32_t(wait.count() / 2 + 1))));
}

std::string DnsName::explain(Result result) const {
  const std::string asked = resolver_.servers() + " was asked for " + question() + ": ";
  switch (result) {
    case Result::NoName: return asked + "there is no such name (NXDOMAIN)";
    case Result::NoData: return asked + "the name has no " + name_of(types_[at_]) + " record";
    case Result::Timeout: return asked + "no answer in " + std::to_string(options_.timeout.count()) + " ms";
    case Result::ServerFailure: return asked + "the server has failed (SERVFAIL)";
    case Result::Refused: return asked + "the server does not answer us (REFUSED)";
    case Result::Malformed: return asked + "the answer is malformed";
    case Result::Unreachable: return asked + "the server cannot be reached";
    case Result::Found: break;
  }
  return {};
}

void DnsName::set(State state, std::string trouble, milliseconds wait) {
  loop_.arm(again_, wait);
  if (trouble != trouble_ && !trouble.empty())
    log::warn("DNS does not say where endpoints are", {{"why", trouble}, {"kept", records_.size()}});
  else if (trouble.empty() && state_ != State::Found)
    log::info("DNS says where endpoints are", {{"name", name_}, {"found", records_.size()}});
  state_ = state;
  trouble_ = std::move(trouble);
  events_.on_name_changed();
}

}  // namespace outrider::discovery
