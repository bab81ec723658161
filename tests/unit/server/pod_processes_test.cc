// Whose end is the application's, among the processes of a pod: folders as /proc has them.

#include "server/pod_processes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/sockets.h"

namespace outrider::server {
namespace {

struct Pod : testing::Test {
  void add(pid_t pid, pid_t parent, const std::string& name, char state = 'S', const std::string& line = {},
           const std::string& group = "0::/", int started = 100) {
    const std::string of = proc.file(std::to_string(pid)) + "/";
    std::filesystem::create_directories(of);
    std::ofstream(of + "stat") << pid << " (" << name << ") " << state << " " << parent
                               << " 1 1 0 -1 4194304 1 1 1 1 1 1 1 1 20 0 1 0 " << started + pid << " 1000 100\n";
    std::ofstream(of + "cmdline", std::ios::binary) << (line.empty() ? name : line) << '\0' << "--flag" << '\0';
    std::ofstream(of + "cgroup") << group << "\n";
  }
  void end(pid_t pid) { std::filesystem::remove_all(proc.file(std::to_string(pid))); }
  PodProcesses processes(pid_t self = 7) { return PodProcesses(std::filesystem::path(proc.file("x")).parent_path(), self); }
  test::TemporaryDirectory proc;
  config::Lifecycle::App any;
};

TEST_F(Pod, IsSharedWhereProcessOneIsThePodsOwn) {
  add(1, 0, "pause");
  add(7, 0, "outrider");
  EXPECT_TRUE(processes().shared());
  add(1, 0, "outrider");
  add(7, 1, "outrider");
  EXPECT_FALSE(processes().shared()) << "a container by itself, with a keeper";
  add(1, 0, "systemd");
  EXPECT_FALSE(processes().shared()) << "a machine";
  add(7, 0, "outrider");
  EXPECT_FALSE(processes().shared()) << "a command in somebody's container";
  add(1, 0, "anything", 'S', "", "0::/../sandbox");
  EXPECT_TRUE(processes().shared()) << "by its control group";
  end(1);
  EXPECT_FALSE(processes().shared());
}

TEST_F(Pod, TheApplicationIsWhatOtherContainersBeganWith) {
  add(1, 0, "pause");
  add(7, 0, "outrider");
  add(8, 7, "outrider");
  auto pod = processes(8);
  ASSERT_TRUE(pod.shared());
  EXPECT_FALSE(pod.look(any));
  EXPECT_FALSE(pod.seen());
  add(20, 1, "orphan");
  add(21, 0, "dead", 'Z');
  EXPECT_FALSE(pod.look(any));
  EXPECT_FALSE(pod.seen());
  add(22, 0, "app (of) mine");
  add(23, 22, "its child");
  EXPECT_TRUE(pod.look(any));
  EXPECT_TRUE(pod.seen());
  end(22);
  EXPECT_FALSE(pod.look(any)) << "whatever it has left behind";
  EXPECT_TRUE(pod.seen());
  add(22, 0, "app (of) mine", 'S', "", "0::/", 500);
  EXPECT_TRUE(pod.look(any)) << "started again";
  add(22, 0, "app (of) mine", 'Z', "", "0::/", 500);
  EXPECT_FALSE(pod.look(any));
}

TEST_F(Pod, CommandsInOurContainerAreNotIt) {
  add(1, 0, "pause", 'S', "", "0::/../pause");
  add(7, 0, "outrider");
  add(30, 0, "outrider", 'S', "outrider", "0::/");
  auto pod = processes();
  EXPECT_FALSE(pod.look(any));
  EXPECT_FALSE(pod.seen());
  add(31, 0, "outrider", 'S', "outrider", "0::/../app");
  EXPECT_TRUE(pod.look(any));
  add(1, 0, "pause");
  auto untold = processes();  // by groups, that is
  end(31);
  ASSERT_TRUE(untold.shared());
  EXPECT_FALSE(untold.look(any));
  EXPECT_FALSE(untold.seen()) << "whoever has our name";
}

TEST_F(Pod, NamesSayWhoIsMeantAndWhoIsNot) {
  add(1, 0, "pause");
  add(7, 0, "outrider");
  add(20, 0, "pilot-agent", 'S', "/usr/local/bin/pilot-agent");
  add(21, 0, "ruby", 'S', "/usr/bin/fluentd");
  auto pod = processes();
  config::Lifecycle::App which;
  which.ignore = {"pilot-agent", "fluentd"};
  EXPECT_FALSE(pod.look(which));
  EXPECT_FALSE(pod.seen());
  add(22, 0, "a-very-long-nam", 'S', "/bin/a-very-long-name-indeed");
  EXPECT_TRUE(pod.look(which));
  which = {};
  which.process = {"a-very-long-name-indeed"};
  auto named = processes();
  EXPECT_TRUE(named.look(which));
  end(22);
  EXPECT_FALSE(named.look(which));
  which.process = {"worker"};
  auto other = processes();
  EXPECT_FALSE(other.look(which));
  EXPECT_FALSE(other.seen());
  EXPECT_TRUE(other.others() == "pilot-agent, ruby" || other.others() == "ruby, pilot-agent") << other.others();
}

// For a moment a container's first process is the runtime's.
TEST_F(Pod, WhoIsAboutToStartIsNotYetAnybody) {
  add(1, 0, "pause");
  add(7, 0, "outrider");
  config::Lifecycle::App which;
  which.ignore = {"pilot-agent"};
  auto pod = processes();
  add(20, 0, "runc:[2:INIT]");
  EXPECT_TRUE(pod.look(which));
  EXPECT_FALSE(pod.seen());
  add(20, 0, "pilot-agent");
  EXPECT_FALSE(pod.look(which));
  EXPECT_FALSE(pod.seen()) << "one that is left out";
  add(21, 0, "runc:[2:INIT]");
  EXPECT_TRUE(pod.look(which));
  EXPECT_FALSE(pod.seen());
  end(21);
  EXPECT_FALSE(pod.look(which));
  EXPECT_TRUE(pod.seen()) << "one that took less time than a look";
}

TEST_F(Pod, WhatIsNoProcessIsNone) {
  add(1, 0, "pause");
  add(7, 0, "outrider");
  std::filesystem::create_directories(proc.file("20"));
  std::ofstream(proc.file("20") + "/stat") << "20 (cut short";
  std::filesystem::create_directories(proc.file("21"));
  std::ofstream(proc.file("21") + "/stat") << "21 (few) S 0 1";
  std::filesystem::create_directories(proc.file("sys"));
  auto pod = processes();
  EXPECT_FALSE(pod.look(any));
  EXPECT_FALSE(pod.seen());
}

}  // namespace
}  // namespace outrider::server
