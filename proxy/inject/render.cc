#include "inject/render.h"

#include <algorithm>

#include "base/text.h"
#include "inject/scan.h"

namespace outrider::inject {

namespace {

constexpr size_t kFlowWidth = 84;  // what fits stands in one line

// Read as a text by every reader, whatever version of YAML it is for.
bool is_plain(std::string_view text, bool flow) {
  if (text.empty() || text.size() > 200) return false;
  const auto fine = [](char c) {
    return is_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '=' || c == '@' || c == '+' ||
           c == '~';
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (fine(text[i])) continue;
    const bool inside = i > 0 && i + 1 < text.size();
    if (!flow && text[i] == ':' && inside && fine(text[i + 1])) continue;
    if (!flow && (text[i] == ',') && inside) continue;
    return false;
  }
  for (const std::string_view word : {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"})
    if (equals_ignore_case(text, word)) return false;
  const char first = text.front();
  if (is_digit(first)) {  // a quantity: 10m, 32Mi, 60s
    const size_t unit = text.find_first_not_of("0123456789");
    const std::string_view rest = unit == text.npos ? "" : text.substr(unit);
    return rest == "m" || rest == "s" || rest == "Mi" || rest == "Gi";
  }
  if (first == '-') return text.size() > 2 && text[1] == '-' && is_alpha(text[2]);  // --inbound=15006
  return is_alpha(first) || first == '/' || first == '_';
}

std::string quoted(std::string_view text, const Style& style) {
  const auto readable = [](char c) { return c >= ' ' && c <= '~' && c != '\''; };
  // JSON within YAML, without a backslash before each of its quotes.
  if (!style.json && text.find('"') != text.npos && std::all_of(text.begin(), text.end(), readable))
    return "'" + std::string(text) + "'";
  std::string out;
  append_json(out, text);
  return out;
}

void spread(std::string& out, const Node& node, const Style& style, const std::string& indent) {
  if (!node.is_collection() || node.is_empty()) return void(out += render_flow(node, style));
  const std::string inner = indent + style.unit;
  const char* separator = "";
  out += node.is_map() ? '{' : '[';
  for (const Node& item : node.items()) {
    out += separator + style.newline + inner;
    spread(out, item, style, inner);
    separator = ",";
  }
  for (const Node::Entry& entry : node.entries()) {
    out += separator + style.newline + inner + render_key(entry.key, style, true) + ": ";
    spread(out, entry.value, style, inner);
    separator = ",";
  }
  out += style.newline + indent + (node.is_map() ? '}' : ']');
}

// The first block map with a block map or list below one of its keys says how the others are indented.
void indentation(std::string_view text, const Node& node, long& step, long& list_offset) {
  if (node.place.flow || node.place.aliased) return;
  for (const Node& item : node.items()) indentation(text, item, step, list_offset);
  for (const Node::Entry& entry : node.entries()) {
    const Node& value = entry.value;
    if (!value.is_collection() || value.place.flow || value.place.aliased || value.is_empty()) continue;
    const long by = long(column_of(text, value.place.begin)) - long(column_of(text, entry.key_place.begin));
    if (by >= 0 && value.is_list() && (list_offset < 0 || entry.key == "containers")) list_offset = by;
    if (by > 0 && value.is_map() && step < 0) step = by;
    indentation(text, value, step, list_offset);
  }
}

// Of the first flow map over several lines: what its entries have more than its line.
std::string unit_of(std::string_view text, const Node& root) {
  if (root.entries().empty() || !root.place.flow) return "  ";
  const size_t first = root.entries().front().key_place.begin, line = line_start(text, first);
  const std::string_view lead = text.substr(line, first - line);
  return line <= root.place.begin || lead.empty() || lead.find_first_not_of(" \t") != lead.npos ? "  " : std::string(lead);
}

}  // namespace

Style style_of(std::string_view text, const Node& root) {
  Style style;
  const size_t newline = text.find('\n');
  if (newline != text.npos && newline > 0 && text[newline - 1] == '\r') style.newline = "\r\n";
  long step = -1, list_offset = -1;
  indentation(text, root, step, list_offset);
  style.step = step < 0 ? 2 : size_t(step);
  style.list_offset = list_offset < 0 ? 0 : size_t(list_offset);
  style.json = root.place.flow;
  style.unit = unit_of(text, root);
  if (root.place.flow && !root.entries().empty()) {
    const size_t colon = behind_colon(text, root.entries().front().key_place.end);
    style.compact = colon != kNowhere && colon < text.size() && text[colon] != ' ' && text[colon] != '\n' && text[colon] != '\r';
  }
  return style;
}

std::string render_scalar(const Node& node, const Style& style, bool flow) {
  if (node.is_null()) return "null";
  if (!node.is_text()) return node.text();
  return !style.json && is_plain(node.text(), flow) ? node.text() : quoted(node.text(), style);
}

std::string render_key(const std::string& key, const Style& style, bool flow) {
  return !style.json && is_plain(key, flow) ? key : quoted(key, style);
}

std::string render_flow(const Node& node, const Style& style) {
  if (!node.is_collection()) return render_scalar(node, style, true);
  const std::string comma = style.compact ? "," : ", ";
  const std::string colon = style.compact && style.json ? ":" : ": ";
  std::string out(1, node.is_map() ? '{' : '['), separator;
  for (const Node& item : node.items()) {
    out += separator + render_flow(item, style);
    separator = comma;
  }
  for (const Node::Entry& entry : node.entries()) {
    out += separator + render_key(entry.key, style, true) + colon + render_flow(entry.value, style);
    separator = comma;
  }
  return out + (node.is_map() ? '}' : ']');
}

std::string render_flow_lines(const Node& node, const Style& style, const std::string& indent) {
  std::string out;
  spread(out, node, style, indent);
  return out;
}

std::string render_entry(const std::string& key, const Node& value, const Style& style, size_t indent) {
  const std::string head = std::string(indent, ' ') + render_key(key, style, false) + ":";
  if (!value.is_collection()) return head + " " + render_scalar(value, style, false) + style.newline;
  if (const std::string flow = render_flow(value, style); flow.size() <= kFlowWidth) return head + " " + flow + style.newline;
  return head + style.newline + render_block(value, style, indent + (value.is_list() ? style.list_offset : style.step));
}

std::string render_item(const Node& item, const Style& style, size_t indent) {
  const std::string flow = render_flow(item, style);
  if (!item.is_collection() || item.is_empty() || flow.size() <= kFlowWidth) {
    const std::string text = item.is_collection() ? flow : render_scalar(item, style, false);
    return std::string(indent, ' ') + "- " + text + style.newline;
  }
  std::string lines = render_block(item, style, indent + 2);
  lines[indent] = '-';
  return lines;
}

std::string render_block(const Node& node, const Style& style, size_t indent) {
  std::string out;
  for (const Node& item : node.items()) out += render_item(item, style, indent);
  for (const Node::Entry& entry : node.entries()) out += render_entry(entry.key, entry.value, style, indent);
  return out;
}

}  // namespace outrider::inject
