#include "http/query.h"

#include <gtest/gtest.h>

namespace outrider::http {
namespace {

std::string found(std::string_view path, std::string_view name) { return find_parameter(path, name).value_or("none"); }

TEST(Query, AParameterIsFoundByItsWholeName) {
  EXPECT_EQ(found("/a?x=1&xy=2&x=3", "x"), "1");
  EXPECT_EQ(found("/a?x=1&xy=2", "xy"), "2");
  EXPECT_EQ(found("/a?x=1", "y"), "none");
  EXPECT_EQ(found("/a", "x"), "none");
  EXPECT_EQ(found("/a?x", "x"), "");
  EXPECT_EQ(found("/a?x=y=z", "x"), "y=z");
  EXPECT_EQ(found("/a?&&x=1", "x"), "1");
}

TEST(Query, NamesAndValuesAreDecoded) {
  EXPECT_EQ(found("/a?a%20b=c%2Bd+e", "a b"), "c+d e");
  EXPECT_EQ(found("/a?x=100%&y=%4", "x"), "100%") << "badly encoded, it stands for itself";
  EXPECT_EQ(found("/a?x=100%&y=%4", "y"), "%4");
  EXPECT_EQ(found("/a?x=%zz", "x"), "%zz");
}

}  // namespace
}  // namespace outrider::http
