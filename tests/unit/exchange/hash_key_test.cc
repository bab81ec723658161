#include "exchange/hash_key.h"

#include <gtest/gtest.h>

#include "base/arena.h"

namespace outrider::exchange {
namespace {

using Kind = upstream::HashBy::Kind;

std::optional<uint64_t> key(Kind kind, std::string name = "") {
  Arena arena;
  http::RequestHead head(arena);
  head.authority = "shop:8080";
  head.path = "/cart?id=1";
  head.headers.add("X-User", "ann");
  head.headers.add("Cookie", "sid=ann");
  return hash_key({kind, std::move(name)}, head, "10.0.0.1");
}

TEST(HashKey, IsOfWhatIsNamed) {
  EXPECT_EQ(key(Kind::Nothing), std::nullopt);
  EXPECT_EQ(key(Kind::Source), hash_key({Kind::Source, ""}, http::RequestHead(*std::make_unique<Arena>()), "10.0.0.1"));
  EXPECT_EQ(key(Kind::Header, "x-user"), key(Kind::Cookie, "sid")) << "the same text";
  EXPECT_NE(key(Kind::Host), key(Kind::Path));
  EXPECT_TRUE(key(Kind::Host) && key(Kind::Path));
}

TEST(HashKey, ThereIsNoneWhereTheRequestHasNoSuchThing) {
  EXPECT_EQ(key(Kind::Header, "x-other"), std::nullopt);
  EXPECT_EQ(key(Kind::Cookie, "other"), std::nullopt);
}

// Other proxies, of other versions, must come to the same: it is fixed for good.
TEST(HashKey, IsTheSameInEveryProgram) { EXPECT_EQ(key(Kind::Header, "x-user"), 0u); }

}  // namespace
}  // namespace outrider::exchange
