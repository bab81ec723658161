#include "base/ports.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

TEST(Ports, AreNumbersThatFit) {
  EXPECT_EQ(parse_port("1"), uint16_t(1));
  EXPECT_EQ(parse_port("65535"), uint16_t(65535));
  for (const auto* none : {"", "0", "65536", "-1", " 80", "80x", "http"}) EXPECT_FALSE(parse_port(none)) << none;
}

TEST(Ports, OfARangeAreBothEnds) {
  EXPECT_EQ(PortRange::parse("80"), (PortRange{80, 80}));
  EXPECT_EQ(PortRange::parse("8000 - 8010"), (PortRange{8000, 8010}));
  EXPECT_EQ(PortRange::parse("90-80"), (PortRange{90, 80}));
  for (const auto* none : {"", "-", "80-", "-80", "80-90-100", "80-0"}) EXPECT_FALSE(PortRange::parse(none)) << none;
}

}  // namespace
}  // namespace outrider
