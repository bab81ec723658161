#pragma once
// The same test over every pair of wires: what it says and hears is HTTP/1, what the proxy does may be HTTP/2.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/tls.h"

namespace outrider::test {

struct Wires {
  bool http2_in = false, http2_out = false;
  bool encrypted = false;  // by TLS, both
  bool any_http2() const { return http2_in || http2_out; }
  bool changed_in() const { return http2_in || encrypted; }  // whose connections are those of another proxy
  bool changed_out() const { return http2_out || encrypted; }
};
inline constexpr Wires kPairs[] = {{false, false}, {false, true}, {true, false}, {true, true}};
inline constexpr Wires kEncryptedPairs[] = {{false, false, true}, {false, true, true}, {true, false, true}, {true, true, true}};
inline std::string name_of(Wires wires) {
  return std::string(wires.encrypted ? "Tls" : "") + (wires.http2_in ? "Http2" : "Http1") + (wires.http2_out ? "Http2" : "Http1");
}
inline void PrintTo(const Wires& wires, std::ostream* out) { *out << name_of(wires); }

// One proxy under test; before it, and before each of its endpoints, another one where HTTP/2 or TLS is wanted there, which
// does nothing but change the wire.
class Chain {
 public:
  explicit Chain(Wires wires) : wires_(wires), certificates_(wires.encrypted ? std::make_unique<Certificates>() : nullptr) {}
  std::string to(const Origin& origin);  // where the proxy under test is to find it
  // As Proxy::edge().
  Proxy& start(const std::vector<std::string>& endpoints, const std::string& cluster = {}, const std::string& listener = {},
               std::vector<std::string> set = {});
  Stream connect() { return Stream::connect(address()); }
  net::Address address() const { return (before_ ? *before_ : *proxy_).address(); }  // for clients that speak HTTP/1
  void expect_quiet();  // of the proxy under test, once nobody is connected to it
  Wires wires() const { return wires_; }

 private:
  std::unique_ptr<Proxy> changer(const std::string& to, const std::string& cluster, const std::string& listener = {});
  const Wires wires_;
  const std::unique_ptr<Certificates> certificates_;  // null: clear text
  std::vector<std::unique_ptr<Proxy>> behind_;
  std::unique_ptr<Proxy> proxy_, before_;
};

class EveryPair : public testing::TestWithParam<Wires> {
 protected:
  Chain chain{GetParam()};
};

#define OUTRIDER_EVERY_ENCRYPTED_PAIR(suite) \
  INSTANTIATE_TEST_SUITE_P(Tls, suite, ::testing::ValuesIn(kEncryptedPairs), [](const auto& of) { return name_of(of.param); })
#define OUTRIDER_EVERY_PAIR(suite) \
  INSTANTIATE_TEST_SUITE_P(Wires, suite, ::testing::ValuesIn(kPairs), [](const auto& of) { return name_of(of.param); })

}  // namespace outrider::test
