#include "http/request_key.h"

#include <gtest/gtest.h>

#include "base/arena.h"

namespace outrider::http {
namespace {

std::optional<uint64_t> key(std::string_view by) {
  Arena arena;
  RequestHead head(arena);
  head.authority = "shop:8080";
  head.path = "/cart?id=1";
  head.headers.add("X-User", "ann");
  head.headers.add("Cookie", "sid=ann");
  return RequestKey::parse(by).of(head, {"10.0.0.1", "spiffe://mesh.local/ns/shop/sa/web"});
}

TEST(RequestKey, IsOfWhatIsNamed) {
  EXPECT_EQ(key("source"), hash("10.0.0.1"));
  EXPECT_EQ(key("identity"), hash("spiffe://mesh.local/ns/shop/sa/web"));
  EXPECT_EQ(key("host"), hash("shop"));
  EXPECT_EQ(key("path"), hash("/cart"));
  EXPECT_EQ(key("header.x-user"), hash("ann"));
  EXPECT_EQ(key("cookie.sid"), hash("ann"));
}

TEST(RequestKey, ThereIsNoneWhereTheRequestHasNoSuchThing) {
  EXPECT_EQ(key("header.x-other"), std::nullopt);
  EXPECT_EQ(key("cookie.other"), std::nullopt);
  EXPECT_EQ(key("whatever"), std::nullopt);
  EXPECT_EQ(key(""), std::nullopt);
}

// Proxies of other versions must come to the same: it is fixed for good.
TEST(RequestKey, IsTheSameInEveryProgram) { EXPECT_EQ(hash("ann"), 9265845255492201856u); }

}  // namespace
}  // namespace outrider::http
