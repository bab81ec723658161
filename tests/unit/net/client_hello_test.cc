#include "net/client_hello.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/support/seed.h"
#include "tests/unit/net/client_hello.h"

namespace outrider::net {
namespace {

using State = ClientHello::State;

struct Read {
  State state;
  std::string why, server_name, protocols;
  size_t needed;
  bool operator==(const Read&) const = default;
};

// From a block of exactly this size: what reads too far is seen by the sanitizers.
Read read(std::string_view bytes) {
  const std::unique_ptr<char[]> exact(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  std::string joined;
  const auto hello = read_client_hello({exact.get(), bytes.size()}, joined);
  return {hello.state, hello.why, std::string(hello.server_name), std::string(hello.protocols), hello.needed};
}

std::string why(const std::string& bytes) {
  const auto got = read(bytes);
  EXPECT_EQ(int(got.state), int(State::Malformed)) << testing::PrintToString(bytes.substr(0, 200));
  return got.why;
}

std::string why_with(const std::string& extensions) { return why(record(Hello{.extensions = extensions}.message())); }

// Byte by byte: nothing is said before it is sure, nothing is taken back, and what is said to be needed is not too much.
void expect_steady(const std::string& bytes) {
  const Read whole = read(bytes);
  size_t needed = 0;
  for (size_t n = 0; n < bytes.size(); ++n) {
    const Read now = read(std::string_view(bytes).substr(0, n));
    if (now.state == State::Partial) {
      ASSERT_GT(now.needed, n);
      ASSERT_GE(now.needed, needed);
      needed = now.needed;
    } else {
      ASSERT_TRUE(n >= needed || now.state != State::Whole) << "before the bytes that were said to be needed";
      ASSERT_EQ(int(now.state), int(whole.state)) << n;
      ASSERT_EQ(now.why, whole.why);
      ASSERT_EQ(now.server_name, whole.server_name);
      ASSERT_EQ(now.protocols, whole.protocols);
    }
  }
}

std::string captured(const std::string& name) {
  std::ifstream file(OUTRIDER_SOURCE_DIR "/tests/fuzz/corpus/fuzz_client_hello/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

TEST(Hello, SaysWhomTheClientWantsAndHow) {
  const std::string h2 = "\x02h2", both = "\x02h2\x08http/1.1";
  const struct {
    const char* file;
    std::string name, protocols;
  } clients[] = {{"openssl", "web.example.com", both}, {"openssl_tls12", "web.example.com", ""},
                 {"openssl_no_name", "", ""},          {"curl", "web.example.com", both},
                 {"node", "web.example.com", h2},      {"chromium", "web.example.com", both}};
  for (const auto& client : clients) {
    const std::string bytes = captured(client.file);
    EXPECT_EQ(read(bytes), (Read{State::Whole, "", client.name, client.protocols, 0})) << client.file;
    expect_steady(bytes);
  }
}

TEST(Hello, AnyClientMayComeInManyRecordsAndReads) {
  const std::string message = captured("chromium").substr(5);
  for (const size_t each : {1, 2, 3, 4, 5, 100, 1000, 5000}) {
    const std::string bytes = records(message, each);
    const Read got = read(bytes);
    EXPECT_EQ(int(got.state), int(State::Whole)) << each;
    EXPECT_EQ(got.server_name, "web.example.com");
    if (each > 1) expect_steady(bytes);
  }
}

TEST(Hello, WhatFollowsIsNotLookedAt) {
  EXPECT_EQ(read(hello_to("a.test") + "anything").server_name, "a.test");
  const std::string two = Hello{.extensions = server_name("a.test")}.message() + "\x01\x00";
  EXPECT_EQ(read(record(two)).server_name, "a.test");
}

TEST(Hello, NamesAndProtocolsMayBeMissing) {
  EXPECT_EQ(read(record(Hello{.extended = false}.message())), (Read{State::Whole, "", "", "", 0}));
  EXPECT_EQ(read(record(Hello{}.message())), (Read{State::Whole, "", "", "", 0}));
  EXPECT_EQ(read(record(Hello{.extensions = extension(43, "x") + protocols({"h2"})}.message())).protocols, "\x02h2");
}

TEST(Hello, ADotAtANamesEndIsNoPartOfIt) { EXPECT_EQ(read(hello_to("a.test.")).server_name, "a.test"); }

TEST(Hello, NamesOfOtherTypesArePassedOver) {
  const auto host = std::string(1, '\0') + sized(2, "a.test"), other = "\x07" + sized(2, "other");
  EXPECT_EQ(read(record(Hello{.extensions = extension(0, sized(2, other + host))}.message())).server_name, "a.test");
  EXPECT_EQ(read(record(Hello{.extensions = server_name("a.test", 7)}.message())), (Read{State::Whole, "", "", "", 0}));
}

// Reserved values that clients sprinkle over everything (RFC 8701).
TEST(Hello, GreaseIsNoDisturbance) {
  Hello hello;
  hello.ciphers = "\x0a\x0a\x13\x01";
  hello.extensions = extension(0x1a1a, "") + server_name("a.test") + extension(0xfafa, "x") + protocols({"\x8a\x8a", "h2"});
  EXPECT_EQ(read(record(hello.message())), (Read{State::Whole, "", "a.test", "\x02\x8a\x8a\x02h2", 0}));
}

TEST(Hello, OthersAreToldAtOnce) {
  for (const std::string bytes : {"G", "GET / HTTP/1.1\r\n", "\x16\x02", "\x15\x03\x01", "\x80\x2e\x01\x03\x01"})
    EXPECT_EQ(int(read(bytes).state), int(State::NotTls)) << bytes;
  EXPECT_EQ(int(read("\x16\x03\x03" + sized(2, "\x02...")).state), int(State::NotTls)) << "a server's";
  EXPECT_EQ(read("").needed, 9u);
}

TEST(Hello, RecordsThatAreNoneAreRefused) {
  const std::string message = Hello{.extensions = server_name("a.test")}.message();
  EXPECT_EQ(why(std::string("\x16\x03\x01\x00\x00", 5)), "client_hello_record_length");
  EXPECT_EQ(why("\x16\x03\x01\x40\x01"), "client_hello_record_length");
  EXPECT_EQ(why(record(message.substr(0, 20)) + "\x17\x03\x03"), "client_hello_interrupted");
  EXPECT_EQ(why(record(message.substr(0, 20)) + std::string("\x16\x03\x03\x00\x00", 5)), "client_hello_record_length");
  EXPECT_EQ(why(record(message.substr(0, 20)) + "\x16\x02"), "client_hello_interrupted");
}

TEST(Hello, LengthsMustAgree) {
  const auto hello = [](auto change) {
    Hello one{.extensions = server_name("a.test")};
    change(one);
    return record(one.message());
  };
  EXPECT_EQ(why(hello([](Hello& h) { h.session = std::string(33, 's'); })), "client_hello_length");
  EXPECT_EQ(why(hello([](Hello& h) { h.ciphers = ""; })), "client_hello_length");
  EXPECT_EQ(why(hello([](Hello& h) { h.ciphers = "\x13\x01\x13"; })), "client_hello_length");
  EXPECT_EQ(why(hello([](Hello& h) { h.compressions = ""; })), "client_hello_length");
  EXPECT_EQ(why(hello([](Hello& h) { h.extensions += "\x01"; })), "client_hello_length");
  EXPECT_EQ(why(hello([](Hello& h) { h.extensions += std::string("\x00\x2b\x00\x09", 4); })), "client_hello_length");
  EXPECT_EQ(why(record("\x01" + sized(3, "\x03\x03"))), "client_hello_length");
  const std::string body = Hello{}.message().substr(4);
  EXPECT_EQ(why(record("\x01" + sized(3, body + "x"))), "client_hello_length") << "behind the extensions";
}

TEST(Hello, ExtensionsThatAreWrittenWronglyAreRefused) {
  EXPECT_EQ(why_with(server_name("a.test") + server_name("a.test")), "client_hello_twice");
  EXPECT_EQ(why_with(protocols({"h2"}) + protocols({"h2"})), "client_hello_twice");
  EXPECT_EQ(why_with(extension(0, "")), "client_hello_server_name");
  EXPECT_EQ(why_with(extension(0, sized(2, ""))), "client_hello_server_name");
  EXPECT_EQ(why_with(server_name("")), "client_hello_server_name");
  EXPECT_EQ(why_with(server_name(std::string("a\0b", 3))), "client_hello_server_name");
  EXPECT_EQ(why_with(server_name("a b")), "client_hello_server_name");
  EXPECT_EQ(why_with(server_name("\xc3\xbc.test")), "client_hello_server_name");
  EXPECT_EQ(why_with(server_name(std::string(256, 'a'))), "client_hello_server_name");
  EXPECT_EQ(why_with(extension(0, sized(2, std::string(1, '\0') + sized(2, "a.test")) + "x")), "client_hello_server_name");
  const std::string host = std::string(1, '\0') + sized(2, "a.test");
  EXPECT_EQ(why_with(extension(0, sized(2, host + host))), "client_hello_server_name");
  EXPECT_EQ(why_with(extension(16, "")), "client_hello_protocols");
  EXPECT_EQ(why_with(protocols({})), "client_hello_protocols");
  EXPECT_EQ(why_with(protocols({"h2", ""})), "client_hello_protocols");
  EXPECT_EQ(why_with(extension(16, sized(2, "\x03h2"))), "client_hello_protocols");
  EXPECT_EQ(why_with(extension(16, sized(2, "\x02h2") + "x")), "client_hello_protocols");
}

TEST(Hello, MoreThanARecordHoldsIsNotWaitedFor) {
  const auto of_size = [](size_t n) {
    Hello hello{.extensions = server_name("a.test") + extension(21, "")};
    hello.extensions = server_name("a.test") + extension(21, std::string(n - hello.message().size(), '\0'));
    return hello.message();
  };
  EXPECT_EQ(read(record(of_size(16384))).server_name, "a.test");
  EXPECT_EQ(why(records(of_size(16385), 16384).substr(0, 9)), "client_hello_too_long");
  EXPECT_EQ(why(records(of_size(16384), 16383)), "client_hello_too_long") << "with the heads of its records";
  const std::string slow = records(of_size(16000), 1);
  EXPECT_EQ(why(slow.substr(0, kClientHelloBytes)), "client_hello_too_long");
}

// As often as a message comes in pieces that are too small: how much is needed grows in steps that are not.
TEST(Hello, ItIsNotReadAnewForEveryByte) {
  const std::string bytes = records(captured("chromium").substr(5), 1);
  size_t reads = 0;
  for (size_t n = 0; n < bytes.size();) {
    const Read now = read(std::string_view(bytes).substr(0, n));
    ++reads;
    if (now.state != State::Partial) break;
    n = now.needed;
  }
  EXPECT_LT(reads, 60u);
}

TEST(Hello, WhateverIsChangedInOneAVerdictStands) {
  Random random = test::seeded_random();
  const std::string real[] = {captured("openssl"), captured("curl"), captured("openssl_tls12"),
                              records(captured("node").substr(5), 90)};
  for (int i = 0; i < 400 && !testing::Test::HasFatalFailure(); ++i) {
    std::string bytes = real[random.next() % std::size(real)];
    for (uint64_t n = 1 + random.next() % 4; n > 0; --n) bytes[random.next() % bytes.size()] = char(random.next());
    if (random.next() % 4 == 0) bytes.erase(random.next() % bytes.size(), 1 + random.next() % 8);
    expect_steady(bytes);
  }
}

}  // namespace
}  // namespace outrider::net
