#pragma once
// What the control side returns when a person reads the reason: which file, and why. Error (base/result.h) stays the
// word of the data path, whose reasons are a closed set.

#include <optional>
#include <string>
#include <utility>

namespace outrider::identity {

struct Failure {
  std::string why;  // "FILE: reason", fit to follow "error: "
};

template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : value_(std::move(value)) {}
  Outcome(Failure failure) : why_(std::move(failure.why)) {}
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const std::string& why() const { return why_; }
  Failure failure() const { return {why_}; }

 private:
  std::optional<T> value_;
  std::string why_;
};

}  // namespace outrider::identity
