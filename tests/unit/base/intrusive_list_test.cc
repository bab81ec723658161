#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/place.h"

namespace outrider {
namespace {

struct Red;
struct Item : ListHook<Item>, ListHook<Red> {
  explicit Item(int n) : number(n) {}
  int number;
};

template <class List>
std::vector<int> numbers(List& list) {
  std::vector<int> out;
  list.for_each([&](Item& item) { out.push_back(item.number); });
  return out;
}

TEST(IntrusiveList, KeepsOrder) {
  IntrusiveList<Item> list;
  Item a(1), b(2), c(3);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);
  EXPECT_EQ(numbers(list), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(list.front()->number, 1);
  EXPECT_EQ(list.back()->number, 3);
  EXPECT_EQ(list.pop_front()->number, 1);
  EXPECT_FALSE(static_cast<ListHook<Item>&>(a).linked());
}

TEST(IntrusiveList, PushingAMemberAgainMovesIt) {
  IntrusiveList<Item> list;
  Item a(1), b(2);
  list.push_back(a);
  list.push_back(a);
  EXPECT_EQ(numbers(list), (std::vector<int>{1}));
  list.push_front(a);
  list.push_back(b);
  list.push_back(b);
  list.push_front(b);
  EXPECT_EQ(numbers(list), (std::vector<int>{2, 1}));
  IntrusiveList<Item> other;
  other.push_back(b);
  EXPECT_EQ(numbers(list), (std::vector<int>{1}));
  EXPECT_EQ(numbers(other), (std::vector<int>{2}));
}

TEST(IntrusiveList, AnItemThatDiesLeaves) {
  IntrusiveList<Item> list;
  Item a(1);
  list.push_back(a);
  {
    Item b(2);
    list.push_back(b);
  }
  EXPECT_EQ(numbers(list), (std::vector<int>{1}));
}

TEST(IntrusiveList, AListThatDiesLeavesItsMembersUnlinked) {
  Item a(1);
  {
    IntrusiveList<Item> list;
    list.push_back(a);
  }
  EXPECT_FALSE(static_cast<ListHook<Item>&>(a).linked());
}

TEST(IntrusiveList, OneItemMayStandInTwoLists) {
  IntrusiveList<Item> plain;
  IntrusiveList<Item, Red> red;
  Item a(1), b(2);
  plain.push_back(a);
  plain.push_back(b);
  red.push_back(b);
  red.push_back(a);
  plain.pop_front();
  EXPECT_EQ(numbers(plain), (std::vector<int>{2}));
  EXPECT_EQ(numbers(red), (std::vector<int>{2, 1}));
}

TEST(IntrusiveList, SplicesAndMayLoseTheItemBeingVisited) {
  IntrusiveList<Item> a, b;
  Item items[] = {Item(1), Item(2), Item(3), Item(4)};
  a.push_back(items[0]);
  b.push_back(items[1]);
  b.push_back(items[2]);
  b.push_back(items[3]);
  a.splice(b);
  EXPECT_TRUE(b.empty());
  a.for_each([&](Item& item) {
    if (item.number % 2 == 0) b.push_back(item);
  });
  EXPECT_EQ(numbers(a), (std::vector<int>{1, 3}));
  EXPECT_EQ(numbers(b), (std::vector<int>{2, 4}));
}

struct Waits {
  void on_place() { ++called; }
  int called = 0;
  BoundPlace<Waits, &Waits::on_place> place{*this};
};

TEST(Place, IsCalledWhereItsOwnerSaysAndCancelledByItsEnd) {
  IntrusiveList<Place> queue;
  Waits a;
  queue.push_back(a.place);
  {
    Waits b;
    queue.push_back(b.place);
  }
  while (Place* next = queue.pop_front()) next->on_called();
  EXPECT_EQ(a.called, 1);
}

}  // namespace
}  // namespace outrider
