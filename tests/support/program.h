#pragma once
// The built program as a process of its own, which can be killed.

#include <string>
#include <vector>

#include <sys/types.h>

namespace outrider::test {

// Runs OUTRIDER_PROGRAM with these words from construction to its end; what it says goes to `log`. Killed at the latest
// with the object.
class Program {
 public:
  Program(const std::vector<std::string>& words, const std::string& log);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  pid_t pid() const { return pid_; }
  void signal(int number);
  void kill();  // SIGKILL, and it is gone when this returns
  int wait();   // its exit code, or 128 and the signal; again: the same

 private:
  pid_t pid_ = -1;
  int code_ = -1;
};

}  // namespace outrider::test
