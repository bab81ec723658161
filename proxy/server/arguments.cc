#include "server/arguments.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::server {

namespace {

const Flag* find(std::span<const Flag> flags, std::string_view name) {
  for (const Flag& flag : flags)
    if (flag.name == name || (!flag.shorthand.empty() && flag.shorthand == name)) return &flag;
  return nullptr;
}

std::string unknown(std::span<const Flag> flags, std::string_view name) {
  std::string text = "unknown option " + std::string(name);
  const Flag* nearest = nullptr;
  size_t distance = 4;
  for (const Flag& flag : flags)
    if (const size_t d = edit_distance(flag.name, name, 3); d < distance) nearest = &flag, distance = d;
  if (nearest) text += " (did you mean " + std::string(nearest->name) + "?)";
  return text;
}

}  // namespace

Arguments Arguments::parse(std::span<const std::string> words, std::span<const Flag> flags, std::string& error) {
  Arguments result;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      result.behind_.assign(words.begin() + ptrdiff_t(i) + 1, words.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      result.words_.push_back(word);
      continue;
    }
    const size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const auto name = std::string_view(word).substr(0, equals);
    const Flag* flag = find(flags, name);
    if (!flag) {
      error = unknown(flags, name);
      return result;
    }
    std::string value;
    if (flag->value.empty() && equals != std::string::npos) {
      error = std::string(name) + " takes no value";
      return result;
    }
    if (!flag->value.empty()) {
      if (equals != std::string::npos) value = word.substr(equals + 1);
      else if (i + 1 < words.size() && !words[i + 1].starts_with("--")) value = words[++i];
      else {
        error = std::string(name) + " needs a value: " + std::string(flag->value);
        return result;
      }
    }
    result.flags_.emplace_back(flag->name, std::move(value));
  }
  return result;
}

bool Arguments::has(std::string_view flag) const {
  return std::any_of(flags_.begin(), flags_.end(), [&](const auto& one) { return one.first == flag; });
}

std::string Arguments::value(std::string_view flag, std::string_view otherwise) const {
  std::string found(otherwise);
  for (const auto& [name, value] : flags_)
    if (name == flag) found = value;
  return found;
}

std::vector<std::string> Arguments::values(std::string_view flag) const {
  std::vector<std::string> found;
  for (const auto& [name, value] : flags_)
    if (name == flag) found.push_back(value);
  return found;
}

}  // namespace outrider::server
