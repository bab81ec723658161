#pragma once
// Writes JSON for people: indented by two, and small objects on one line. Cold paths only.

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace outrider::admin {

// `Json json; json.object(); json.key("name").value("web"); json.close(); reply(json.take());` What is opened inside a
// one-line container is on that line too. A plain value; the text is complete when everything opened is closed.
class Json {
 public:
  enum class Shape : uint8_t { Lines, OneLine };
  Json& object(Shape shape = Shape::Lines) { return open('{', shape); }
  Json& array(Shape shape = Shape::Lines) { return open('[', shape); }
  Json& close();  // the innermost
  Json& key(std::string_view name);
  Json& value(std::string_view text);
  Json& value(const char* text) { return value(std::string_view(text)); }
  Json& value(bool truth);
  Json& value(double number);  // the shortest that reads back the same; null when not finite
  template <class T>
  requires std::is_integral_v<T> Json& value(T number) {
    return std::is_signed_v<T> ? integer(int64_t(number)) : natural(uint64_t(number));
  }
  Json& null();
  template <class T>
  Json& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  const std::string& text() const { return text_; }
  std::string take();  // with a line end; the writer is empty again

 private:
  struct Level {
    char closes;
    bool one_line, empty;
  };
  Json& open(char bracket, Shape shape);
  Json& integer(int64_t number);
  Json& natural(uint64_t number);
  void item();  // what stands before a key or an array's value
  void new_line();
  std::string text_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace outrider::admin
