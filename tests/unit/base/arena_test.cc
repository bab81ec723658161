#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/arena.h"
#include "tests/support/seed.h"

namespace outrider {
namespace {

using test::random_bytes;
using test::seeded_random;

TEST(Arena, AlignsWhatItGives) {
  Arena arena;
  for (const size_t align : {1, 2, 4, 8, 16, 64})
    for (int i = 0; i < 100; ++i) {
      auto* at = static_cast<char*>(arena.allocate(3, align));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % align, 0u);
      std::memset(at, 0x11, 3);
    }
}

TEST(Arena, KeepsEveryCopyUntilItIsReset) {
  Random random = seeded_random();
  Arena arena;
  for (int round = 0; round < 20; ++round) {
    std::vector<std::pair<std::string, std::string_view>> all;
    for (int i = 0; i < 200; ++i) {
      auto text = random_bytes(random, random.below(10) ? random.below(100) : random.below(20000));
      const auto view = arena.copy(text);
      all.emplace_back(std::move(text), view);
    }
    for (const auto& [text, view] : all) ASSERT_EQ(view, text);
    arena.reset();
  }
}

TEST(Arena, ConcatenatesUpToThreeParts) {
  Arena arena;
  EXPECT_EQ(arena.concat("a", "bc"), "abc");
  EXPECT_EQ(arena.concat("a", "", "d"), "ad");
  EXPECT_EQ(arena.concat("", ""), "");
  EXPECT_EQ(arena.copy(""), "");
}

TEST(Arena, UsesItsFirstChunkAgainAfterReset) {
  Arena arena;
  const void* first = arena.allocate(100);
  arena.allocate(50000);
  arena.reset();
  EXPECT_EQ(arena.allocate(100), first);
}

TEST(Arena, DoesNotKeepALargeFirstChunk) {
  Arena arena;
  arena.allocate(100000);
  EXPECT_GE(arena.held_bytes(), 100000u);
  arena.reset();
  EXPECT_LE(arena.held_bytes(), 4096u);
  arena.allocate(10);
  arena.reset();
  EXPECT_EQ(arena.held_bytes(), 4096u);
}

TEST(Arena, MakesObjects) {
  struct Pair {
    int a;
    double b;
  };
  Arena arena;
  auto* pair = arena.make<Pair>(Pair{3, 4.5});
  EXPECT_EQ(pair->a, 3);
  auto* many = arena.array<uint64_t>(10);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(many) % alignof(uint64_t), 0u);
}

}  // namespace
}  // namespace outrider
