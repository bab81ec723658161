// The README lists every key, and nothing else; the examples are good.

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/text.h"
#include "config/parse.h"
#include "loading.h"

namespace outrider::config {
namespace {

const std::string kFolder = std::string(OUTRIDER_SOURCE_DIR) + "/config/";

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Rows "| `key` | type | `default` | ..." by key.
std::map<std::string, std::pair<std::string, std::string>> rows() {
  const auto plain = [](std::string_view cell) {
    cell = trim(cell);
    if (cell.starts_with('`') && cell.ends_with('`') && cell.size() > 1) cell = cell.substr(1, cell.size() - 2);
    return std::string(cell);
  };
  std::map<std::string, std::pair<std::string, std::string>> out;
  std::istringstream lines(read(kFolder + "README.md"));
  bool keys = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) keys = line == "## Keys";
    const auto cells = split(line, '|');
    if (!keys || !line.starts_with("| `") || cells.size() <= 4) continue;
    EXPECT_TRUE(out.emplace(plain(cells[1]), std::pair(plain(cells[2]), plain(cells[3]))).second) << "twice: " << cells[1];
  }
  return out;
}

TEST(Readme, ListsEveryKeyThatIsReadWithItsTypeAndDefault) {
  auto found = rows();
  for (const Key& key : all_keys()) {
    if (!key.supported) continue;
    ASSERT_TRUE(found.contains(key.path)) << key.path << " is not in config/README.md";
    EXPECT_EQ(found[key.path].first, key.type) << key.path;
    EXPECT_EQ(found[key.path].second, key.standard) << key.path;
    found.erase(key.path);
  }
  for (const auto& row : found) ADD_FAILURE() << row.first << " is in config/README.md and not read";
}

TEST(Readme, TheExamplesAreGoodWithoutAWarning) {
  size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder + "examples")) {
    const Given given{read(entry.path())};
    EXPECT_EQ(said(given), "") << entry.path();
    must_load(given);
    ++seen;
  }
  EXPECT_EQ(seen, 5u);
}

}  // namespace
}  // namespace outrider::config
