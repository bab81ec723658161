#include "inject/scan.h"

#include "base/text.h"

namespace outrider::inject {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_break(char c) { return c == '\n' || c == '\r'; }

// Behind the last line of its own, but not behind that line's newline.
size_t block_end(std::string_view text, size_t at, long parent) {
  long indent = -1;
  bool keep = false;
  for (++at; at < text.size() && !is_break(text[at]) && !is_space(text[at]); ++at) {
    if (is_digit(text[at])) indent = (parent < 0 ? 0 : parent) + (text[at] - '0');
    keep |= text[at] == '+';
  }
  size_t end = at = text.find('\n', at);
  if (at == kNowhere) return text.size();
  end -= end > 0 && text[end - 1] == '\r';
  while (at < text.size()) {
    const size_t start = ++at;
    const size_t newline = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, newline - start);
    const size_t first = line.find_first_not_of(' ');
    const bool blank = line.find_first_not_of(" \t\r") == kNowhere;
    if (!blank && indent < 0) indent = long(first);
    if (!blank && (long(first) < indent || long(first) <= parent)) break;
    if (!blank || (keep && newline < text.size())) end = newline - (newline > start && text[newline - 1] == '\r');
    at = newline;
  }
  return end;
}

// A plain one may go on over lines, which the parser has folded.
size_t plain_end(std::string_view text, size_t at, std::string_view value) {
  for (size_t i = 0; i < value.size();) {
    if (at >= text.size()) return kNowhere;
    if (is_space(text[at]) || is_break(text[at])) {
      const size_t rest = at;
      while (at < text.size() && (is_space(text[at]) || is_break(text[at]))) ++at;
      const bool folded = text.substr(rest, at - rest).find_first_of("\r\n") != kNowhere;
      if (folded) {
        while (i < value.size() && (value[i] == ' ' || value[i] == '\n')) ++i;
      } else {
        if (value.substr(i, at - rest) != text.substr(rest, at - rest)) return kNowhere;
        i += at - rest;
      }
      continue;
    }
    if (text[at++] != value[i++]) return kNowhere;
  }
  return at;
}

}  // namespace

size_t text_end(std::string_view text, size_t at) {
  const char quote = text[at++];
  for (; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') ++at;
    else if (text[at] == quote && quote == '\'' && at + 1 < text.size() && text[at + 1] == quote) ++at;
    else if (text[at] == quote) return at + 1;
  }
  return kNowhere;
}

size_t line_start(std::string_view text, size_t at) {
  while (at > 0 && text[at - 1] != '\n') --at;
  return at;
}

size_t next_line(std::string_view text, size_t at) {
  const size_t newline = text.find('\n', at);
  return newline == kNowhere ? text.size() : newline + 1;
}

bool line_ends(std::string_view text, size_t at) { return text.find('\n', at) != kNowhere; }

size_t column_of(std::string_view text, size_t at) { return at - line_start(text, at); }

size_t skip_spaces(std::string_view text, size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

size_t skip_blank(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    if (is_space(text[at]) || is_break(text[at])) continue;
    if (text[at] != '#') return at;
    at = std::min(text.find('\n', at), text.size() - 1);
  }
  return at;
}

size_t skip_properties(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    while (at < text.size() && !is_space(text[at]) && !is_break(text[at]) && text[at] != ',' && text[at] != ']' &&
           text[at] != '}')
      ++at;
    at = skip_blank(text, at);
  }
  return at;
}

size_t scalar_end(std::string_view text, size_t at, std::string_view value, long parent) {
  if (at >= text.size()) return kNowhere;
  if (text[at] == '"' || text[at] == '\'') return text_end(text, at);
  if (text[at] == '|' || text[at] == '>') return block_end(text, at, parent);
  return plain_end(text, at, value);
}

size_t behind_colon(std::string_view text, size_t key_end) {
  const size_t at = skip_blank(text, key_end);
  return at < text.size() && text[at] == ':' ? at + 1 : kNowhere;
}

size_t bracket_end(std::string_view text, size_t at, char bracket) {
  at = skip_blank(text, at);
  if (at < text.size() && text[at] == ',') at = skip_blank(text, at + 1);
  return at < text.size() && text[at] == bracket ? at + 1 : kNowhere;
}

}  // namespace outrider::inject
