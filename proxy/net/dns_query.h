#pragma once
// What clients of DNS ask, and what they are told (RFC 1035, 2782, 6891, 8914). Sans-I/O.

#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"

namespace outrider::net {

constexpr size_t kDnsHeader = 12;
constexpr size_t kMostDnsQuery = 4096;  // there is no longer question that is worth an answer
constexpr uint16_t kDnsAny = 255;       // of types and of classes
constexpr uint16_t kDnsInternet = 1;    // a class
constexpr uint16_t kDnsUdp = 512;       // bytes of an answer that whoever says nothing of it takes
enum class DnsCode : uint8_t {
  Fine = 0,
  Malformed = 1,
  Failure = 2,
  NoName = 3,
  NotImplemented = 4,
  Refused = 5,
  BadVersion = 16
};

// One message of a client. A value.
struct DnsQuery {
  // Nothing: it is no question at all, and nobody is to be answered. The others but Question are answered with why not.
  enum class Form : uint8_t { Nothing, Question, Malformed, OtherOperation, OtherVersion } form = Form::Nothing;
  uint16_t id = 0;
  uint8_t operation = 0;
  bool recursion = false, unchecked = false;  // RD, CD: given back
  std::string name;  // in lower case, without a dot at its end; '*' for what is in no host's name, dots within a label too
  uint16_t type = 0, klass = 0;
  std::string question;   // as it came, to be given back bit for bit (the case of its letters is a client's proof); empty: unread
  bool extended = false;  // it speaks EDNS
  uint16_t udp_bytes = kDnsUdp;  // of an answer, that it takes
};
DnsQuery read_dns_query(std::string_view message);

// The address that a name of in-addr.arpa or ip6.arpa stands for; invalid: none.
Address read_reverse_name(std::string_view name);

// Whether `answer` is one to a question with that id: RFC 5452. The letters may be of another case, for some servers change it.
bool is_answer_to(std::string_view answer, uint16_t id, std::string_view question);
inline int dns_code_of(std::string_view answer) { return answer[3] & 15; }

// An answer of ours, put together part by part. A value.
class DnsReply {
 public:
  DnsReply(const DnsQuery& to, DnsCode code, bool authoritative);
  void address(const Address& ip, uint32_t ttl);  // A or AAAA of the name that was asked for, and so are the next two
  void service(uint16_t priority, uint16_t weight, uint16_t port, std::string_view target, uint32_t ttl);
  void pointer(std::string_view target, uint32_t ttl);
  void authority(std::string_view zone, uint32_t ttl, bool asked = false);  // its SOA; `asked`: that was the question
  void also(std::string_view owner, const Address& ip, uint32_t ttl);       // left out where it does not fit
  void explain(uint16_t code, std::string_view why);                        // for people, where the client knows EDNS
  // What does not fit into so many bytes is left out, and it says so (TC).
  std::string text(size_t most) const;
  std::string cut() const { return text(0); }  // nothing but that

 private:
  std::string opt() const;
  const DnsQuery& to_;
  DnsCode code_;
  bool authoritative_;
  std::string answers_, authority_, additional_, option_;
  uint16_t answer_count_ = 0, authority_count_ = 0, additional_count_ = 0;
};

}  // namespace outrider::net
