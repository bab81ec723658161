#pragma once
// A node unlinks itself when destroyed, so "cancel" is nothing but the end of the waiter's life.
// The tag lets one object stand in several lists.

namespace outrider {

template <class Tag>
struct ListHook {
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }
  bool linked() const { return next != nullptr; }
  void unlink() {
    if (!next) return;
    next->prev = prev;
    prev->next = next;
    next = prev = nullptr;
  }
  ListHook* next = nullptr;
  ListHook* prev = nullptr;
};

// A ring through its members. A list that dies leaves its members unlinked, not dangling.
template <class T, class Tag = T>  // T derives from ListHook<Tag>
class IntrusiveList {
 public:
  IntrusiveList() { root_.next = root_.prev = &root_; }
  ~IntrusiveList() {
    while (pop_front()) {}
    root_.next = root_.prev = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  bool empty() const { return root_.next == &root_; }
  T* front() { return empty() ? nullptr : as_item(root_.next); }
  T* back() { return empty() ? nullptr : as_item(root_.prev); }
  // An item that stands in a list already moves.
  void push_back(T& item) {
    static_cast<ListHook<Tag>&>(item).unlink();
    insert(static_cast<ListHook<Tag>&>(item), root_.prev);
  }
  void push_front(T& item) {
    static_cast<ListHook<Tag>&>(item).unlink();
    insert(static_cast<ListHook<Tag>&>(item), &root_);
  }
  T* pop_front() {
    T* item = front();
    if (item) static_cast<ListHook<Tag>*>(item)->unlink();
    return item;
  }
  // Moves every member of `other` to the end of this list, in order.
  void splice(IntrusiveList& other) {
    if (other.empty()) return;
    ListHook<Tag>*const first = other.root_.next, *const last = other.root_.prev;
    first->prev = root_.prev;
    root_.prev->next = first;
    last->next = &root_;
    root_.prev = last;
    other.root_.next = other.root_.prev = &other.root_;
  }
  // Calls f(T&) for each; f may unlink the item it is given and no other.
  template <class F>
  void for_each(F&& f) {
    for (auto* at = root_.next; at != &root_;) {
      auto* next = at->next;
      f(*as_item(at));
      at = next;
    }
  }

 private:
  static T* as_item(ListHook<Tag>* hook) { return static_cast<T*>(hook); }
  static void insert(ListHook<Tag>& item, ListHook<Tag>* after) {
    item.prev = after;
    item.next = after->next;
    after->next->prev = &item;
    after->next = &item;
  }
  ListHook<Tag> root_;
};

}  // namespace outrider
