#include "tests/support/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace outrider::test {

Program::Program(const std::vector<std::string>& words, const std::string& log) {
  std::vector<std::string> all{OUTRIDER_PROGRAM};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (auto& word : all) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  const int failed = ::posix_spawn(&pid_, OUTRIDER_PROGRAM, &files, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  EXPECT_EQ(failed, 0) << OUTRIDER_PROGRAM;
  if (failed) pid_ = -1;
}

Program::~Program() { kill(); }

void Program::signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

void Program::kill() {
  signal(SIGKILL);
  wait();
}

int Program::wait() {
  if (pid_ <= 0) return code_;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace outrider::test
