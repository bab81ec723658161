#pragma once
// Whether anybody still listens where the application beside us did.

#include <string>

#include "base/time.h"

namespace outrider::server {

// Where the application is not ours to end. Asks by connecting, and hears the answer at once, or at the next look. Owned by the
// supervisor, or by AppEnd; control loop.
class AppWatch {
 public:
  static constexpr milliseconds kPace{200};
  AppWatch() = default;
  ~AppWatch();
  AppWatch(const AppWatch&) = delete;
  AppWatch& operator=(const AppWatch&) = delete;
  void look(const std::string& address);
  bool gone() const;   // by the answer to the last look: nobody listens there
  bool there() const;  // by the same: somebody does

 private:
  int fd_ = -1;
  bool refused_ = false, connected_ = false;
};

}  // namespace outrider::server
