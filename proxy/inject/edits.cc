#include "inject/edits.h"

#include <algorithm>

#include "inject/pointer.h"
#include "inject/scan.h"

namespace outrider::inject {

namespace {

// One edits_between(). Goes down both trees; what is different is written where it is.
class Editing {
 public:
  Editing(std::string_view text, const Style& style) : text_(text), style_(style) {}

  Edits run(const Node& before, const Node& after) {
    if (!(before == after)) inside(before, after, "");
    std::stable_sort(edits_.list.begin(), edits_.list.end(), [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
    for (size_t i = 1; i < edits_.list.size(); ++i) {
      Edit &one = edits_.list[i - 1], &next = edits_.list[i];
      if (next.begin >= one.end) continue;
      if (!one.text.empty() || !next.text.empty()) fail("", "two changes at one place");
      next.begin = one.end;  // both take away the newline between them
      next.end = std::max(next.end, next.begin);
    }
    if (!edits_.error.empty()) edits_.list.clear();
    return std::move(edits_);
  }

 private:
  using Entries = std::vector<const Node::Entry*>;

  void fail(const std::string& path, const std::string& why) {
    if (edits_.error.empty()) edits_.error = (path.empty() ? "/" : path) + ": " + why;
  }
  void put(size_t begin, size_t end, std::string text) { edits_.list.push_back({begin, end, std::move(text)}); }

  // What others see, too, cannot be changed for one of them.
  bool may_change(const Node& node, const std::string& path) {
    const std::string line = std::to_string(node.place.line);
    if (node.place.aliased)
      fail(path, "the change would land in what an alias (line " + line + " of its document) stands for; write it out there");
    else if (node.place.shared)
      fail(path, "the change would land behind an anchor (line " + line +
                     " of its document) that aliases refer to; write it out there");
    return !node.place.aliased && !node.place.shared;
  }

  void inside(const Node& before, const Node& after, const std::string& path) {
    if (before.is_map() && after.is_map()) map(before, after, path);
    else if (before.is_list() && after.is_list()) list(before, after, path);
    else fail(path, "another kind of value");
  }

  void map(const Node& before, const Node& after, const std::string& path) {
    Entries gone, added;
    for (const Node::Entry& entry : before.entries()) {
      const Node* const now = after.find(entry.key);
      if (!now) gone.push_back(&entry);
      else if (!(entry.value == *now)) value(entry, *now, path + "/" + pointer_part(entry.key));
    }
    for (const Node::Entry& entry : after.entries())
      if (!before.find(entry.key)) added.push_back(&entry);
    if ((gone.empty() && added.empty()) || !may_change(before, path)) return;
    for (const Node::Entry* entry : gone)
      if (entry->key_place.aliased)
        return fail(path + "/" + pointer_part(entry->key),
                    "it comes by a merge key (line " + std::to_string(entry->key_place.line) + "); write it out there");
    // One in place of another stands where that stood.
    while (!gone.empty() && !added.empty()) {
      replace(*gone.front(), *added.front());
      gone.erase(gone.begin());
      added.erase(added.begin());
    }
    if (!gone.empty()) before.place.flow ? remove_flow(before, gone) : remove_lines(before, gone);
    if (!added.empty()) before.place.flow ? append_flow(before, added) : append_lines(before, added, path);
  }

  void value(const Node::Entry& entry, const Node& now, const std::string& path) {
    const Node& was = entry.value;
    if (entry.key_place.aliased)
      return fail(path, "it comes by a merge key (line " + std::to_string(entry.key_place.line) + "); write it out there");
    if (was.is_collection() && !was.is_empty() && was.kind() == now.kind()) return inside(was, now, path);
    if (!may_change(was, path)) return;
    const size_t colon = behind_colon(text_, entry.key_place.end);
    if (colon == kNowhere) return fail(path, "a key without a value");
    const bool block = !entry.key_place.flow && (was.place.flow || !was.is_collection() || was.is_empty());
    if (block && now.is_collection() && !now.is_empty()) {
      // Its lines come below the key's.
      const size_t column = column_of(text_, entry.key_place.begin);
      if (was.place.end > colon) put(colon, was.place.end, "");
      return insert_lines(std::max(was.place.end, colon),
                          render_block(now, style_, column + (now.is_list() ? style_.list_offset : style_.step)));
    }
    const std::string text =
        now.is_collection() ? flow_text(now, entry.key_place.begin) : render_scalar(now, style_, entry.key_place.flow);
    put(std::max(was.place.begin, colon), std::max(was.place.end, colon), (was.place.end <= colon ? " " : "") + text);
  }

  // Of an entry all, key and value.
  void replace(const Node::Entry& was, const Node::Entry& now) {
    const size_t begin = was.key_place.begin, end = std::max(was.value.place.end, was.key_place.end);
    if (was.key_place.flow || was.value.place.flow || !was.value.is_collection()) {
      const std::string gap = style_.compact && was.key_place.flow ? ":" : ": ";
      return put(
          begin, end,
          render_key(now.key, style_, was.key_place.flow) + gap +
              (now.value.is_collection() ? flow_text(now.value, begin) : render_scalar(now.value, style_, was.key_place.flow)));
    }
    // As lines where it was lines.
    const size_t column = column_of(text_, begin), inner = column_of(text_, was.value.place.begin);
    std::string lines = now.value.is_collection() && !now.value.is_empty()
                            ? render_key(now.key, style_, false) + ":" + style_.newline +
                                  render_block(now.value, style_, std::max(inner, column + 1))
                            : render_entry(now.key, now.value, style_, 0);
    lines.resize(lines.size() - style_.newline.size());
    put(begin, end, std::move(lines));
  }

  // In one line, or over several as its neighbours are.
  std::string flow_text(const Node& node, size_t at) {
    const size_t line = line_start(text_, at), first = skip_spaces(text_, line);
    if (!style_.json || !spread(at)) return render_flow(node, style_);
    return render_flow_lines(node, style_, std::string(text_.substr(line, first - line)));
  }

  // Whether what stands at `at` begins its line.
  bool spread(size_t at) const {
    const size_t line = line_start(text_, at);
    return line > 0 && skip_spaces(text_, line) == at;
  }

  // Lines behind the line in which `at` is.
  void insert_lines(size_t at, std::string lines) {
    if (lines.empty()) return;
    if (line_ends(text_, at)) return put(next_line(text_, at), next_line(text_, at), std::move(lines));
    lines.resize(lines.size() - style_.newline.size());
    put(text_.size(), text_.size(), style_.newline + lines);
  }

  // A block of text as the last of all would get a newline more by what comes behind it.
  bool ends_in_block_text(const Node& node) const {
    if (node.place.aliased || node.place.flow) return false;
    if (!node.items().empty()) return ends_in_block_text(node.items().back());
    if (!node.entries().empty()) return ends_in_block_text(node.entries().back().value);
    const size_t at = skip_properties(text_, node.place.begin);
    return node.is_text() && at < text_.size() && (text_[at] == '|' || text_[at] == '>');
  }

  void append_lines(const Node& map, const Entries& added, const std::string& path) {
    if (map.entries().empty()) return fail(path, "an empty map in a place of its own");
    const size_t first = map.entries().front().key_place.begin, column = column_of(text_, first);
    std::string lines;
    for (const Node::Entry* entry : added) lines += render_entry(entry->key, entry->value, style_, column);
    if (line_ends(text_, map.place.end) || !ends_in_block_text(map)) return insert_lines(map.place.end, std::move(lines));
    const size_t start = line_start(text_, first);
    if (skip_spaces(text_, start) != first) return fail(path, "the text ends in a block without a newline; end it with one");
    put(start, start, std::move(lines));
  }

  void remove_lines(const Node& map, const Entries& gone) {
    if (gone.size() == map.entries().size()) return put(map.place.begin, map.place.end, "{}");
    for (const Node::Entry* entry : gone) {
      const size_t begin = entry->key_place.begin, start = line_start(text_, begin);
      const size_t end = next_line(text_, std::max(entry->value.place.end, entry->key_place.end));
      if (skip_spaces(text_, start) == begin) {
        remove_whole_lines(start, end);
        continue;
      }
      // Behind a dash: what comes next takes its place.
      const size_t next = size_t(entry - map.entries().data()) + 1;
      if (next < map.entries().size()) put(begin, map.entries()[next].key_place.begin, "");
      else fail("", "a key that cannot be taken out");
    }
  }

  // The last ones of a text without a newline at its end take the newline before them along.
  void remove_whole_lines(size_t start, size_t end) {
    if (end == text_.size() && start > 0 && text_[end - 1] != '\n') {
      --start;
      start -= start > 0 && text_[start - 1] == '\r';
    }
    put(start, end, "");
  }

  // What stands between `at` and the comma or bracket before it: "" or " ", or a newline and an indentation.
  std::string lead_of(size_t at) const {
    size_t begin = at;
    while (begin > 0 && std::string_view(" \t\r\n").find(text_[begin - 1]) != kNowhere) --begin;
    const std::string lead(text_.substr(begin, at - begin));
    return lead.find('\n') == lead.npos ? (style_.compact ? "" : " ") : lead;
  }

  static std::string indent_of(const std::string& lead) {
    const size_t newline = lead.rfind('\n');
    return newline == lead.npos ? "" : lead.substr(newline + 1);
  }

  std::string flow_piece(const Node& node, const std::string& lead) {
    return style_.json && lead.find('\n') != lead.npos ? render_flow_lines(node, style_, indent_of(lead))
                                                       : render_flow(node, style_);
  }

  std::string flow_entry(const Node::Entry& entry, const std::string& lead) {
    return render_key(entry.key, style_, true) + (style_.compact && style_.json ? ":" : ": ") + flow_piece(entry.value, lead);
  }

  void append_flow(const Node& map, const Entries& added) {
    const Node::Entry* last = nullptr;
    for (const Node::Entry& entry : map.entries())
      if (!entry.key_place.aliased) last = &entry;
    if (!last) {
      const size_t at = skip_properties(text_, map.place.begin) + 1;
      std::string text;
      for (const Node::Entry* entry : added) text += (text.empty() ? "" : style_.compact ? "," : ", ") + flow_entry(*entry, "");
      return put(at, at, std::move(text));
    }
    const std::string lead = lead_of(last->key_place.begin);
    std::string text;
    for (const Node::Entry* entry : added) text += "," + lead + flow_entry(*entry, lead);
    const size_t at = std::max(last->value.place.end, last->key_place.end);
    put(at, at, std::move(text));
  }

  void remove_flow(const Node& map, const Entries& gone) {
    const auto is_gone = [&](const Node::Entry& e) { return std::find(gone.begin(), gone.end(), &e) != gone.end(); };
    std::vector<Span> spans;
    std::vector<bool> out;
    for (const Node::Entry& e : map.entries()) {
      if (e.key_place.aliased) continue;
      spans.push_back({e.key_place.begin, std::max(e.value.place.end, e.key_place.end)});
      out.push_back(is_gone(e));
    }
    remove_spans(spans, out);
  }

  struct Span {
    size_t begin, end;
  };

  // Each with the comma behind it, or before it.
  void remove_spans(const std::vector<Span>& spans, const std::vector<bool>& out) {
    const size_t first = size_t(std::find(out.begin(), out.end(), false) - out.begin());
    if (first == spans.size()) return put(spans.front().begin, spans.back().end, "");
    if (first > 0) put(spans.front().begin, spans[first].begin, "");
    for (size_t i = first + 1; i < spans.size(); ++i)
      if (out[i]) put(spans[i - 1].end, spans[i].end, "");
  }

  // Which of the old items each new one is; none: it is new.
  static std::vector<const Node*> aligned(const Node& before, const Node& after) {
    std::vector<const Node*> all;
    size_t from = 0;
    for (const Node& now : after.items()) {
      const Node* found = nullptr;
      for (size_t i = from; i < before.items().size() && !found; ++i) {
        const Node& was = before.items()[i];
        const std::string& name = now.text_of("name");
        if (was == now || (!name.empty() && was.text_of("name") == name)) {
          found = &was;
          from = i + 1;
        }
      }
      all.push_back(found);
    }
    if (before.items().size() == after.items().size() && std::find(all.begin(), all.end(), nullptr) != all.end())
      for (size_t i = 0; i < all.size(); ++i) all[i] = &before.items()[i];
    return all;
  }

  void list(const Node& before, const Node& after, const std::string& path) {
    const auto old_of = aligned(before, after);
    std::vector<bool> gone(before.items().size(), true);
    bool changed = false;
    for (size_t i = 0; i < old_of.size(); ++i) {
      const Node& now = after.items()[i];
      if (!old_of[i]) {
        changed = true;
        continue;
      }
      const size_t index = size_t(old_of[i] - before.items().data());
      gone[index] = false;
      if (!(*old_of[i] == now)) item(*old_of[i], now, path + "/" + std::to_string(index));
    }
    changed |= std::find(gone.begin(), gone.end(), true) != gone.end();
    if (!changed || !may_change(before, path)) return;
    before.place.flow ? change_flow(before, after, old_of, gone) : change_lines(before, after, old_of, gone, path);
  }

  void item(const Node& was, const Node& now, const std::string& path) {
    if (was.is_collection() && !was.is_empty() && was.kind() == now.kind()) return inside(was, now, path);
    if (!may_change(was, path)) return;
    const std::string text = now.is_collection() ? render_flow(now, style_) : render_scalar(now, style_, was.place.flow);
    put(was.place.begin, was.place.end, (was.place.begin == was.place.end ? " " : "") + text);
  }

  // Where the dash of each item is.
  std::vector<size_t> dashes_of(const Node& list) const {
    std::vector<size_t> all;
    size_t at = list.place.begin;
    for (const Node& each : list.items()) {
      at = skip_blank(text_, at);
      all.push_back(at);
      at = each.place.end;
    }
    return all;
  }

  void change_lines(const Node& before, const Node& after, const std::vector<const Node*>& old_of, const std::vector<bool>& gone,
                    const std::string& path) {
    const std::vector<size_t> dashes = dashes_of(before);
    for (const size_t dash : dashes) {
      if (dash >= text_.size() || text_[dash] != '-') return fail(path, "an item whose dash cannot be found");
      if (skip_spaces(text_, line_start(text_, dash)) != dash) return fail(path, "a list within a line of another");
    }
    const size_t column = column_of(text_, before.place.begin);
    std::string lines;
    for (size_t i = 0; i <= old_of.size(); ++i) {
      if (i < old_of.size() && !old_of[i]) {
        lines += render_item(after.items()[i], style_, column);
        continue;
      }
      if (lines.empty()) continue;
      if (i == old_of.size()) insert_lines(before.place.end, std::move(lines));
      else insert_before(size_t(old_of[i] - before.items().data()), dashes, std::move(lines));
      lines.clear();
    }
    for (size_t i = 0; i < gone.size(); ++i)
      if (gone[i])
        remove_whole_lines(line_start(text_, dashes[i]), next_line(text_, std::max(before.items()[i].place.end, dashes[i])));
  }

  // Of the first one comments are, which stand before it: what is put before it comes right below the key.
  void insert_before(size_t index, const std::vector<size_t>& dashes, std::string lines) {
    size_t at = line_start(text_, dashes[index]);
    while (index == 0 && at > 0) {
      const size_t above = line_start(text_, at - 1), first = skip_spaces(text_, above);
      const bool comment = first < text_.size() && (text_[first] == '#' || text_[first] == '\n' || text_[first] == '\r');
      if (!comment) break;
      at = above;
    }
    put(at, at, std::move(lines));
  }

  void change_flow(const Node& before, const Node& after, const std::vector<const Node*>& old_of, const std::vector<bool>& gone) {
    std::vector<Span> spans;
    for (const Node& each : before.items()) spans.push_back({each.place.begin, each.place.end});
    if (std::find(gone.begin(), gone.end(), true) != gone.end()) remove_spans(spans, gone);
    std::vector<const Node*> waiting;
    for (size_t i = 0; i <= old_of.size(); ++i) {
      if (i < old_of.size() && !old_of[i]) {
        waiting.push_back(&after.items()[i]);
        continue;
      }
      if (waiting.empty()) continue;
      if (i < old_of.size()) {
        const std::string lead = lead_of(old_of[i]->place.begin);
        std::string text;
        for (const Node* each : waiting) text += flow_piece(*each, lead) + "," + lead;
        put(old_of[i]->place.begin, old_of[i]->place.begin, std::move(text));
      } else {
        const Node& last = before.items().back();
        const std::string lead = lead_of(last.place.begin);
        std::string text;
        for (const Node* each : waiting) text += "," + lead + flow_piece(*each, lead);
        put(last.place.end, last.place.end, std::move(text));
      }
      waiting.clear();
    }
  }

  std::string_view text_;
  const Style& style_;
  Edits edits_;
};

}  // namespace

Edits edits_between(std::string_view text, const Node& before, const Node& after, const Style& style) {
  return Editing(text, style).run(before, after);
}

std::string edited(std::string_view text, const std::vector<Edit>& edits) {
  std::string out;
  size_t at = 0;
  for (const Edit& edit : edits) {
    out += text.substr(at, edit.begin - at);
    out += edit.text;
    at = edit.end;
  }
  return out += text.substr(at);
}

}  // namespace outrider::inject
