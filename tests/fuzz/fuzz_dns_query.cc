// Questions of DNS. Whatever comes: no crash; what is read is answered with its question, within the bytes its client takes, and
// reads back; and what is no question is not answered.

#include <cstdlib>
#include <string>

#include "net/dns_message.h"
#include "net/dns_query.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::net;
  const std::string message(reinterpret_cast<const char*>(data), size);
  const DnsQuery query = read_dns_query(message);
  (void)read_reverse_name(query.name);
  (void)is_answer_to(message, query.id, query.question.size() > 4 ? query.question : std::string("\0\0\1\0\1", 5));
  if (query.form == DnsQuery::Form::Nothing) return 0;
  if (query.name.size() > 254 || query.udp_bytes < kDnsUdp) std::abort();
  DnsReply reply(query, DnsCode::Fine, true);
  for (int i = 0; i < 3; ++i) reply.address(Address::loopback(0), 5);
  reply.explain(0, "why");
  const std::string text = reply.text(query.udp_bytes), cut = reply.cut();
  if (text.size() > query.udp_bytes || cut.size() > text.size() || text.substr(0, 2) != message.substr(0, 2)) std::abort();
  if (query.form != DnsQuery::Form::Question) return 0;
  if (!is_answer_to(text, query.id, query.question)) std::abort();
  const bool found = read_dns_answer(text, query.name, DnsType::A).result == DnsAnswer::Result::Found;
  if (!found && query.name.find('*') == query.name.npos && !query.name.empty()) std::abort();
  return 0;
}
