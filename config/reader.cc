#include "config/reader.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::config {

namespace {

const Node& nothing() {
  static const Node kMap = Node::map();
  return kMap;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string listed(const std::vector<std::string_view>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i) out += i + 1 == names.size() ? " or " : ", ";
    out += names[i];
  }
  return out;
}

// "a number", "an address"; a list of words is one already.
std::string with_article(const std::string& type) {
  if (type.find(',') != type.npos || type == "on or off" || type.ends_with("s") || type.starts_with("http ") ||
      type.find(" or ") != type.npos)
    return type;
  return (std::string_view("aeioAEIO").find(type.front()) != std::string_view::npos ? "an " : "a ") + type;
}

std::string meant(const std::string& text) { return " (did you mean " + quoted(text) + "?)"; }

// A whole list in a variable is shown as that variable.
bool is_variable(const Node& node) { return node.is_scalar() && !node.written().empty(); }

constexpr const char* kLater = "not supported yet in this version";

bool same_value(const Node& a, const Node& b) {
  if (a.is_list() && !b.is_map()) return items_of(a) == items_of(b);
  if (!a.is_scalar() || !b.is_scalar()) return a.kind() == b.kind() && a == b;
  return a.text() == b.text() || (switch_of(a.text()) && switch_of(a.text()) == switch_of(b.text()));
}

}  // namespace

bool Reading::has_errors() const {
  return std::any_of(complaints.begin(), complaints.end(), [](const Complaint& c) { return c.severity == Severity::Error; });
}

void Reading::complain(Severity severity, const Node& at, Mark mark, const std::string& path, std::string message) {
  // What a variable holds is not for logs.
  if (!at.written().empty())
    for (size_t found = 0; !at.text().empty() && (found = message.find(at.text(), found)) != message.npos;) {
      message.replace(found, at.text().size(), at.written());
      found += at.written().size();
    }
  const Origin& origin = at.origin();
  Complaint complaint{origin.kind == Origin::Kind::File ? origin.name : at.where(), 0, 0, severity, path, std::move(message)};
  if (origin.kind == Origin::Kind::File) {
    complaint.line = mark.line;
    complaint.column = mark.column;
  }
  if (complaint.line != 0 || origin.kind != Origin::Kind::Default) {
    std::string id = complaint.file + ":" + std::to_string(complaint.line) + ":" + std::to_string(complaint.column);
    if (!said.insert(id + complaint.message).second) return;
  }
  complaints.push_back(std::move(complaint));
}

std::string join_path(const std::string& path, std::string_view key) {
  const bool plain = key.find_first_of(".[]\" ") == key.npos;
  return (path.empty() ? "" : path + ".") + (plain ? std::string(key) : quoted(key));
}

std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& known) {
  const size_t limit = std::min<size_t>(text.size() / 3 + 1, 3);
  size_t best = limit + 1;
  std::string_view found;
  for (std::string_view candidate : known) {
    const size_t distance = edit_distance(text, candidate, limit);
    if (distance >= best || distance >= candidate.size()) continue;
    best = distance;
    found = candidate;
  }
  return found.empty() ? "" : meant(std::string(found));
}

std::string kind_of(const Node& node) {
  switch (node.kind()) {
    case Node::Kind::Null: return "nothing";
    case Node::Kind::List: return "a list";
    case Node::Kind::Map: return "a map";
    case Node::Kind::Scalar: break;
  }
  const std::string& text = node.written().empty() ? node.text() : node.written();
  return quoted(text.size() > 80 ? text.substr(0, 77) + "..." : text);
}

std::vector<Node> items_of(const Node& node) {
  std::vector<Node> out;
  if (node.is_scalar()) {
    for (std::string_view part : split(node.text(), ',')) {
      if (part.empty()) continue;
      Node item = node;
      item.set_text(std::string(part));
      out.push_back(std::move(item));
    }
    return out;
  }
  for (const Node* item : node.as_list()) out.push_back(*item);
  return out;
}

Fields::Fields(Reading& reading, const Node* node, std::string path)
    : reading_(reading), path_(std::move(path)), node_(node ? node : &nothing()) {
  effective_.set_origin(node_->shared_origin());
  effective_.set_mark(node_->mark());
  if (node_->is_map()) return;
  if (!node_->is_null()) reading_.error(*node_, path_, "expected a map, got " + kind_of(*node_));
  node_ = &nothing();
}

Fields::Fields(Fields& parent, std::string_view key) : Fields(parent.reading_, parent.given(key), parent.path(key)) {
  parent.known_.emplace_back(key);
  parent_ = &parent;
  key_ = key;
}

Fields::~Fields() { done(); }

void Fields::done() {
  if (done_) return;
  done_ = true;
  if (parent_) parent_->keep(key_, std::move(effective_));
  for (const auto& entry : node_->entries()) {
    if (entry.key.starts_with("x-") || std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const std::vector<std::string_view> known(known_.begin(), known_.end());
    std::string message = entry.key == "<<" ? "merge keys are not accepted; what several items share goes into `defaults`"
                                            : "unknown key" + did_you_mean(entry.key, known);
    reading_.complain(Severity::Error, entry.value, entry.key_mark, path(entry.key), std::move(message));
  }
}

const Node* Fields::given(std::string_view key) const {
  const Node* found = node_->find(key);
  return found && !found->is_null() ? found : nullptr;
}

void Fields::know(std::string_view key, const std::string& type, const std::string& standard, bool supported) {
  known_.emplace_back(key);
  if (reading_.catalog) reading_.catalog->push_back({path(key), type, standard, supported});
}

void Fields::also(std::string_view key, const std::string& type) {
  if (reading_.catalog) reading_.catalog->push_back({path(key), type, "", true, false});
}

void Fields::keep_text(std::string_view key, const Node& from, std::string text) {
  Node value = Node::scalar(std::move(text), from.quoted());
  value.set_origin(from.shared_origin());
  value.set_mark(from.mark());
  value.set_written(from.written());
  keep(key, std::move(value));
}

const Node* Fields::scalar(std::string_view key, const std::string& type, const std::string& standard) {
  know(key, type, standard);
  keep(key, Node::scalar(standard));
  const Node* found = node_->find(key);
  if (!found) return nullptr;
  if (found->is_scalar()) return found;
  error(key, *found, "expected " + with_article(type) + ", got " + kind_of(*found));
  return nullptr;
}

void Fields::flag(std::string_view key, bool& field) {
  const Node* value = scalar(key, "on or off", field ? "on" : "off");
  if (!value) return;
  const auto read = switch_of(value->text());
  if (!read) {
    const std::string word = to_lower(value->text());
    const bool yes = word == "yes" || word == "y" || word == "1", no = word == "no" || word == "n" || word == "0";
    return error(key, *value,
                 "expected on or off, got " + kind_of(*value) +
                     (yes  ? meant("on")
                      : no ? meant("off")
                           : did_you_mean(word, {"on", "off", "true", "false"})));
  }
  field = *read;
  keep_text(key, *value, field ? "on" : "off");
}

void Fields::duration(std::string_view key, milliseconds& field, milliseconds least, milliseconds most) {
  const Node* value = scalar(key, "duration", duration_text(field));
  if (!value) return;
  const auto read = duration_of(value->text());
  if (!read)
    return error(key, *value,
                 "expected a duration with unit, got " + kind_of(*value) +
                     (parse_decimal(value->text()) ? meant(value->text() + "ms") : ""));
  if (read->count() % 1000 != 0) return error(key, *value, "expected whole milliseconds, got " + kind_of(*value));
  if (*read < least || *read > most)
    return error(key, *value,
                 "expected a duration from " + duration_text(least) + " to " + duration_text(most) + ", got " + kind_of(*value));
  field = std::chrono::duration_cast<milliseconds>(*read);
  keep_text(key, *value, duration_text(*read));
}

void Fields::size(std::string_view key, uint64_t& field, uint64_t least, uint64_t most, bool may_be_off) {
  const auto text = [&](uint64_t size) { return may_be_off && size == 0 ? std::string("off") : size_text(size); };
  const Node* value = scalar(key, may_be_off ? "size or off" : "size", text(field));
  if (!value) return;
  const bool off = may_be_off && (is_off(value->text()) || value->text() == "0");
  const auto read = off ? std::optional<uint64_t>(0) : size_of(value->text());
  if (!read)
    return error(
        key, *value,
        "expected a size with unit, got " + kind_of(*value) + (parse_number(value->text()) ? meant(value->text() + "B") : ""));
  if (!off && (*read < least || *read > most))
    return error(key, *value, "expected a size from " + size_text(least) + " to " + size_text(most) + ", got " + kind_of(*value));
  field = *read;
  keep_text(key, *value, text(field));
}

void Fields::share(std::string_view key, double& field) {
  const Node* value = scalar(key, "percentage", share_text(field));
  if (!value) return;
  const auto read = share_of(value->text());
  if (!read)
    return error(key, *value,
                 "expected a percentage from 0% to 100%, got " + kind_of(*value) +
                     (share_of(value->text() + "%") ? meant(value->text() + "%") : ""));
  field = *read;
  keep_text(key, *value, share_text(field));
}

void Fields::text(std::string_view key, std::string& field, const char* type, Check check) {
  const Node* value = scalar(key, type, field);
  if (!value) return;
  std::string read = value->text();
  if (check && !read.empty())
    if (std::string wrong = check(read); !wrong.empty()) return error(key, *value, std::move(wrong));
  field = std::move(read);
  keep_text(key, *value, field);
}

void Fields::texts(std::string_view key, std::vector<std::string>& field, const char* type, Check check) {
  const Node* value = hand(key, type, "[]");
  Node kept = Node::list();
  if (value && value->is_map()) error(key, *value, std::string("expected ") + type + ", got a map");
  if (value) {
    field.clear();
    kept.set_origin(value->shared_origin());
    kept.set_mark(value->mark());
    if (!value->is_map())
      for (const Node& item : items_of(*value)) {
        if (!item.is_scalar()) {
          error(key, item, "expected a text, got " + kind_of(item));
          continue;
        }
        std::string read = item.text();
        if (std::string wrong = check ? check(read) : ""; !wrong.empty()) {
          error(key, item, std::move(wrong));
          continue;
        }
        Node copy = item;
        copy.set_text(read);
        kept.append(std::move(copy));
        field.push_back(std::move(read));
      }
    if (is_variable(*value)) kept = *value;
  }
  keep(key, std::move(kept));
}

void Fields::pairs(std::string_view key, std::vector<std::pair<std::string, std::string>>& field) {
  const Node* value = hand(key, "map of texts", "{}");
  keep(key, value ? *value : Node::map());
  if (!value) return;
  if (!value->is_map()) return error(key, *value, "expected a map of texts, got " + kind_of(*value));
  field.clear();
  for (const auto& entry : value->entries()) {
    if (!entry.value.is_scalar())
      reading_.error(entry.value, join_path(path(key), entry.key), "expected a text, got " + kind_of(entry.value));
    else field.emplace_back(entry.key, entry.value.text());
  }
}

void Fields::address(std::string_view key, std::string& field, AddressRule rule, bool may_be_off) {
  const Node* value = scalar(key, may_be_off ? "address or off" : "address", field.empty() && may_be_off ? "off" : field);
  if (!value) return;
  std::string read = value->text();
  if (may_be_off && is_off(read)) {
    field.clear();
    return keep_text(key, *value, "off");
  }
  if (std::string wrong = check_address(read, rule); !wrong.empty()) return error(key, *value, std::move(wrong));
  field = std::move(read);
  keep_text(key, *value, field);
}

void Fields::read_number(std::string_view key, uint64_t& field, uint64_t least, uint64_t most) {
  const Node* given = scalar(key, "number", std::to_string(field));
  if (reading_.catalog) reading_.catalog->back().range = {least, most};
  if (!given) return;
  const auto read = parse_number(given->text());
  if (!read || *read < least || *read > most)
    return error(key, *given,
                 "expected a number from " + std::to_string(least) + " to " + std::to_string(most) + ", got " + kind_of(*given));
  field = *read;
  keep_text(key, *given, std::to_string(field));
}

size_t Fields::read_choice(std::string_view key, const std::vector<std::string_view>& names, size_t standard, Texts later) {
  const Node* value = scalar(key, listed(names), std::string(names[standard]));
  if (reading_.catalog) reading_.catalog->back().words.assign(names.begin(), names.end());
  if (!value) return standard;
  std::string word = value->text();
  if (word == "false") word = "off";
  if (word == "true") word = "on";
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == word) {
      keep_text(key, *value, word);
      return i;
    }
  for (const char* name : later)
    if (word == name) {
      error(key, *value, quoted(word) + " is " + kLater + "; expected " + listed(names));
      return standard;
    }
  error(key, *value, "expected " + listed(names) + ", got " + kind_of(*value) + did_you_mean(word, names));
  return standard;
}

// Because these maps have no reader yet, what is accepted is their defaults' text, key by key.
bool Fields::later_value(const Node& value, const std::vector<Node>& accepted, const std::string& path) {
  for (const Node& one : accepted) {
    if (value.is_null()) return true;
    if (!one.is_map() && same_value(one, value)) return true;
    if (!one.is_map() || !value.is_map()) continue;
    std::vector<std::string_view> known;
    for (const auto& entry : one.entries()) known.push_back(entry.key);
    bool fine = true;
    const auto refuse = [&](const Node::Entry& entry, const std::string& at, std::string message) {
      reading_.complain(Severity::Error, entry.value, entry.key_mark, at, std::move(message));
      fine = false;
    };
    for (const auto& entry : value.entries()) {
      const std::string at = join_path(path, entry.key);
      if (const Node* standard = one.find(entry.key)) fine &= later_value(entry.value, {*standard}, at);
      else if (known.empty()) refuse(entry, path, kLater);
      else refuse(entry, at, "unknown key" + did_you_mean(entry.key, known));
    }
    return fine;
  }
  reading_.error(value, path, (value.is_scalar() ? kind_of(value) + " is " : "") + std::string(kLater));
  return false;
}

void Fields::later(std::string_view key, Texts accepted, Texts promised) {
  know(key, "", promised.size() ? *promised.begin() : accepted.size() ? *accepted.begin() : "", false);
  const Node::Entry* entry = node_->entry(key);
  if (!entry) return;
  if (accepted.size() + promised.size() == 0)
    return reading_.complain(Severity::Error, entry->value, entry->key_mark, path(key), kLater);
  static const auto kBuiltIn = std::make_shared<const Origin>(Origin{Origin::Kind::Default, "default"});
  std::vector<Node> values;
  for (const char* text : accepted) values.push_back(parse(text, kBuiltIn).root);
  const bool asks = !std::any_of(values.begin(), values.end(), [&](const Node& one) { return same_value(one, entry->value); });
  for (const char* text : promised) values.push_back(parse(text, kBuiltIn).root);
  if (later_value(entry->value, values, path(key)) && asks && promised.size() && !entry->value.is_null())
    reading_.complain(Severity::Warning, entry->value, entry->key_mark, path(key), std::string("has no effect: ") + kLater);
}

const Node* Fields::hand(std::string_view key, const std::string& type, const std::string& standard) {
  know(key, type, standard);
  return given(key);
}

void Fields::number_or_auto(std::string_view key, uint32_t& field, uint64_t least, uint64_t most) {
  const Node* value = given(key);
  if (value && !(value->is_scalar() && value->text() == "auto")) return number(key, field, least, most);
  hand(key, "auto or number", "auto");
  if (reading_.catalog) reading_.catalog->back().range = {least, most};
  keep(key, value ? *value : Node::scalar("auto"));
}

bool Fields::off(std::string_view key, bool by_default) {
  also(key, "off");
  const Node* value = given(key);
  const bool is = value ? value->is_scalar() && is_off(value->text()) : by_default;
  if (is && !reading_.catalog) {
    known_.emplace_back(key);
    keep(key, Node::scalar("off"));
    if (value) keep_text(key, *value, "off");
  }
  return is && !reading_.catalog;
}

void Fields::list(std::string_view key, const std::string& type, const std::function<void(Fields&, const Node&)>& each,
                  const std::function<void(const Node&, const std::string& path)>& plain) {
  const Node* value = hand(key, type, "[]");
  if (reading_.catalog) {
    Fields item(reading_, nullptr, path(key) + "[]");
    return each(item, item.node());
  }
  if (!value) return;
  Node kept = Node::list();
  kept.set_origin(value->shared_origin());
  kept.set_mark(value->mark());
  const auto items = items_of(*value);
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string at = path(key) + (value->is_list() ? "[" + std::to_string(i) + "]" : "");
    if (items[i].is_scalar() && plain) {
      plain(items[i], at);
      kept.append(items[i]);
      continue;
    }
    Fields item(reading_, &items[i], at);
    each(item, items[i]);
    kept.append(item.take());
  }
  keep(key, is_variable(*value) ? *value : std::move(kept));
}

}  // namespace outrider::config
