#pragma once
// What an answer of DNS says about the one thing that was asked (RFC 1035, 2308, 2782).

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace outrider::net {

enum class DnsType : uint16_t { A = 1, Aaaa = 28, Srv = 33 };
const char* name_of(DnsType type);

struct DnsRecord {
  Address address{};     // A, AAAA; its port is 0
  std::string target{};  // SRV: a host, in lower case
  uint16_t port = 0, priority = 0, weight = 0;
};

struct DnsAnswer {
  // NoName: there is no such name. NoData: it has nothing of that type. What is behind these two is a failure.
  enum class Result : uint8_t { Found, NoName, NoData, Timeout, ServerFailure, Refused, Malformed, Unreachable };
  Result result = Result::Malformed;
  std::vector<DnsRecord> records{};
  std::chrono::seconds ttl{0};  // the least on the way to the records; of NoName and NoData what their zone says, 0: nothing
};

// `message` as it came; `name` without a dot at its end. Aliases are followed, records of other names left aside.
DnsAnswer read_dns_answer(std::string_view message, std::string_view name, DnsType type);

Address dns_address(std::string_view bytes);  // four or sixteen

}  // namespace outrider::net
