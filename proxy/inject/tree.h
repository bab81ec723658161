#pragma once
// Kubernetes objects as trees, with the place of each value in the text it was read from.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::inject {

// Where a value stands in its text. Made by read_yaml(); of nodes made by hand it is empty.
struct Place {
  size_t begin = 0, end = 0;  // bytes; a block map begins with its first key and ends behind its last value
  size_t line = 0;            // of its begin, from 1
  bool flow = false;          // in [] or {}
  bool aliased = false;       // written elsewhere: reached by an alias (*name) or a merge key
  bool shared = false;        // others reach it by an alias
};

// A value, as Kubernetes understands it: aliases are what they stand for, merge keys are merged. Any thread.
class Node {
 public:
  enum class Kind : uint8_t { Null, Bool, Number, Text, List, Map };
  struct Entry;

  Node() = default;
  static Node text(std::string text);
  static Node number(int64_t number);
  static Node boolean(bool value);
  static Node scalar(Kind kind, std::string text);
  static Node list();
  static Node list(std::vector<Node> items);
  static Node map();
  static Node map(std::vector<Entry> entries);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Null; }
  bool is_list() const { return kind_ == Kind::List; }
  bool is_map() const { return kind_ == Kind::Map; }
  bool is_text() const { return kind_ == Kind::Text; }
  bool is_collection() const { return is_list() || is_map(); }
  bool is_empty() const { return items_.empty() && entries_.empty(); }  // of a collection; of a scalar always
  const std::string& text() const { return text_; }                     // of a scalar: "8080", "true", "web"
  const std::vector<Node>& items() const { return items_; }
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Node>& items() { return items_; }
  std::vector<Entry>& entries() { return entries_; }

  const Entry* entry(std::string_view key) const;  // of a map; null when absent, also of anything else
  const Node* find(std::string_view key) const;    // likewise
  const Node* find(std::initializer_list<std::string_view> keys) const;
  const std::string& text_of(std::string_view key) const;  // of a scalar below; else empty
  Node& put(std::string key, Node value);                  // replaces
  void append(Node item);
  // Kinds and texts; the order of keys does not matter, 1.0 and 1 are not the same.
  bool operator==(const Node& other) const;

  Place place;

 private:
  Kind kind_ = Kind::Null;
  std::string text_;
  std::vector<Node> items_;
  std::vector<Entry> entries_;
};

struct Node::Entry {
  std::string key;
  Node value;
  Place key_place;
};

struct Parsed {
  Node root;          // null when there is nothing but comments
  std::string error;  // "line 3, column 7: ..."; empty: read
};

// One YAML document (JSON is one), of which `text` may have markers (---, ...) and comments.
Parsed read_yaml(std::string_view text);

}  // namespace outrider::inject
