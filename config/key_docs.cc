#include "config/key_docs.h"

#include <map>

#include "base/text.h"

namespace outrider::config {

namespace {

std::string plain(std::string_view cell) {
  cell = trim(cell);
  if (cell.size() > 1 && cell.front() == '`' && cell.back() == '`') cell = cell.substr(1, cell.size() - 2);
  return std::string(cell);
}

// "| `key` | type | `default` | range | what it does | `example` |"
std::map<std::string, KeyDoc, std::less<>> read_rows() {
  constexpr size_t kCells = 8;
  std::map<std::string, KeyDoc, std::less<>> rows;
  bool keys = false;
  for (const std::string_view line : readme_lines()) {
    if (line.starts_with("## ")) keys = line == "## Keys";
    if (!keys || !line.starts_with("| `")) continue;
    const auto cells = split(line, '|');
    if (cells.size() == kCells) rows[plain(cells[1])] = {plain(cells[4]), std::string(trim(cells[5])), plain(cells[6])};
  }
  return rows;
}

}  // namespace

KeyDoc doc_of(std::string_view path) {
  static const auto kRows = read_rows();
  const auto found = kRows.find(path);
  return found == kRows.end() ? KeyDoc() : found->second;
}

}  // namespace outrider::config
