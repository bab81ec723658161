#include "net/dns_query.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "net/dns_message.h"

namespace outrider::net {

namespace {

constexpr uint16_t kPointer = 12, kAuthority = 6, kService = 33, kOption = 41;
constexpr uint16_t kAsked = 0xc00c;      // the name in the question, as a pointer to it
constexpr uint16_t kOurUdpBytes = 1232;  // that we take of a question: more than there is
constexpr size_t kMostName = 255, kMostLabel = 63;
constexpr size_t kMostExplained = 200;

void put2(std::string& to, unsigned n) { to += char(n >> 8), to += char(n); }
void put4(std::string& to, uint32_t n) { put2(to, n >> 16), put2(to, n & 0xffff); }

void put_name(std::string& to, std::string_view name) {
  while (!name.empty()) {
    const std::string_view label = next_part(name, '.').substr(0, kMostLabel);
    if (!label.empty()) to.append(1, char(label.size())).append(label);
  }
  to += '\0';
}

void put_address(std::string& to, const Address& ip) {
  if (ip.family() == AF_INET)
    to.append(reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in*>(ip.raw())->sin_addr), 4);
  else to.append(reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in6*>(ip.raw())->sin6_addr), 16);
}

uint16_t type_of(const Address& ip) { return uint16_t(ip.family() == AF_INET ? DnsType::A : DnsType::Aaaa); }

class Reader {
 public:
  Reader(std::string_view message, size_t at) : message_(message), at_(at) {}
  bool good() const { return good_; }
  size_t at() const { return at_; }
  uint8_t one() { return good_ && at_ < message_.size() ? uint8_t(message_[at_++]) : (good_ = false, uint8_t(0)); }
  uint16_t two() {
    const unsigned high = one();
    return uint16_t(high << 8 | one());
  }
  void skip(size_t n) {
    if (n > message_.size() - at_) good_ = false;
    else at_ += n;
  }
  // Of a question, before which there is nothing that could be pointed to.
  std::string name() {
    std::string text;
    const size_t from = at_;
    for (uint8_t length = one(); good_ && length != 0; length = one()) {
      if (length > kMostLabel || at_ + length - from >= kMostName) return good_ = false, std::string();
      if (!text.empty()) text += '.';
      for (; length > 0; --length) {
        const char c = lower(char(one()));
        text += is_alpha(c) || is_digit(c) || c == '-' || c == '_' ? c : '*';
      }
    }
    return text;
  }
  bool root() const { return at_ < message_.size() && message_[at_] == 0; }
  void skip_name() {
    for (uint8_t length = one(); good_ && length != 0; length = one()) {
      if (length >= 0xc0) return skip(1);
      if (length > kMostLabel) good_ = false;
      else skip(length);
    }
  }

 private:
  std::string_view message_;
  size_t at_;
  bool good_ = true;
};

}  // namespace

DnsQuery read_dns_query(std::string_view message) {
  using Form = DnsQuery::Form;
  DnsQuery query;
  if (message.size() < kDnsHeader || message[2] & 0x80) return query;
  Reader reader(message, 0);
  query.id = reader.two();
  const uint8_t high = reader.one(), low = reader.one();
  query.operation = uint8_t(high >> 3 & 15);
  query.recursion = high & 1;
  query.unchecked = low & 0x10;
  query.form = Form::OtherOperation;
  if (query.operation != 0) return query;
  query.form = Form::Malformed;
  const uint16_t questions = reader.two(), answers = reader.two(), authorities = reader.two(), additional = reader.two();
  if (questions != 1 || answers != 0 || authorities != 0 || message.size() > kMostDnsQuery) return query;
  query.name = reader.name();
  query.type = reader.two();
  query.klass = reader.two();
  if (!reader.good()) return query;
  query.question = message.substr(kDnsHeader, reader.at() - kDnsHeader);
  uint8_t version = 0;
  for (uint16_t i = 0; i < additional && reader.good(); ++i) {
    const bool root = reader.root();
    reader.skip_name();
    const uint16_t type = reader.two(), size = reader.two();
    reader.skip(1);
    const uint8_t its_version = reader.one();
    reader.skip(2);
    reader.skip(reader.two());
    if (type != kOption || !reader.good()) continue;
    if (!root || query.extended) return query;
    query.extended = true;
    version = its_version;
    query.udp_bytes = std::max(size, kDnsUdp);
  }
  if (!reader.good() || reader.at() != message.size()) return query;
  query.form = version == 0 ? Form::Question : Form::OtherVersion;
  return query;
}

Address read_reverse_name(std::string_view name) {
  constexpr std::string_view kV4 = ".in-addr.arpa", kV6 = ".ip6.arpa";
  if (name.ends_with(kV4)) {
    const auto parts = split(name.substr(0, name.size() - kV4.size()), '.');
    if (parts.size() != 4) return {};
    char bytes[4];
    for (size_t i = 0; i < 4; ++i) {
      const auto n = parse_number(parts[3 - i]);
      if (!n || *n > 255 || parts[3 - i].size() > 3) return {};
      bytes[i] = char(*n);
    }
    return dns_address({bytes, 4});
  }
  constexpr size_t kDigits = 32;
  if (!name.ends_with(kV6) || name.size() != 2 * kDigits - 1 + kV6.size()) return {};
  std::string hex(kDigits, '0');
  for (size_t i = 0; i < kDigits; ++i) {
    if (i > 0 && name[2 * i - 1] != '.') return {};
    hex[kDigits - 1 - i] = name[2 * i];
  }
  const auto bytes = from_hex(hex);
  return bytes ? dns_address(*bytes) : Address();
}

bool is_answer_to(std::string_view answer, uint16_t id, std::string_view question) {
  if (answer.size() < kDnsHeader + question.size() || !(answer[2] & 0x80)) return false;
  Reader reader(answer, 0);
  if (reader.two() != id) return false;
  reader.skip(2);
  // Lengths of labels are below any letter, and the type and class are numbers: nothing else is taken for another.
  return reader.two() == 1 &&
         equals_ignore_case(answer.substr(kDnsHeader, question.size() - 4), question.substr(0, question.size() - 4)) &&
         answer.substr(kDnsHeader + question.size() - 4, 4) == question.substr(question.size() - 4);
}

DnsReply::DnsReply(const DnsQuery& to, DnsCode code, bool authoritative) : to_(to), code_(code), authoritative_(authoritative) {}

void DnsReply::address(const Address& ip, uint32_t ttl) {
  ++answer_count_;
  put2(answers_, kAsked), put2(answers_, type_of(ip)), put2(answers_, kDnsInternet), put4(answers_, ttl);
  put2(answers_, ip.family() == AF_INET ? 4 : 16), put_address(answers_, ip);
}

void DnsReply::service(uint16_t priority, uint16_t weight, uint16_t port, std::string_view target, uint32_t ttl) {
  std::string data;
  put2(data, priority), put2(data, weight), put2(data, port), put_name(data, target);
  ++answer_count_;
  put2(answers_, kAsked), put2(answers_, kService), put2(answers_, kDnsInternet), put4(answers_, ttl);
  put2(answers_, unsigned(data.size())), answers_ += data;
}

void DnsReply::pointer(std::string_view target, uint32_t ttl) {
  std::string data;
  put_name(data, target);
  ++answer_count_;
  put2(answers_, kAsked), put2(answers_, kPointer), put2(answers_, kDnsInternet), put4(answers_, ttl);
  put2(answers_, unsigned(data.size())), answers_ += data;
}

// How long a "no" holds is the lesser of its TTL and its last number (RFC 2308).
void DnsReply::authority(std::string_view zone, uint32_t ttl, bool asked) {
  constexpr uint32_t kSerial = 1, kRefresh = 3600, kRetry = 600, kExpire = 86400;
  std::string data;
  put_name(data, "ns." + std::string(zone)), put_name(data, "hostmaster." + std::string(zone));
  for (const uint32_t n : {kSerial, kRefresh, kRetry, kExpire, ttl}) put4(data, n);
  std::string& to = asked ? answers_ : authority_;
  ++(asked ? answer_count_ : authority_count_);
  put_name(to, zone), put2(to, kAuthority), put2(to, kDnsInternet), put4(to, ttl), put2(to, unsigned(data.size())), to += data;
}

void DnsReply::also(std::string_view owner, const Address& ip, uint32_t ttl) {
  ++additional_count_;
  put_name(additional_, owner), put2(additional_, type_of(ip)), put2(additional_, kDnsInternet), put4(additional_, ttl);
  put2(additional_, ip.family() == AF_INET ? 4 : 16), put_address(additional_, ip);
}

void DnsReply::explain(uint16_t code, std::string_view why) {
  constexpr uint16_t kExtendedError = 15;
  why = why.substr(0, kMostExplained);
  put2(option_, kExtendedError), put2(option_, unsigned(2 + why.size())), put2(option_, code), option_ += why;
}

std::string DnsReply::opt() const {
  std::string out;
  if (!to_.extended) return out;
  out += '\0';
  put2(out, kOption), put2(out, kOurUdpBytes);
  out += char(uint8_t(code_) >> 4), out += '\0', put2(out, 0);
  put2(out, unsigned(option_.size())), out += option_;
  return out;
}

std::string DnsReply::text(size_t most) const {
  const std::string option = opt();
  const size_t bare = kDnsHeader + to_.question.size() + option.size();
  const size_t needed = bare + answers_.size() + authority_.size();
  const bool cut = needed > most, with_more = !cut && needed + additional_.size() <= most;
  std::string out;
  out.reserve(needed + additional_.size());
  put2(out, to_.id);
  out += char(0x80 | to_.operation << 3 | (authoritative_ ? 4 : 0) | (cut ? 2 : 0) | (to_.recursion ? 1 : 0));
  out += char(0x80 | (to_.unchecked ? 0x10 : 0) | (uint8_t(code_) & 15));
  put2(out, to_.question.empty() ? 0 : 1), put2(out, cut ? 0 : answer_count_), put2(out, cut ? 0 : authority_count_);
  put2(out, (with_more ? additional_count_ : 0u) + (option.empty() ? 0u : 1u));
  out += to_.question;
  if (!cut) out += answers_, out += authority_;
  if (with_more) out += additional_;
  return out + option;
}

}  // namespace outrider::net
