#include "filter/tap_match.h"

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "config/values.h"
#include "identity/workload_id.h"

namespace outrider::filter {

namespace {

using Texts = std::vector<std::string>;

template <class Holds>
bool any(const Texts& texts, Holds holds) {
  return texts.empty() || std::any_of(texts.begin(), texts.end(), holds);
}

bool is_one_of(const Texts& texts, std::string_view text) {
  return any(texts, [&](const std::string& each) { return each == text; });
}

template <class Ranges>
bool is_in(const Ranges& ranges, uint32_t number) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.first <= number && number <= range.last; });
}

std::string_view without_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  return colon == host.npos || host.find(']', colon) != host.npos ? host : host.substr(0, colon);
}

bool is_host(const std::string& wanted, std::string_view host) {
  if (equals_ignore_case(wanted, host) || equals_ignore_case(wanted, without_port(host))) return true;
  const auto name = without_port(host);
  if (!wanted.starts_with("*.") || name.size() < wanted.size()) return false;
  return equals_ignore_case(std::string_view(wanted).substr(1), name.substr(name.size() - (wanted.size() - 1)));
}

// Whoever asks need not know the namespace.
bool is_cluster(const std::string& wanted, std::string_view cluster) {
  if (wanted == cluster) return true;
  return wanted.find('/') == wanted.npos && cluster.size() > wanted.size() && cluster.ends_with(wanted) &&
         cluster[cluster.size() - wanted.size() - 1] == '/';
}

// Short patterns are of any trust domain: whoever looks on decides nothing.
bool is_peer(const Texts& patterns, std::string_view identity) {
  const auto id = identity::WorkloadId::parse(identity);
  return id && any(patterns, [&](const std::string& each) { return identity::matches(each, *id, id->trust_domain()); });
}

// "5xx", "404", "400-403".
template <class Range>
std::optional<Range> range_of(std::string_view text) {
  if (text.size() == 3 && is_digit(text[0]) && equals_ignore_case(text.substr(1), "xx")) {
    const auto hundred = uint32_t(text[0] - '0') * 100;
    return Range{hundred, hundred + 99};
  }
  const size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == text.npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last > 999) return {};
  return Range{uint32_t(*first), uint32_t(*last)};
}

std::string expected(std::string_view key, const char* what, std::string_view got) {
  return std::string(key).append(": expected ").append(what).append(", got \"").append(got).append("\"");
}

}  // namespace

const char* TapMatch::keys() {
  return "method, host, prefix, path, header, status, grpc_status, cluster, service, route, listener, flag, peer, slower";
}

std::string TapMatch::add_header(std::string_view value) {
  const size_t colon = value.find(':');
  const auto name = trim(value.substr(0, colon));
  if (!config::is_token(name)) return expected("header", "NAME or NAME:VALUE", value);
  headers_.push_back({std::string(name), {}});
  if (colon != value.npos) headers_.back().value = std::string(trim(value.substr(colon + 1)));
  return {};
}

std::string TapMatch::add_slower(std::string_view value) {
  const auto duration = config::duration_of(value);
  if (!duration || duration->count() <= 0) return expected("slower", "a duration like 100ms", value);
  slower_ = *duration;
  return {};
}

std::string TapMatch::add_one(std::string_view key, std::string value) {
  const auto keep = [&](Texts& in) { return in.push_back(std::move(value)), std::string(); };
  if (key == "method") return config::is_token(value) ? keep(methods_) : expected(key, "a method", value);
  if (key == "host") return keep(hosts_);
  if (key == "prefix" || key == "path")
    return value.starts_with('/') ? keep(key == "path" ? paths_ : prefixes_) : expected(key, "a path", value);
  if (key == "cluster" || key == "service") return keep(clusters_);
  if (key == "route") return keep(routes_);
  if (key == "listener") return keep(listeners_);
  if (key == "flag") return keep(flags_);
  if (key == "peer")
    return identity::valid_pattern(value) ? keep(peers_) : expected(key, "NAMESPACE/ACCOUNT, NAMESPACE/* or a SPIFFE ID", value);
  if (key != "status" && key != "grpc_status") return "\"" + std::string(key) + "\" is nothing to match by; there are: " + keys();
  const auto range = range_of<Range>(value);
  if (!range) return expected(key, key == "status" ? "a status like 404, 5xx or 400-403" : "a number, or a range of them", value);
  (key == "status" ? statuses_ : grpc_statuses_).push_back(*range);
  return {};
}

std::string TapMatch::add(std::string_view key, std::string_view value) {
  if (key == "header") return add_header(value);
  if (key == "slower") return add_slower(value);
  for (const std::string_view one : split(value, ',')) {
    if (one.empty()) return std::string(key) + ": expected a value";
    if (std::string wrong = add_one(key, std::string(one)); !wrong.empty()) return wrong;
  }
  return {};
}

bool TapMatch::of_request(const Asked& asked) const {
  const auto path = asked.path.substr(0, asked.path.find('?'));
  if (!is_one_of(methods_, asked.method) || !is_one_of(paths_, path)) return false;
  if (!any(prefixes_, [&](const std::string& each) { return !path.empty() && covers_path(each, path); })) return false;
  if (!any(hosts_, [&](const std::string& each) { return is_host(each, asked.host); })) return false;
  return std::all_of(headers_.begin(), headers_.end(), [&](const Named& wanted) {
    return std::any_of(asked.fields.begin(), asked.fields.end(), [&](const http::Field& field) {
      return equals_ignore_case(field.name, wanted.name) && (!wanted.value || *wanted.value == field.value);
    });
  });
}

bool TapMatch::of_end(const Ended& ended) const {
  if (!statuses_.empty() && !is_in(statuses_, ended.status)) return false;
  if (!grpc_statuses_.empty() && (!ended.grpc_status || !is_in(grpc_statuses_, *ended.grpc_status))) return false;
  if (ended.duration < slower_ || !is_one_of(listeners_, ended.listener) || !is_one_of(flags_, ended.flag)) return false;
  if (!is_one_of(routes_, ended.route)) return false;
  if (!any(clusters_, [&](const std::string& each) { return is_cluster(each, ended.cluster); })) return false;
  return peers_.empty() || is_peer(peers_, ended.client) || is_peer(peers_, ended.endpoint);
}

}  // namespace outrider::filter
