#pragma once
// Columns of text for a terminal.

#include <string>
#include <vector>

namespace outrider::server {

// The first row is the heading. Columns are as wide as their widest cell, numbers to the right; nothing is drawn around
// them.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string text() const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      for (size_t i = 0; i < row.size(); ++i) {
        const size_t room = widths[i] - row[i].size();
        if (of_numbers(i)) out.append(room, ' ').append(row[i]);
        else out.append(row[i]).append(i + 1 < row.size() ? room : 0, ' ');
        if (i + 1 < row.size()) out += "  ";
      }
      out += "\n";
    }
    return out;
  }

 private:
  // Every cell is a number, with or without a unit, or "-"; and one is.
  bool of_numbers(size_t column) const {
    size_t numbers = 0;
    for (size_t row = 1; row < rows_.size(); ++row) {
      const std::string& cell = rows_[row][column];
      if (cell == "-") continue;
      if (cell.empty() || cell[0] < '0' || cell[0] > '9' || cell.find(':') != cell.npos) return false;
      ++numbers;
    }
    return numbers > 0;
  }
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace outrider::server
