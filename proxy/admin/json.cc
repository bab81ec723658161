#include "admin/json.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace outrider::admin {

void Json::new_line() {
  text_.push_back('\n');
  text_.append(2 * levels_.size(), ' ');
}

void Json::item() {
  if (std::exchange(after_key_, false) || levels_.empty()) return;
  Level& level = levels_.back();
  if (!std::exchange(level.empty, false)) text_ += level.one_line ? ", " : ",";
  if (!level.one_line) new_line();
}

Json& Json::open(char bracket, Shape shape) {
  item();
  const bool one_line = shape == Shape::OneLine || (!levels_.empty() && levels_.back().one_line);
  text_.push_back(bracket);
  levels_.push_back({bracket == '{' ? '}' : ']', one_line, true});
  return *this;
}

Json& Json::close() {
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.empty && !level.one_line) new_line();
  text_.push_back(level.closes);
  return *this;
}

Json& Json::key(std::string_view name) {
  item();
  append_json(text_, name);
  text_ += ": ";
  after_key_ = true;
  return *this;
}

Json& Json::value(std::string_view text) {
  item();
  append_json(text_, text);
  return *this;
}

Json& Json::value(bool truth) {
  item();
  text_ += truth ? "true" : "false";
  return *this;
}

Json& Json::value(double number) {
  if (!std::isfinite(number)) return null();
  item();
  char digits[32];
  text_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  return *this;
}

Json& Json::integer(int64_t number) {
  item();
  text_ += std::to_string(number);
  return *this;
}

Json& Json::natural(uint64_t number) {
  item();
  text_ += std::to_string(number);
  return *this;
}

Json& Json::null() {
  item();
  text_ += "null";
  return *this;
}

std::string Json::take() {
  text_.push_back('\n');
  levels_.clear();
  return std::exchange(text_, {});
}

}  // namespace outrider::admin
