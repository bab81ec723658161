#pragma once
// Trees as text, for what is put into a manifest beside what others have written.

#include <string>

#include "inject/tree.h"

namespace outrider::inject {

// How a manifest is written. Taken from its own text.
struct Style {
  std::string newline = "\n";
  size_t step = 2;          // by which a block map is indented below its key
  size_t list_offset = 0;   // likewise a list
  bool json = false;        // the whole document is in braces: every text in quotes
  bool compact = false;     // of flow: no space behind : and ,
  std::string unit = "  ";  // of flow over several lines: one level
};

Style style_of(std::string_view text, const Node& root);

// In one line: {path: /probe/web/liveness, port: 15021}.
std::string render_flow(const Node& node, const Style& style);
// Over several lines, the first of which stands where the caller is; the others begin with `indent`.
std::string render_flow_lines(const Node& node, const Style& style, const std::string& indent);
// Lines, each with its indentation and its newline: of a map its entries, of a list its items.
std::string render_block(const Node& node, const Style& style, size_t indent);
// "key: value" as lines.
std::string render_entry(const std::string& key, const Node& value, const Style& style, size_t indent);
std::string render_item(const Node& item, const Style& style, size_t indent);  // "- ..." as lines
std::string render_scalar(const Node& node, const Style& style, bool flow);
std::string render_key(const std::string& key, const Style& style, bool flow);

}  // namespace outrider::inject
