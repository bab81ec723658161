#include "net/address.h"

#include <gtest/gtest.h>

namespace outrider::net {
namespace {

TEST(Address, PrintsWhatItReads) {
  for (const auto* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[::]:8080", "[2001:db8::1:2]:1",
                           "unix:/run/x.sock", "unix:relative"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
    EXPECT_TRUE(address->valid());
  }
}

TEST(Address, KnowsItsParts) {
  const auto v4 = *Address::parse("10.1.2.3:8080");
  EXPECT_EQ(v4.family(), AF_INET);
  EXPECT_EQ(v4.ip(), "10.1.2.3");
  EXPECT_EQ(v4.port(), 8080);
  const auto v6 = *Address::parse("[2001:DB8:0:0::7]:9");
  EXPECT_EQ(v6.ip(), "2001:db8::7");
  EXPECT_EQ(v6.port(), 9);
  const auto path = *Address::parse("unix:/a/b");
  EXPECT_TRUE(path.is_unix());
  EXPECT_EQ(path.ip(), "/a/b");
  EXPECT_EQ(path.port(), 0);
  EXPECT_EQ(Address().text(), "-");
  EXPECT_FALSE(Address().valid());
}

TEST(Address, ReadsAPortAloneAsEveryAddressOfBothFamilies) {
  const auto any = *Address::parse(":80");
  EXPECT_EQ(any.text(), "[::]:80");
  EXPECT_TRUE(any.is_wildcard());
  EXPECT_TRUE(Address::parse("0.0.0.0:1")->is_wildcard());
  EXPECT_FALSE(Address::parse("127.0.0.1:1")->is_wildcard());
  EXPECT_FALSE(Address::parse("unix:/x")->is_wildcard());
}

TEST(Address, KnowsLoopback) {
  for (const auto* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/x"})
    EXPECT_TRUE(Address::parse(text)->is_loopback()) << text;
  for (const auto* text : {"128.0.0.1:1", "[::]:1", "0.0.0.0:1"}) EXPECT_FALSE(Address::parse(text)->is_loopback()) << text;
  EXPECT_EQ(Address::loopback(7).text(), "127.0.0.1:7");
}

TEST(Address, TakesAMappedAddressForWhatItMeans) {
  const auto mapped = *Address::parse("[::ffff:1.2.3.4]:5");
  EXPECT_EQ(mapped.family(), AF_INET);
  EXPECT_EQ(mapped.text(), "1.2.3.4:5");
  EXPECT_EQ(mapped, *Address::parse("1.2.3.4:5"));
}

TEST(Address, ComparesAddressAndPort) {
  EXPECT_EQ(*Address::parse("1.2.3.4:5"), *Address::parse("1.2.3.4:5"));
  EXPECT_FALSE(*Address::parse("1.2.3.4:5") == *Address::parse("1.2.3.4:6"));
  EXPECT_FALSE(*Address::parse("1.2.3.4:5") == *Address::parse("1.2.3.5:5"));
  auto other = *Address::parse("1.2.3.4:5");
  other.set_port(6);
  EXPECT_EQ(other, *Address::parse("1.2.3.4:6"));
  EXPECT_EQ(*Address::parse("unix:/a"), *Address::parse("unix:/a"));
  EXPECT_FALSE(*Address::parse("unix:/a") == *Address::parse("unix:/b"));
}

TEST(Address, KeysDependOnTheIpAlone) {
  EXPECT_EQ(Address::parse("1.2.3.4:5")->ip_key(), Address::parse("1.2.3.4:99")->ip_key());
  EXPECT_EQ(Address::parse("[2001:db8::1]:5")->ip_key(), Address::parse("[2001:db8::1]:6")->ip_key());
  EXPECT_NE(Address::parse("1.2.3.4:5")->ip_key(), Address::parse("1.2.3.5:5")->ip_key());
  EXPECT_NE(Address::parse("[2001:db8::1]:5")->ip_key(), Address::parse("[2001:db8::2]:5")->ip_key());
  EXPECT_NE(Address::parse("[2001:db8::1]:5")->ip_key(), Address::parse("[2001:db9::1]:5")->ip_key());
}

TEST(Address, RefusesWhatIsNone) {
  const std::string long_path = "unix:/" + std::string(200, 'x');
  for (const auto& text :
       {std::string(""), std::string("80"), std::string("1.2.3.4"), std::string("1.2.3.4:"), std::string("1.2.3.4:x"),
        std::string("1.2.3.4:65536"), std::string("1.2.3.4:-1"), std::string("1.2.3:80"), std::string("localhost:80"),
        std::string("::1:80"), std::string("[::1]"), std::string("[::g]:80"), std::string("[]:80"), std::string("[1.2.3.4]:80"),
        std::string("unix:"), std::string("1.2.3.4 :80"), long_path}) {
    const auto address = Address::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Code::Config);
    EXPECT_STRNE(address.error().what, "");
  }
}

}  // namespace
}  // namespace outrider::net
