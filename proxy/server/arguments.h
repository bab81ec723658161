#pragma once
// Words of a command line, sorted into flags, plain words and what stands behind `--`.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrider::server {

struct Flag {
  std::string_view name;            // "--config"
  std::string_view value;           // what to call its value in help: "FILE"; empty: a switch without one
  std::string_view about;           // for help
  std::string_view shorthand = {};  // "-c"
};

// A plain value; lives as long as the words it was made of are not needed elsewhere.
class Arguments {
 public:
  // Takes "--flag value", "--flag=value" and "-f value". `error` is set when a flag is unknown or lacks its value.
  static Arguments parse(std::span<const std::string> words, std::span<const Flag> flags, std::string& error);
  bool has(std::string_view flag) const;
  std::string value(std::string_view flag, std::string_view otherwise = {}) const;  // the last one given
  std::vector<std::string> values(std::string_view flag) const;                     // all, in order
  const std::vector<std::string>& words() const { return words_; }
  const std::vector<std::string>& behind() const { return behind_; }

 private:
  std::vector<std::pair<std::string, std::string>> flags_;
  std::vector<std::string> words_, behind_;
};

}  // namespace outrider::server
