#include "config/node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "base/text.h"

namespace outrider::config {

Node::Node(Kind kind) : kind_(kind) {}

Node Node::list() { return Node(Kind::List); }

Node Node::map() { return Node(Kind::Map); }

Node Node::scalar(std::string text, bool quoted) {
  Node node(Kind::Scalar);
  node.text_ = std::move(text);
  node.quoted_ = quoted;
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

size_t Node::size() const { return kind_ == Kind::List ? items_.size() : entries_.size(); }

void Node::append(Node item) { items_.push_back(std::move(item)); }

std::vector<const Node*> Node::as_list() const {
  std::vector<const Node*> out;
  if (is_list())
    for (const Node& item : items_) out.push_back(&item);
  else if (!is_null()) out.push_back(this);
  return out;
}

const Origin& Node::origin() const {
  static const Origin kDefault;
  return origin_ ? *origin_ : kDefault;
}

std::string Node::where() const {
  const Origin& from = origin();
  switch (from.kind) {
    case Origin::Kind::Default: return "default";
    case Origin::Kind::Preset: return "preset " + from.name;
    case Origin::Kind::File: return from.name + ":" + std::to_string(mark_.line);
    case Origin::Kind::Environment: return "environment " + from.name;
    case Origin::Kind::Flag: break;
  }
  return from.name;
}

void Node::stamp(const std::shared_ptr<const Origin>& origin) {
  origin_ = origin;
  for (Node& item : items_) item.stamp(origin);
  for (Entry& e : entries_) e.value.stamp(origin);
}

Node& Node::put(std::string key, Node value, Mark key_mark) {
  kind_ = Kind::Map;
  for (Entry& e : entries_)
    if (e.key == key) {
      e.value = std::move(value);
      e.key_mark = key_mark;
      return e.value;
    }
  entries_.push_back({std::move(key), key_mark, std::move(value)});
  return entries_.back().value;
}

void Node::erase(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& e) { return e.key == key; });
}

Node& Node::at(std::string_view key) {
  kind_ = Kind::Map;
  for (Entry& e : entries_)
    if (e.key == key) return e.value;
  return put(std::string(key), Node());
}

void Node::merge(const Node& over) {
  // A key with nothing behind it (all of it commented out) says nothing.
  if (over.is_null() && !is_null()) return;
  if (!is_map() || !over.is_map()) {
    *this = over;
    return;
  }
  for (const Entry& theirs : over.entries_) {
    const auto ours = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == theirs.key; });
    if (ours == entries_.end()) {
      entries_.push_back(theirs);
      continue;
    }
    ours->value.merge(theirs.value);
    ours->key_mark = theirs.key_mark;
  }
  const bool ours_said = origin().kind != Origin::Kind::Default && origin().kind != Origin::Kind::Preset;
  const bool keeps_place = ours_said && over.origin().kind != Origin::Kind::File;
  if (!over.entries_.empty() && !keeps_place) {
    mark_ = over.mark_;
    origin_ = over.origin_;
  }
}

bool Node::operator==(const Node& other) const {
  return kind_ == other.kind_ && text_ == other.text_ && items_ == other.items_ &&
         std::equal(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                    [](const Entry& a, const Entry& b) { return a.key == b.key && a.value == b.value; });
}

namespace {

constexpr size_t kMaxNodes = 100000, kMaxDepth = 32, kMaxComplaints = 100;

Mark place(const YAML::Mark& mark) { return {uint32_t(mark.line + 1), uint32_t(mark.column + 1)}; }

struct Stop {  // nothing sensible can be read beyond this
  Mark mark;
  std::string message;
};

// Builds the tree of one document from the parser's events. Lives for one parse().
class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::shared_ptr<const Origin>& origin, std::vector<Complaint>& complaints, size_t nodes = 0)
      : origin_(origin), complaints_(complaints), nodes_(nodes) {}
  size_t nodes() const { return nodes_; }
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = place(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { put(mark, "?", anchor, Node()); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    complain(place(mark), "aliases (*name) are not accepted; what several items share goes into `defaults`");
    put(mark, "?", 0, Node());
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    put(mark, tag, anchor, Node::scalar(value, tag == "!" || tag == "tag:yaml.org,2002:str"));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::list());
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::map());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    std::string key;
    Mark key_mark;
    bool has_key = false, duplicate = false;
  };

  void complain(Mark mark, std::string message) {
    if (complaints_.size() >= kMaxComplaints) throw Stop{mark, "too many errors"};
    complaints_.push_back({origin_->name, mark.line, mark.column, Severity::Error, "", std::move(message)});
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (++nodes_ > kMaxNodes) throw Stop{place(mark), "more than " + std::to_string(kMaxNodes) + " values"};
    if (anchor) complain(place(mark), "anchors (&name) are not accepted; what several items share goes into `defaults`");
    if (!tag.empty() && tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str")
      complain(place(mark), "tags (!name) are not accepted");
  }

  bool wants_key() const { return !open_.empty() && open_.back().node.is_map() && !open_.back().has_key; }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node node) {
    check(mark, tag, anchor);
    if (open_.size() >= kMaxDepth) throw Stop{place(mark), "nested deeper than " + std::to_string(kMaxDepth) + " levels"};
    if (wants_key()) throw Stop{place(mark), "a key must be plain text (or is a bracket not closed?)"};
    node.set_mark(place(mark));
    node.set_origin(origin_);
    open_.push_back({std::move(node), {}, {}});
  }

  void close() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    settle(std::move(node));
  }

  void put(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node node) {
    check(mark, tag, anchor);
    if (wants_key()) return key(place(mark), node);
    node.set_mark(place(mark));
    node.set_origin(origin_);
    settle(std::move(node));
  }

  void key(Mark mark, const Node& node) {
    Open& top = open_.back();
    if (!node.is_scalar()) complain(mark, "a key must be plain text");
    top.key = node.text();
    top.key_mark = mark;
    top.has_key = true;
    const Node::Entry* first = top.node.entry(top.key);
    top.duplicate = first != nullptr;
    if (first && open_.size() == 1 && (top.key == "apiVersion" || top.key == "kind"))
      throw Stop{mark, "a second object of Kubernetes: a line with --- belongs before it"};
    if (first) complain(mark, "duplicate key \"" + top.key + "\" (first at line " + std::to_string(first->key_mark.line) + ")");
  }

  void settle(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node.is_list()) return top.node.append(std::move(node));
    top.has_key = false;
    // A flow map's or a block map's null value is marked at its key's end at best; the key's own place says more.
    if (node.is_null()) node.set_mark(top.key_mark);
    if (!top.duplicate) top.node.put(std::move(top.key), std::move(node), top.key_mark);
  }

  std::shared_ptr<const Origin> origin_;
  std::vector<Complaint>& complaints_;
  std::vector<Open> open_;
  Node root_;
  Mark start_;
  size_t nodes_;
};

}  // namespace

namespace {

// What `read` does with a parser over the text; whatever is wrong with it becomes a complaint.
template <class F>
void read_text(std::string_view text, const std::shared_ptr<const Origin>& origin, std::vector<Complaint>& complaints,
               const F& read) {
  const auto complain = [&](Mark mark, std::string message) {
    complaints.push_back({origin->name, mark.line, mark.column, Severity::Error, "", std::move(message)});
  };
  if (text.size() > kMaxText) return complain({1, 1}, "larger than 1 MiB");
  if (const size_t at = std::min(text.find('\0'), utf8_prefix(text)); at < text.size()) {
    const size_t line_start = text.substr(0, at).rfind('\n') + 1;
    const Mark mark{uint32_t(std::count(text.begin(), text.begin() + long(at), '\n')) + 1, uint32_t(at - line_start) + 1};
    return complain(mark, text[at] ? "not UTF-8" : "not a text file: it has a NUL byte");
  }
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    read(parser, complain);
  } catch (const Stop& stop) {
    complain(stop.mark, stop.message);
  } catch (const YAML::Exception& e) {
    const bool hint = e.msg == YAML::ErrorMsg::MAP_VALUE;
    complain(place(e.mark),
             e.msg + (hint ? " (a key that is not indented like its neighbours, or a text with \": \" in it that needs quotes?)"
                           : ""));
  } catch (const std::exception& e) {  // what the library lets through from the standard one
    complain({1, 1}, e.what());
  }
}

}  // namespace

Parsed parse(std::string_view text, const std::shared_ptr<const Origin>& origin) {
  Parsed parsed;
  read_text(text, origin, parsed.complaints, [&](YAML::Parser& parser, const auto& complain) {
    Builder first(origin, parsed.complaints);
    if (!parser.HandleNextDocument(first)) return;
    parsed.root = first.take();
    std::vector<Complaint> ignored;
    Builder second(origin, ignored);
    if (parser.HandleNextDocument(second)) complain(second.take().mark(), "a second document: one file holds one configuration");
  });
  return parsed;
}

ParsedAll parse_all(std::string_view text, const std::shared_ptr<const Origin>& origin) {
  ParsedAll parsed;
  size_t nodes = 0;  // of all documents
  read_text(text, origin, parsed.complaints, [&](YAML::Parser& parser, const auto&) {
    for (;;) {
      Builder builder(origin, parsed.complaints, nodes);
      if (!parser.HandleNextDocument(builder)) return;
      nodes = builder.nodes();
      if (Node root = builder.take(); !root.is_null()) parsed.roots.push_back(std::move(root));
    }
  });
  return parsed;
}

std::string quote(std::string_view text) {
  const auto plain = [](char c) {
    return is_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '%' || c == '+' || c == '@';
  };
  bool safe = !text.empty() && text.front() != '-' && text.front() != '%' && text.front() != '@' && text != "~";
  for (size_t i = 0; i < text.size() && safe; ++i)
    // A colon inside a word is text; at its end it makes a key. Inside flow maps too many readers trip over "::" or ":,".
    safe = plain(text[i]) || (text[i] == ':' && i > 0 && i + 1 < text.size() && text[i + 1] != ':' && text[i - 1] != ':');
  static constexpr std::string_view kWords[] = {"null", "true", "false", "on", "off", "yes", "no", "y", "n"};
  for (std::string_view word : kWords) safe = safe && !equals_ignore_case(text, word);
  if (safe) return std::string(text);
  std::string out;
  append_json(out, text);
  return out;
}

}  // namespace outrider::config
