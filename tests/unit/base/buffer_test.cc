#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "base/block_pool.h"
#include "base/buffer.h"
#include "tests/support/seed.h"

namespace outrider {
namespace {

using test::random_bytes;
using test::seeded_random;

// --- block pool ---------------------------------------------------------------------------------------------------

TEST(BlockPool, TakesTheSmallestClassThatHoldsIt) {
  BlockPool pool;
  for (const auto& [asked, got] : {std::pair<size_t, uint32_t>{0, 512},
                                   {1, 512},
                                   {512, 512},
                                   {513, 4096},
                                   {4096, 4096},
                                   {4097, 65536},
                                   {65536, 65536},
                                   {65537, 262144},
                                   {262144, 262144},
                                   {1 << 20, 262144}}) {
    Block* block = pool.take(asked);
    EXPECT_EQ(block->capacity, got) << asked;
    EXPECT_EQ(block->references, 1u);
    EXPECT_EQ(block->used, 0u);
    std::memset(block->data(), 0x5a, block->capacity);
    pool.release(block);
  }
  EXPECT_EQ(pool.in_use_bytes(), 0u);
  EXPECT_EQ(pool.high_water_bytes(), 262144u);
}

TEST(BlockPool, GivesAReleasedBlockOutAgainOnlyAtItsLastReference) {
  BlockPool pool;
  Block* block = pool.take(100);
  ++block->references;
  pool.release(block);
  EXPECT_EQ(pool.in_use_bytes(), 512u);
  Block* other = pool.take(100);
  EXPECT_NE(other, block);
  pool.release(block);
  EXPECT_EQ(pool.take(100), block);
  pool.release(block);
  pool.release(other);
}

TEST(BlockPool, KeepsABoundedNumberOfFreeBlocksAndSlices) {
  BlockPool pool;
  std::vector<Block*> blocks;
  std::vector<Slice*> slices;
  for (int i = 0; i < 2000; ++i) {
    blocks.push_back(pool.take(65536 * size_t(i % 2) + 1));
    slices.push_back(pool.take_slice());
  }
  EXPECT_EQ(pool.in_use_bytes(), 1000u * (512 + 262144));
  for (Block* block : blocks) pool.release(block);
  for (Slice* slice : slices) pool.release_slice(slice);
  EXPECT_EQ(pool.in_use_bytes(), 0u);
  Slice* again = pool.take_slice();
  EXPECT_EQ(again->next, nullptr);
  pool.release_slice(again);
}

// --- buffer -------------------------------------------------------------------------------------------------------

// The same bytes however they are cut into slices.
Buffer pieces(BlockPool& pool, std::string_view bytes, size_t each) {
  Buffer out(pool);
  for (size_t at = 0; at < bytes.size(); at += each) {
    Buffer piece(pool);
    piece.append(bytes.substr(at, each));
    out.append(std::move(piece));
  }
  return out;
}

std::string gathered(const Buffer& buffer) {
  std::vector<iovec> parts(2000);
  std::string out;
  const size_t n = buffer.gather(parts.data(), parts.size());
  for (size_t i = 0; i < n; ++i) out.append(static_cast<char*>(parts[i].iov_base), parts[i].iov_len);
  return out;
}

class BufferAtEveryOffset : public testing::TestWithParam<size_t> {
 protected:
  BufferAtEveryOffset() {
    Random random = seeded_random();
    model = random_bytes(random, 1500);
  }
  Buffer make() { return pieces(pool, model, GetParam()); }
  BlockPool pool;
  std::string model;
};

TEST_P(BufferAtEveryOffset, TakeLeavesTheRest) {
  for (size_t n = 0; n <= model.size() + 1; ++n) {
    Buffer whole = make();
    Buffer first = whole.take(n);
    const size_t cut = std::min(n, model.size());
    ASSERT_EQ(first.text(), model.substr(0, cut)) << n;
    ASSERT_EQ(whole.text(), model.substr(cut)) << n;
    ASSERT_EQ(first.size() + whole.size(), model.size());
    first.append(std::move(whole));
    ASSERT_EQ(gathered(first), model) << n;
    ASSERT_TRUE(whole.empty());
  }
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST_P(BufferAtEveryOffset, DropForgetsTheFirstBytes) {
  for (size_t n = 0; n <= model.size() + 1; ++n) {
    Buffer whole = make();
    whole.drop(n);
    ASSERT_EQ(whole.text(), model.substr(std::min(n, model.size()))) << n;
    whole.append("tail");
    ASSERT_EQ(whole.text(), model.substr(std::min(n, model.size())) + "tail") << n;
  }
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST_P(BufferAtEveryOffset, ShareIsAViewThatNeitherSideCanChange) {
  for (size_t from = 0; from <= model.size(); from += 37)
    for (size_t n = 0; n <= model.size(); n += 53) {
      Buffer whole = make();
      Buffer part = whole.share(from, n);
      ASSERT_EQ(part.text(), model.substr(from, n));
      part.append("mine");
      whole.append("theirs");
      ASSERT_EQ(part.text(), model.substr(from, n) + "mine");
      ASSERT_EQ(whole.text(), model + "theirs");
      whole.clear();
      ASSERT_EQ(part.text(), model.substr(from, n) + "mine");
    }
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST_P(BufferAtEveryOffset, ContiguousMovesBytesTogetherAndChangesNone) {
  for (size_t n = 0; n <= model.size(); ++n) {
    Buffer whole = make();
    Buffer other = whole.share(0, whole.size());
    ASSERT_EQ(whole.contiguous(n), model.substr(0, n)) << n;
    ASSERT_EQ(whole.text(), model) << n;
    whole.append("more");
    ASSERT_EQ(whole.text(), model + "more") << n;
    ASSERT_EQ(other.text(), model) << n;
  }
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Pieces, BufferAtEveryOffset, testing::Values(size_t{1}, size_t{7}, size_t{511}, size_t{5000}));

TEST(Buffer, ReserveAndCommitFillTheTail) {
  BlockPool pool;
  Buffer buffer(pool);
  auto room = buffer.reserve(100);
  ASSERT_GE(room.size(), 100u);
  std::memcpy(room.data(), "hello", 5);
  buffer.commit(5);
  room = buffer.reserve(10);
  std::memcpy(room.data(), " you", 4);
  buffer.commit(4);
  EXPECT_EQ(buffer.front(), "hello you");
  EXPECT_EQ(pool.in_use_bytes(), 512u);
  buffer.reserve(4000);
  buffer.commit(0);
  EXPECT_EQ(buffer.text(), "hello you");
  EXPECT_EQ(pool.in_use_bytes(), 512u) << "what was reserved in vain goes back";
  EXPECT_EQ(buffer.reserve(1 << 20).size(), 262144u);
}

TEST(Buffer, MovingTakesEverythingAlong) {
  BlockPool pool;
  Buffer a(pool), b(pool);
  a.append("one");
  a.reserve(5000);
  b.append("two");
  b = std::move(a);
  EXPECT_EQ(b.text(), "one");
  EXPECT_TRUE(a.empty());
  a.append("again");
  EXPECT_EQ(a.text(), "again");
  Buffer c(std::move(b));
  EXPECT_EQ(c.text(), "one");
  c = std::move(c);
  EXPECT_EQ(c.text(), "one");
}

TEST(Buffer, AppendFillsWhatIsLeftOfABlockBeforeItTakesANewOne) {
  BlockPool pool;
  Buffer buffer(pool);
  const std::string text(500, 'x');
  buffer.append(text);
  buffer.append(text);
  iovec parts[4];
  EXPECT_EQ(buffer.gather(parts, 4), 2u);
  EXPECT_EQ(parts[0].iov_len, 512u);
  EXPECT_EQ(buffer.text(), text + text);
}

TEST(Buffer, SettlingMovesFewBytesOutOfALargeBlock) {
  BlockPool pool;
  Buffer buffer(pool);
  buffer.reserve(65536);
  buffer.commit(3);
  EXPECT_EQ(pool.in_use_bytes(), 65536u);
  buffer.settle();
  EXPECT_EQ(pool.in_use_bytes(), 512u);
  EXPECT_EQ(buffer.size(), 3u);
  buffer.clear();
  buffer.reserve(65536);
  buffer.settle();
  EXPECT_EQ(pool.in_use_bytes(), 0u) << "room that was not used";
}

TEST(Buffer, SettlingLeavesWellUsedBlocksAlone) {
  BlockPool pool;
  for (const size_t n :
       {size_t{1}, size_t{511}, size_t{513}, size_t{700}, size_t{2000}, size_t{30000}, size_t{300000}, size_t{600000}}) {
    Random random = seeded_random();
    const std::string model = random_bytes(random, n);
    Buffer buffer = pieces(pool, model, 1000);
    buffer.settle();
    ASSERT_EQ(buffer.text(), model);
    const std::string_view before = buffer.front();
    buffer.settle();
    EXPECT_EQ(buffer.front().data(), before.data()) << n << ": settled already, and copied again";
    EXPECT_EQ(buffer.text(), model);
  }
  EXPECT_EQ(pool.in_use_bytes(), 0u);
}

TEST(Buffer, SettlingManySmallSlicesHoldsLittleMoreThanTheBytes) {
  BlockPool pool;
  Buffer buffer = pieces(pool, std::string(300000, 'x'), 1000);
  const size_t before = pool.in_use_bytes();
  buffer.settle();
  EXPECT_EQ(pool.in_use_bytes(), 262144u + 65536u);
  EXPECT_LT(pool.high_water_bytes(), before + 400000);
  EXPECT_EQ(buffer.text(), std::string(300000, 'x'));
}

TEST(Buffer, GatherStopsAtTheRoomItIsGiven) {
  BlockPool pool;
  Buffer buffer = pieces(pool, std::string(100, 'x'), 10);
  iovec parts[3];
  EXPECT_EQ(buffer.gather(parts, 3), 3u);
  EXPECT_EQ(Buffer(pool).gather(parts, 3), 0u);
  EXPECT_EQ(Buffer(pool).front(), "");
}

TEST(Buffer, BehavesLikeAStringWhateverIsDoneToIt) {
  Random random = seeded_random();
  BlockPool pool;
  {
    std::vector<Buffer> buffers;
    std::vector<std::string> models(4);
    for (size_t i = 0; i < 4; ++i) buffers.emplace_back(pool);
    for (int step = 0; step < 20000; ++step) {
      const size_t i = random.below(4), j = random.below(4);
      Buffer& buffer = buffers[i];
      std::string& model = models[i];
      const size_t n = random.below(uint32_t(model.size() + 2));
      switch (random.below(9)) {
        case 0: {
          const auto bytes = random_bytes(random, random.below(3) ? random.below(200) : random.below(9000));
          buffer.append(bytes);
          model += bytes;
          break;
        }
        case 1: {
          const auto bytes = random_bytes(random, random.below(3000));
          const auto room = buffer.reserve(std::max<size_t>(bytes.size(), 1));
          std::memcpy(room.data(), bytes.data(), bytes.size());
          buffer.commit(bytes.size());
          model += bytes;
          break;
        }
        case 2:
          buffer.drop(n);
          model.erase(0, n);
          break;
        case 3:
          if (i == j) break;
          buffers[j].append(buffer.take(n));
          models[j] += model.substr(0, n);
          model.erase(0, n);
          break;
        case 4: {
          const size_t from = random.below(uint32_t(model.size() + 1));
          buffers[j].append(buffer.share(from, n));
          models[j] += std::string(model.substr(from, n));
          break;
        }
        case 5: buffer.settle(); break;
        case 6: {
          const size_t m = std::min(n, model.size());
          ASSERT_EQ(buffer.contiguous(m), std::string_view(model).substr(0, m));
          break;
        }
        case 7:
          if (model.size() > 60000) buffer.clear(), model.clear();
          break;
        case 8:
          if (i == j) break;
          buffers[j] = std::move(buffer);
          models[j] = std::move(model);
          model.clear();
          break;
      }
      ASSERT_EQ(buffers[i].size(), models[i].size());
      ASSERT_EQ(buffers[j].size(), models[j].size());
      if (step % 64 != 0) continue;
      for (size_t k = 0; k < 4; ++k) ASSERT_EQ(buffers[k].text(), models[k]) << step;
    }
  }
  EXPECT_EQ(pool.in_use_bytes(), 0u) << "blocks are leaked";
}

TEST(Buffer, PullsAFewBytesByCopyAndManyAsTheyLie) {
  BlockPool pool;
  Buffer from(pool), to(pool);
  from.append(std::string(2000, 'a') + "end");
  const size_t held = pool.in_use_bytes();
  to.pull(from, 2000, 1999);
  EXPECT_EQ(pool.in_use_bytes(), held) << "shared";
  to.pull(from, 2, 2);
  EXPECT_GT(pool.in_use_bytes(), held) << "copied";
  EXPECT_EQ(to.text(), std::string(2000, 'a') + "en");
  EXPECT_EQ(from.text(), "d");
}

}  // namespace
}  // namespace outrider
