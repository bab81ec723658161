#pragma once
// What this folder needs of a client of HTTP, which is on a floor above.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"

namespace outrider::discovery {

class ApiEvents {
 public:
  virtual void on_head(uint16_t status, milliseconds retry_after) = 0;  // 0: it did not say when to come again
  virtual void on_body(std::string_view bytes) = 0;
  // Once, last. `failure` is null where the answer has come to its end; else lookup, connection, tls or token.
  virtual void on_over(const char* failure, const std::string& why) = 0;

 protected:
  ~ApiEvents() = default;
};

// A question under way. Owned by whoever asked; its end takes it back, and no event follows.
class ApiCall {
 public:
  virtual ~ApiCall() = default;
};

// The API server: GET alone. Implemented by the server; control loop.
class Api {
 public:
  virtual std::unique_ptr<ApiCall> get(const std::string& path, ApiEvents& events) = 0;  // events never come from inside
  virtual bool has_other_token() = 0;                                                    // than the one that was last shown

 protected:
  ~Api() = default;
};

}  // namespace outrider::discovery
