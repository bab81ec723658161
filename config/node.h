#pragma once
// A tree of what was written: every value with its text, its quotes, its place and where it came from.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::config {

enum class Severity : uint8_t { Error, Warning };

struct Complaint {
  std::string file;               // or whatever it came from: "environment OUTRIDER_MODE", "--set mode=egde"
  uint32_t line = 0, column = 0;  // 0: not from a file
  Severity severity = Severity::Error;
  std::string path;  // "clusters.cart.retry.attempts"; empty: the file as a whole
  std::string message;
};

struct Origin {
  enum class Kind : uint8_t { Default, Preset, File, Environment, Flag };  // Flag: --set too
  Kind kind = Kind::Default;
  std::string name;  // the file, "sidecar", "OUTRIDER_MODE", "--set mode=edge"
};

struct Mark {
  uint32_t line = 0, column = 0;
};  // from 1; 0: none

// Built by parse(), by the sources that are merged into it, or by hand; then read. Nothing in it is checked beyond its
// shape: no key twice, no aliases, bounded in size and depth. A value; any thread.
class Node {
 public:
  enum class Kind : uint8_t { Null, Scalar, List, Map };
  struct Entry;

  Node() = default;
  static Node scalar(std::string text, bool quoted = false);
  static Node list();
  static Node map();

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Null; }
  bool is_scalar() const { return kind_ == Kind::Scalar; }
  bool is_list() const { return kind_ == Kind::List; }
  bool is_map() const { return kind_ == Kind::Map; }
  const std::string& text() const { return text_; }  // of a scalar
  bool quoted() const { return quoted_; }
  const std::vector<Node>& items() const { return items_; }       // of a list
  const std::vector<Entry>& entries() const { return entries_; }  // of a map, as written
  const Node* find(std::string_view key) const;                   // of a map; null when absent
  const Entry* entry(std::string_view key) const;
  size_t size() const;  // of a list or a map
  // The items of a list, or this one value as the only item; a null has none.
  std::vector<const Node*> as_list() const;

  Mark mark() const { return mark_; }
  const Origin& origin() const;
  const std::shared_ptr<const Origin>& shared_origin() const { return origin_; }
  std::string where() const;  // "outrider.yaml:3", "preset sidecar", "environment X"

  void set_text(std::string text) { text_ = std::move(text); }
  // What was written where the text holds a variable's value, which may be a secret: messages and show() say this instead.
  const std::string& written() const { return written_; }  // empty: the text itself
  void set_written(std::string written) { written_ = std::move(written); }
  void set_mark(Mark mark) { mark_ = mark; }
  void set_origin(std::shared_ptr<const Origin> origin) { origin_ = std::move(origin); }
  void stamp(const std::shared_ptr<const Origin>& origin);  // itself and everything below
  template <class F>
  void each_scalar(F&& f);  // f(Node&), itself included
  void append(Node item);
  Node& put(std::string key, Node value, Mark key_mark = {});  // replaces
  void erase(std::string_view key);                            // of a map
  Node& at(std::string_view key);                              // of a map, made (null) when absent; a null becomes a map
  // What is written in `over` on top of this: maps are merged deep, everything else is replaced. The place of
  // a map is where it was said first, or in the file the last time.
  void merge(const Node& over);
  bool operator==(const Node& other) const;  // kinds and texts alone

 private:
  explicit Node(Kind kind);
  Kind kind_ = Kind::Null;
  bool quoted_ = false;
  Mark mark_;
  std::string text_, written_;
  std::vector<Node> items_;
  std::vector<Entry> entries_;
  std::shared_ptr<const Origin> origin_;
};

struct Node::Entry {
  std::string key;
  Mark key_mark;
  Node value;
};

template <class F>
void Node::each_scalar(F&& f) {
  if (is_scalar()) f(*this);
  for (Node& item : items_) item.each_scalar(f);
  for (Entry& e : entries_) e.value.each_scalar(f);
}

struct Parsed {
  Node root;                          // null when nothing could be read
  std::vector<Complaint> complaints;  // all of them errors
};

constexpr size_t kMaxText = 1 << 20;

// One YAML document.
Parsed parse(std::string_view text, const std::shared_ptr<const Origin>& origin);

// Every document of a stream; those with nothing in them are left out.
struct ParsedAll {
  std::vector<Node> roots;
  std::vector<Complaint> complaints;  // all of them errors
};
ParsedAll parse_all(std::string_view text, const std::shared_ptr<const Origin>& origin);

// A scalar as YAML that reads back as the same text: plain where that is safe, else in double quotes.
std::string quote(std::string_view text);

}  // namespace outrider::config
