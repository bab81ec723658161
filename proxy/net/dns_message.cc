#include "net/dns_message.h"

#include <ares.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace outrider::net {

namespace {

constexpr size_t kHeaderBytes = 12;
constexpr int kMostAliases = 16;
constexpr uint16_t kInternet = 1, kAlias = 5, kAuthority = 6;

// Reads on from where it stands; what runs over the end is good() no more, and reads as nothing.
class Reader {
 public:
  Reader(std::string_view message, size_t at, size_t end) : message_(message), at_(at), end_(end) {}
  bool good() const { return good_; }
  size_t at() const { return at_; }
  void skip(size_t n) { (void)take(n); }
  uint16_t two() {
    const auto* b = take(2);
    return b ? uint16_t(b[0] << 8 | b[1]) : uint16_t(0);
  }
  uint32_t four() {
    const uint32_t high = two();
    return high << 16 | two();
  }
  std::string_view bytes(size_t n) {
    const auto* b = take(n);
    return b ? std::string_view(reinterpret_cast<const char*>(b), n) : std::string_view{};
  }
  // In lower case; what is no letter, digit, '-' or '_' of a label has a backslash before it.
  std::string name() {
    const auto* all = reinterpret_cast<const unsigned char*>(message_.data());
    char* text = nullptr;
    long length = 0;
    if (!good_ || at_ >= end_ || ares_expand_name(all + at_, all, int(message_.size()), &text, &length) != ARES_SUCCESS) {
      good_ = false;
      return {};
    }
    std::string name = to_lower(text);
    ares_free_string(text);
    skip(size_t(length));
    return name;
  }

 private:
  const unsigned char* take(size_t n) {
    if (!good_ || n > end_ - at_) {
      good_ = false;
      return nullptr;
    }
    const auto* from = reinterpret_cast<const unsigned char*>(message_.data()) + at_;
    at_ += n;
    return from;
  }
  std::string_view message_;
  size_t at_, end_;
  bool good_ = true;
};

struct Raw {
  std::string owner;
  uint16_t type;
  uint32_t ttl;
  size_t at, length;  // of its data
};

bool read_records(Reader& reader, size_t count, std::vector<Raw>& to) {
  for (size_t i = 0; i < count; ++i) {
    Raw raw{reader.name(), 0, 0, 0, 0};
    raw.type = reader.two();
    const uint16_t of = reader.two();
    raw.ttl = reader.four();
    if (raw.ttl > INT32_MAX) raw.ttl = 0;  // RFC 2181, 8
    raw.length = reader.two();
    raw.at = reader.at();
    reader.skip(raw.length);
    if (!reader.good()) return false;
    if (of == kInternet) to.push_back(std::move(raw));
  }
  return true;
}

bool is_host(std::string_view name) {
  return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || is_alpha(c) || c == '.' || c == '-' || c == '_';
  });
}

// False: its data is not what its type says.
bool read_record(std::string_view message, const Raw& raw, DnsType type, std::vector<DnsRecord>& to) {
  Reader reader(message, raw.at, raw.at + raw.length);
  DnsRecord record;
  if (type != DnsType::Srv) {
    if (raw.length != (type == DnsType::A ? 4 : 16)) return false;
    record.address = dns_address(reader.bytes(raw.length));
  } else {
    record.priority = reader.two();
    record.weight = reader.two();
    record.port = reader.two();
    record.target = reader.name();
    if (!reader.good()) return false;
    if (!is_host(record.target) || record.port == 0) return true;  // ".": the service is decidedly not there
  }
  to.push_back(std::move(record));
  return true;
}

// How long "there is none" holds (RFC 2308, 5).
uint32_t negative_ttl(std::string_view message, const std::vector<Raw>& authority) {
  for (const Raw& raw : authority) {
    if (raw.type != kAuthority) continue;
    Reader reader(message, raw.at, raw.at + raw.length);
    (void)reader.name();
    (void)reader.name();
    reader.skip(16);
    const uint32_t least = reader.four();
    return reader.good() ? std::min({raw.ttl, least, uint32_t(INT32_MAX)}) : 0;
  }
  return 0;
}

}  // namespace

const char* name_of(DnsType type) {
  switch (type) {
    case DnsType::A: return "A";
    case DnsType::Aaaa: return "AAAA";
    case DnsType::Srv: return "SRV";
  }
  return "";
}

Address dns_address(std::string_view bytes) {
  if (bytes.size() == 4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, bytes.data(), 4);
    return {reinterpret_cast<const sockaddr*>(&v4), sizeof v4};
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  std::memcpy(&v6.sin6_addr, bytes.data(), 16);
  return {reinterpret_cast<const sockaddr*>(&v6), sizeof v6};
}

DnsAnswer read_dns_answer(std::string_view message, std::string_view name, DnsType type) {
  using Result = DnsAnswer::Result;
  if (message.size() < kHeaderBytes) return {};
  const int code = message[3] & 15;
  if (code == 5) return {Result::Refused};
  if (code != 0 && code != 3) return {code == 1 ? Result::Malformed : Result::ServerFailure};

  Reader reader(message, 4, message.size());
  const size_t questions = reader.two(), answers = reader.two(), authorities = reader.two();
  reader.skip(2);
  for (size_t i = 0; i < questions && reader.good(); ++i) {
    (void)reader.name();
    reader.skip(4);
  }
  std::vector<Raw> answer, authority;
  if (!reader.good() || !read_records(reader, answers, answer)) return {};

  std::string owner = to_lower(name);
  uint32_t ttl = INT32_MAX;
  std::vector<DnsRecord> records;
  for (int aliases = 0; aliases <= kMostAliases; ++aliases) {
    const Raw* alias = nullptr;
    bool found = false;
    for (const Raw& raw : answer) {
      if (raw.owner != owner) continue;
      if (raw.type == kAlias) alias = &raw;
      if (raw.type != uint16_t(type)) continue;
      if (!read_record(message, raw, type, records)) return {};
      ttl = std::min(ttl, raw.ttl);
      found = true;
    }
    if (found || !alias) break;
    ttl = std::min(ttl, alias->ttl);
    Reader target(message, alias->at, alias->at + alias->length);
    owner = target.name();
    if (!target.good()) return {};
  }
  if (!records.empty()) return {Result::Found, std::move(records), std::chrono::seconds(ttl)};
  if (!read_records(reader, authorities, authority)) return {};
  return {code == 3 ? Result::NoName : Result::NoData, {}, std::chrono::seconds(negative_ttl(message, authority))};
}

}  // namespace outrider::net
