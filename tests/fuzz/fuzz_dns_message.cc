// Answers of DNS. First byte: which type was asked for. Whatever comes: no crash, records of that type alone, and none beside a
// failure.

#include <cstdlib>
#include <string>

#include "net/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::net;
  if (size == 0) return 0;
  static constexpr DnsType kTypes[] = {DnsType::A, DnsType::Aaaa, DnsType::Srv};
  const DnsType type = kTypes[data[0] % 3];
  const std::string message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto answer = read_dns_answer(message, "web.test", type);
  if ((answer.result == DnsAnswer::Result::Found) != !answer.records.empty()) std::abort();
  if (answer.ttl.count() < 0 || answer.records.size() > message.size()) std::abort();
  for (const auto& record : answer.records) {
    const int family = type == DnsType::A ? AF_INET : type == DnsType::Aaaa ? AF_INET6 : AF_UNSPEC;
    if (record.address.family() != family || record.target.empty() != (type != DnsType::Srv)) std::abort();
  }
  return 0;
}
