#pragma once
// What a rule asks of a request besides host and path.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filter/call.h"
#include "filter/ip_rules.h"
#include "http/request_key.h"

namespace re2 {
class RE2;
}

namespace outrider::exchange {

// How a text is to be. Constant; shared by all workers.
class TextMatch {
 public:
  enum class Kind : uint8_t { Present, Exact, Prefix, Suffix, Contains, Regex };  // Regex: of all of it, in RE2's language
  TextMatch(Kind kind, std::string text, bool negated = false);
  std::string trouble() const;  // of a regex that is none: why; else empty
  bool holds(std::optional<std::string_view> text) const;

 private:
  Kind kind_;
  bool negated_;
  std::string text_;
  std::shared_ptr<const re2::RE2> regex_;
};

struct Asked {
  const http::RequestHead& head;
  const filter::Peer& peer;
  uint64_t lot;       // drawn once a request
  uint16_t port = 0;  // that the client called; 0: nobody asks for it
};

// All of it must hold; what is empty asks nothing. Constant, compiled from one configuration; shared by all workers.
struct Conditions {
  struct Named {
    std::string name;
    TextMatch match;
  };
  std::vector<std::string> methods;              // any of them
  std::optional<TextMatch> path;                 // without its query
  std::vector<Named> headers, queries, cookies;  // each of them
  std::vector<std::string> identities;           // any of them: patterns (identity/workload_id.h)
  std::string home;                              // the trust domain that short patterns speak of
  filter::IpRules networks;
  std::vector<uint16_t> ports;  // any of them
  bool grpc = false;            // by its content type
  double percent = 1;           // share of what fulfils the rest; each rule draws for itself
  http::RequestKey sticky;      // draws in its place, where the request has it

  bool hold(const Asked& asked, uint32_t rule) const;
};

}  // namespace outrider::exchange
