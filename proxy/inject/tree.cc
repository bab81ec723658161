#include "inject/tree.h"

#include <algorithm>

namespace outrider::inject {

Node Node::scalar(Kind kind, std::string text) {
  Node node;
  node.kind_ = kind;
  node.text_ = std::move(text);
  return node;
}

Node Node::text(std::string text) { return scalar(Kind::Text, std::move(text)); }

Node Node::number(int64_t number) { return scalar(Kind::Number, std::to_string(number)); }

Node Node::boolean(bool value) { return scalar(Kind::Bool, value ? "true" : "false"); }

Node Node::list() { return list(std::vector<Node>()); }

Node Node::map() { return map(std::vector<Entry>()); }

Node Node::list(std::vector<Node> items) {
  Node node;
  node.kind_ = Kind::List;
  node.items_ = std::move(items);
  return node;
}

Node Node::map(std::vector<Entry> entries) {
  Node node;
  node.kind_ = Kind::Map;
  node.entries_ = std::move(entries);
  return node;
}

const Node::Entry* Node::entry(std::string_view key) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  return it == entries_.end() ? nullptr : &*it;
}

const Node* Node::find(std::string_view key) const {
  const Entry* found = entry(key);
  return found ? &found->value : nullptr;
}

const Node* Node::find(std::initializer_list<std::string_view> keys) const {
  const Node* at = this;
  for (const std::string_view key : keys)
    if (!(at = at->find(key))) return nullptr;
  return at;
}

const std::string& Node::text_of(std::string_view key) const {
  static const std::string kNone;
  const Node* found = find(key);
  return found ? found->text_ : kNone;
}

Node& Node::put(std::string key, Node value) {
  kind_ = Kind::Map;
  for (Entry& e : entries_)
    if (e.key == key) return e.value = std::move(value);
  entries_.push_back({std::move(key), std::move(value), {}});
  return entries_.back().value;
}

void Node::append(Node item) { items_.push_back(std::move(item)); }

bool Node::operator==(const Node& other) const {
  if (kind_ != other.kind_ || text_ != other.text_ || items_ != other.items_ || entries_.size() != other.entries_.size())
    return false;
  return std::all_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
    const Node* theirs = other.find(e.key);
    return theirs && e.value == *theirs;
  });
}

}  // namespace outrider::inject
