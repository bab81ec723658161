#include "base/text.h"
#include "inject/plan.h"
#include "inject/pointer.h"

namespace outrider::inject {

namespace {

// Of "/spec/containers/0": the parts, unescaped.
std::vector<std::string> parts_of(std::string_view pointer) {
  std::vector<std::string> parts;
  if (pointer.empty()) return parts;
  pointer.remove_prefix(1);
  for (const std::string_view part : split(pointer, '/')) {
    std::string plain;
    for (size_t i = 0; i < part.size(); ++i) {
      const bool escaped = part[i] == '~' && i + 1 < part.size();
      plain += escaped ? (part[++i] == '1' ? '/' : '~') : part[i];
    }
    parts.push_back(std::move(plain));
  }
  return parts;
}

Node* child(Node& of, const std::string& part) {
  if (of.is_map()) {
    for (Node::Entry& e : of.entries())
      if (e.key == part) return &e.value;
    return nullptr;
  }
  const auto index = parse_number(part);
  return of.is_list() && index && *index < of.items().size() ? &of.items()[*index] : nullptr;
}

// What is wrong, or empty.
std::string apply_one(const Operation& operation, Node& object) {
  std::vector<std::string> parts = parts_of(operation.path);
  if (parts.empty()) return "the whole object";
  const std::string last = std::move(parts.back());
  parts.pop_back();
  Node* parent = &object;
  for (const std::string& part : parts)
    if (!(parent = child(*parent, part))) return "nothing at " + part;
  Node* const there = child(*parent, last);
  if (operation.kind == Operation::Kind::Replace) {
    if (!there) return "nothing to replace";
    *there = operation.value;
    return {};
  }
  if (operation.kind == Operation::Kind::Remove) {
    if (!there) return "nothing to remove";
    if (parent->is_list()) parent->items().erase(parent->items().begin() + (there - parent->items().data()));
    else std::erase_if(parent->entries(), [&](const Node::Entry& e) { return e.key == last; });
    return {};
  }
  if (parent->is_map()) return parent->put(last, operation.value), std::string();
  if (!parent->is_list()) return "neither a map nor a list";
  const size_t size = parent->items().size();
  const auto index = last == "-" ? std::optional<uint64_t>(size) : parse_number(last);
  if (!index || *index > size) return "no place in the list";
  parent->items().insert(parent->items().begin() + long(*index), operation.value);
  return {};
}

}  // namespace

std::string pointer_part(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

bool apply(const std::vector<Operation>& operations, Node& object, std::string& error) {
  for (const Operation& operation : operations)
    if (const std::string why = apply_one(operation, object); !why.empty()) {
      error = operation.path + ": " + why;
      return false;
    }
  return true;
}

const Node* resolve(const Node& root, std::string_view pointer) {
  Node* at = const_cast<Node*>(&root);  // read alone
  for (const std::string& part : parts_of(pointer))
    if (!(at = child(*at, part))) return nullptr;
  return at;
}

}  // namespace outrider::inject
