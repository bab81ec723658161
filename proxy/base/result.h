#pragma once
// What went wrong, whose fault it was, and whether trying again is safe.

#include <cstdint>
#include <optional>
#include <utility>

namespace outrider {

enum class Code : uint8_t {
  Closed,
  Timeout,
  Refused,
  Unreachable,
  Tls,
  Protocol,
  TooLarge,
  Denied,
  NoRoute,
  NoEndpoint,
  Overload,
  Canceled,
  Config,
  Internal,
};
enum class Side : uint8_t { Local, Downstream, Upstream };
enum class Retry : uint8_t { No, Yes, IfReused };  // IfReused: only when the connection had served before

// Small, trivially copyable, never allocates. `what` always points at a string literal: a closed set, fit for a
// metric label or a header value.
struct Error {
  Code code = Code::Internal;
  Side side = Side::Local;
  Retry retry = Retry::No;
  int os_error = 0;
  const char* what = "";
  uint16_t status = 0;  // the HTTP status a server answers it with; 0: decided by code and side
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(error) {}
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_{};
};

struct Done {};  // Result<Done> for "it worked, nothing to say"

}  // namespace outrider
