// read_yaml(): the parser of yaml-cpp says where values begin, scan.h where they end.

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "base/text.h"
#include "inject/scan.h"
#include "inject/tree.h"

namespace outrider::inject {

namespace {

constexpr size_t kMaxNodes = 500'000, kMaxDepth = 100;

struct Stop {
  size_t at;
  std::string message;
};

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_number(std::string_view text) {
  if (one_of(text, {".inf", "-.inf", "+.inf", ".nan", ".Inf", ".NaN", ".INF", ".NAN"})) return true;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto all = [](std::string_view digits, std::string_view of) {
    return !digits.empty() && digits.find_first_not_of(of) == digits.npos;
  };
  if (text.starts_with("0x")) return all(text.substr(2), "0123456789abcdefABCDEF");
  if (text.starts_with("0o")) return all(text.substr(2), "01234567");
  if (text.starts_with("0b")) return all(text.substr(2), "01");
  size_t i = 0, digits = 0, dots = 0;
  for (; i < text.size() && (is_digit(text[i]) || text[i] == '.'); ++i) (text[i] == '.' ? dots : digits)++;
  if (!digits || dots > 1) return false;
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  text.remove_prefix(i + 1);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return all(text, "0123456789");
}

// As Kubernetes reads it (YAML 1.1, where yes is true).
Node plain(const std::string& text) {
  if (one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return Node::boolean(true);
  if (one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return Node::boolean(false);
  return is_number(text) ? Node::scalar(Node::Kind::Number, text) : Node::text(text);
}

// The document as yaml-cpp can read it, of the same length: it knows no pairs of surrogates, as JSON has them.
std::string readable(std::string_view text) {
  std::string out(text);
  const auto surrogate = [&](size_t at, char low, char high) {
    return at + 6 <= out.size() && out[at] == '\\' && out[at + 1] == 'u' && lower(out[at + 2]) == 'd' &&
           lower(out[at + 3]) >= low && lower(out[at + 3]) <= high;
  };
  for (size_t at = 0; (at = out.find('\\', at)) != out.npos; at += 2)
    if (surrogate(at, '8', 'b') && surrogate(at + 6, 'c', 'f')) out.replace(at, 12, "[surrogates]");
  return out;
}

// Builds the tree of one document. Lives for one read_yaml().
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view text) : text_(text) {}
  Node take() {
    for (const YAML::anchor_t anchor : aliased_) shared_at_.insert(anchored_at_[anchor]);
    if (!shared_at_.empty()) share(root_, false);
    return std::move(root_);
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) return key(mark, "");  // "? " alone, or ": x"
    size_t begin = behind_last_mark();
    if (begin == kNowhere) begin = std::min(size_t(std::max(mark.pos, 0)), text_.size());
    const size_t word = skip_properties(text_, skip_spaces(text_, begin));
    size_t end = begin;
    for (const std::string_view null : {"~", "null", "Null", "NULL"})
      if (text_.substr(std::min(word, text_.size())).starts_with(null))
        begin = skip_spaces(text_, begin), end = word + null.size();
    settle(placed(Node(), begin, end), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const size_t begin = position(mark);
    size_t end = begin;
    while (end < text_.size() && !one_of(text_.substr(end, 1), {" ", "\t", "\r", "\n", ",", "]", "}"})) ++end;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Stop{begin, "an alias within what it stands for"};
    if (wants_key()) return key(mark, found->second.text());
    Node copy = found->second;
    count(copy);
    alias(copy);
    copy.place = {begin, end, line_of(begin), in_flow(), true, false};
    aliased_.insert(anchor);
    settle(std::move(copy), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    if (wants_key()) return key(mark, value);
    const size_t begin = position(mark);
    const size_t end = scalar_end(text_, skip_properties(text_, begin), value, open_.empty() ? -1 : open_.back().column);
    if (end == kNowhere) throw Stop{begin, "a text whose end cannot be found"};
    settle(placed(tag == "?" ? plain(value) : Node::text(value), begin, end), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, anchor, Node::list(), style);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    open(mark, anchor, Node::map(), style);
  }
  void OnSequenceEnd() override { close(']'); }
  void OnMapEnd() override { close('}'); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    std::string key;
    Place key_place;
    bool has_key = false;
    size_t end = 0;   // behind what has come of it
    long column = 0;  // of a block: what it is indented by
    bool bracket = false;
  };

  size_t position(const YAML::Mark& mark) const {
    if (mark.pos < 0 || size_t(mark.pos) > text_.size()) throw Stop{0, "a place outside of the text"};
    return size_t(mark.pos);
  }
  bool in_flow() const { return !open_.empty() && open_.back().node.place.flow; }
  bool wants_key() const { return !open_.empty() && open_.back().node.is_map() && !open_.back().has_key; }

  size_t line_of(size_t at) {
    if (at < counted_to_) counted_to_ = 0, lines_ = 1;
    lines_ += size_t(std::count(text_.begin() + long(counted_to_), text_.begin() + long(at), '\n'));
    counted_to_ = at;
    return lines_;
  }

  Node placed(Node node, size_t begin, size_t end) {
    node.place = {begin, end, line_of(begin), in_flow(), false, false};
    return node;
  }

  // Where the next value may begin: behind its key's colon, or behind its dash.
  size_t behind_last_mark() const {
    if (open_.empty()) return kNowhere;
    const Open& top = open_.back();
    if (top.node.is_map()) {
      const size_t colon = behind_colon(text_, top.key_place.end);
      return colon == kNowhere ? top.key_place.end : colon;
    }
    if (top.node.place.flow) return kNowhere;
    const size_t dash = skip_blank(text_, top.end);
    return dash < text_.size() && text_[dash] == '-' ? dash + 1 : kNowhere;
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Node node, YAML::EmitterStyle::value style) {
    const size_t begin = position(mark);
    if (open_.size() >= kMaxDepth) throw Stop{begin, "nested deeper than " + std::to_string(kMaxDepth) + " levels"};
    if (wants_key()) throw Stop{begin, "a key must be plain text"};
    const size_t first = skip_properties(text_, begin);
    const bool flow = style == YAML::EmitterStyle::Flow || in_flow();
    node.place = {begin, first, line_of(begin), flow, false, false};
    const bool bracket = flow && first < text_.size() && (text_[first] == '{' || text_[first] == '[');
    Open next{std::move(node), anchor, {}, {}, false, bracket ? first + 1 : first, long(column_of(text_, first)), bracket};
    open_.push_back(std::move(next));
  }

  void close(char bracket) {
    Open top = std::move(open_.back());
    open_.pop_back();
    size_t end = top.end;
    if (top.bracket && (end = bracket_end(text_, end, bracket)) == kNowhere)
      throw Stop{top.node.place.begin, "a bracket whose end cannot be found"};
    top.node.place.end = end;
    if (top.node.is_map() && !top.node.place.flow && !top.node.entries().empty() && top.node.entries().front().key_place.end)
      top.node.place.begin = top.node.entries().front().key_place.begin;
    merge(top.node);
    settle(std::move(top.node), top.anchor);
  }

  void key(const YAML::Mark& mark, const std::string& value) {
    Open& top = open_.back();
    const size_t begin = position(mark);
    const size_t first = skip_properties(text_, begin);
    const size_t end = first < text_.size() && text_[first] == '*' ? text_.find_first_of(" :\r\n", first)
                                                                   : scalar_end(text_, first, value, top.column);
    if (end == kNowhere) throw Stop{begin, "a key whose end cannot be found"};
    top.key = value;
    top.key_place = {begin, end, line_of(begin), top.node.place.flow, false, false};
    top.has_key = true;
    top.end = end;
  }

  void settle(Node node, YAML::anchor_t anchor) {
    if (++nodes_ > kMaxNodes) throw Stop{node.place.begin, "more than " + std::to_string(kMaxNodes) + " values"};
    if (anchor) {
      anchors_[anchor] = node;
      anchored_at_[anchor] = node.place.begin;
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = open_.back();
    top.end = std::max(top.end, node.place.end);
    if (top.node.is_list()) return top.node.append(std::move(node));
    top.has_key = false;
    const auto twice = std::find_if(top.node.entries().begin(), top.node.entries().end(),
                                    [&](const Node::Entry& e) { return e.key == top.key && e.key != "<<"; });
    if (twice != top.node.entries().end())
      throw Stop{top.key_place.begin,
                 "the key \"" + top.key + "\" is here twice (first at line " + std::to_string(twice->key_place.line) + ")"};
    top.node.entries().push_back({std::move(top.key), std::move(node), top.key_place});
  }

  // What "<<" brings, behind what is written, which comes before it.
  void merge(Node& map) {
    std::vector<Node::Entry> brought;
    for (const Node::Entry& entry : map.entries()) {
      if (entry.key != "<<" || (!entry.value.is_map() && !entry.value.is_list())) continue;
      for (const Node& source : entry.value.is_list() ? entry.value.items() : std::vector<Node>{entry.value})
        for (const Node::Entry& each : source.entries()) {
          const auto same = [&](const Node::Entry& e) { return e.key == each.key; };
          if (map.entry(each.key) || std::any_of(brought.begin(), brought.end(), same)) continue;
          brought.push_back(each);
          brought.back().value.place = entry.value.place;
          brought.back().value.place.aliased = true;
          brought.back().key_place = entry.key_place;
          brought.back().key_place.aliased = true;
        }
    }
    if (brought.empty()) return;
    std::erase_if(map.entries(), [](const Node::Entry& e) { return e.key == "<<"; });
    for (Node::Entry& each : brought) map.entries().push_back(std::move(each));
  }

  void count(const Node& node) {
    if (++nodes_ > kMaxNodes) throw Stop{node.place.begin, "more than " + std::to_string(kMaxNodes) + " values"};
    for (const Node& item : node.items()) count(item);
    for (const Node::Entry& entry : node.entries()) count(entry.value);
  }

  void alias(Node& node) {
    node.place.aliased = true;
    for (Node& item : node.items()) alias(item);
    for (Node::Entry& entry : node.entries()) alias(entry.value);
  }

  void share(Node& node, bool within) {
    within |= !node.place.aliased && shared_at_.contains(node.place.begin);
    node.place.shared = within;
    for (Node& item : node.items()) share(item, within);
    for (Node::Entry& entry : node.entries()) share(entry.value, within);
  }

  std::string_view text_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::map<YAML::anchor_t, size_t> anchored_at_;
  std::set<YAML::anchor_t> aliased_;
  std::set<size_t> shared_at_;
  Node root_;
  size_t nodes_ = 0, counted_to_ = 0, lines_ = 1;
};

std::string placed_error(std::string_view text, size_t at, const std::string& message) {
  at = std::min(at, text.size());
  const size_t line = size_t(std::count(text.begin(), text.begin() + long(at), '\n')) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column_of(text, at) + 1) + ": " + message;
}

}  // namespace

Parsed read_yaml(std::string_view text) {
  Parsed parsed;
  if (const size_t bad = std::min(text.find('\0'), utf8_prefix(text)); bad < text.size()) {
    parsed.error = placed_error(text, bad, text[bad] ? "not UTF-8" : "not a text: it has a NUL byte");
    return parsed;
  }
  try {
    std::istringstream in(readable(text));
    YAML::Parser parser(in);
    Builder builder(text);
    if (parser.HandleNextDocument(builder)) parsed.root = builder.take();
    Builder second(text);
    if (parser.HandleNextDocument(second)) parsed.error = placed_error(text, 0, "more than one document");
  } catch (const Stop& stop) {
    parsed.error = placed_error(text, stop.at, stop.message);
  } catch (const YAML::Exception& e) {
    parsed.error = placed_error(text, size_t(std::max(e.mark.pos, 0)), e.msg);
  } catch (const std::exception& e) {  // what the library lets through from the standard one
    parsed.error = placed_error(text, 0, e.what());
  }
  if (!parsed.error.empty()) parsed.root = Node();
  return parsed;
}

}  // namespace outrider::inject
