#include "exchange/service_name.h"

#include <gtest/gtest.h>

namespace outrider::exchange {
namespace {

std::string_view name_of(std::string_view authority, Arena& arena) { return service_name(authority, "shop", "mesh", arena); }

TEST(ServiceName, EveryWayToWriteItIsOneName) {
  Arena arena;
  for (const auto* way : {"cart", "Cart:8080", "cart.", "cart.shop", "cart.mesh", "cart.shop.mesh", "cart.shop.mesh.:80",
                          "cart.shop.svc", "cart.shop.SVC:80", "cart.shop.svc.cluster.local", "cart.shop.svc.example.internal."})
    EXPECT_EQ(name_of(way, arena), "shop/cart") << way;
  EXPECT_EQ(name_of("cart.other.svc.cluster.local", arena), "other/cart");
}

TEST(ServiceName, OtherNamesAreNone) {
  Arena arena;
  for (const auto* other : {"", "10.0.0.1", "10.0.0.1:80", "[fd00::1]:80", "www.example.com", "cart.shop.svcs", "cart.shop.sv",
                            "a.cart.shop.svc", "cart..svc", ".shop.svc", "c/art"})
    EXPECT_EQ(name_of(other, arena), "") << other;
}

}  // namespace
}  // namespace outrider::exchange
