// The built program, as somebody meets it who has just installed it: an empty home, no configuration, many mistakes.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "server/verb.h"
#include "tests/support/json.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

struct Ended {
  int code = -1;  // 128 + the signal when one ended it
  std::string out, err;
};

class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    char name[] = "/tmp/outrider-home-XXXXXX";
    home_ = mkdtemp(name);
  }
  ~CommandLine() override { std::system(("rm -rf " + home_).c_str()); }

  std::string file(const std::string& text) {
    const std::string path = home_ + "/outrider.yaml";
    std::ofstream(path) << text;
    return path;
  }

  // Runs it to its end; what takes longer than a hang is killed, and its code says so.
  Ended run(std::vector<std::string> words, const std::string& input = {}) {
    int in[2], out[2], err[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    words.insert(words.begin(), OUTRIDER_PROGRAM);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::string home = "HOME=" + home_, path = "PATH=/usr/bin:/bin";
    char* environment[] = {home.data(), path.data(), nullptr};
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      dup2(err[1], 2);
      execve(argv[0], argv.data(), environment);
      _exit(127);
    }
    for (int fd : {in[0], out[1], err[1]}) close(fd);
    EXPECT_EQ(write(in[1], input.data(), input.size()), ssize_t(input.size()));
    close(in[1]);
    Ended ended;
    collect(out[0], err[0], ended, pid);
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ended;
  }

  std::string home_;

 private:
  static void collect(int out, int err, Ended& ended, pid_t pid) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    pollfd waiting[] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
    std::string* texts[] = {&ended.out, &ended.err};
    for (int open = 2; open > 0;) {
      if (std::chrono::steady_clock::now() > limit) kill(pid, SIGKILL);
      poll(waiting, 2, 1000);
      for (int i = 0; i < 2; ++i) {
        if (waiting[i].fd < 0 || !waiting[i].revents) continue;
        char part[4096];
        const ssize_t n = read(waiting[i].fd, part, sizeof part);
        if (n > 0) {
          texts[i]->append(part, size_t(n));
          continue;
        }
        close(waiting[i].fd);
        waiting[i].fd = -1;
        --open;
      }
    }
  }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

const std::vector<std::string> kQuiet{
    "--set", "admin.address=off", "--set", "admin.health=off", "--set", "telemetry.metrics.address=off"};

std::vector<std::string> quiet(std::vector<std::string> words, const std::vector<std::string>& behind = {}) {
  words.insert(words.end(), kQuiet.begin(), kQuiet.end());
  words.insert(words.end(), behind.begin(), behind.end());
  return words;
}

TEST_F(CommandLine, NothingIsAnsweredWithWhatThereIs) {
  const Ended ended = run({});
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.err, "outrider run --listen :8080 --to")) << ended.err;
  EXPECT_EQ(ended.out, "");
  for (const char* asked : {"--help", "-h", "help"}) {
    const Ended help = run({asked});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.out, ended.err);
  }
}

TEST_F(CommandLine, EveryVerbHasHelpWithAnExample) {
  for (const server::Verb& verb : server::all_verbs()) {
    std::vector<std::string> words;
    std::string name(verb.name);
    if (const size_t space = name.find(' '); space != name.npos) words = {name.substr(0, space), name.substr(space + 1)};
    else words = {name};
    auto asked = words;
    asked.push_back("--help");
    const Ended ended = run(asked);
    EXPECT_EQ(ended.code, 0) << name;
    EXPECT_TRUE(ended.out.starts_with("usage: outrider " + name)) << ended.out;
    EXPECT_TRUE(contains(ended.out, "\n  outrider " + name)) << "no example: " << ended.out;
    for (const server::Flag& flag : verb.flags) EXPECT_FALSE(flag.about.empty()) << name << " " << flag.name;
    words.insert(words.begin(), "help");
    EXPECT_EQ(run(words).out, ended.out);
  }
}

TEST_F(CommandLine, AGroupSaysWhatIsUnderIt) {
  EXPECT_EQ(run({"config"}).code, 2);
  EXPECT_TRUE(contains(run({"config"}).err, "outrider config validate FILE"));
  for (const auto& words : {std::vector<std::string>{"config", "--help"}, {"help", "config"}}) {
    EXPECT_EQ(run(words).code, 0);
    EXPECT_TRUE(contains(run(words).out, "outrider config show"));
  }
}

struct Wrong {
  std::vector<std::string> words;
  const char* first_line;
};

TEST_F(CommandLine, WrongUseIsExitTwoAndSaysWhatWasMeant) {
  const Wrong all[] = {
      {{"rnu"}, "outrider: unknown verb \"rnu\" (did you mean \"run\"?)"},
      {{"help", "rnu"}, "outrider: unknown verb \"rnu\" (did you mean \"run\"?)"},
      {{"config", "shwo"}, "outrider: unknown verb \"config shwo\" (did you mean \"config show\"?)"},
      {{"--listen", ":80"}, "outrider: a verb comes first: outrider run --listen ..."},
      {{"run", "--lsiten", ":1"}, "outrider run: unknown option --lsiten (did you mean --listen?)"},
      {{"run", "--listen"}, "outrider run: --listen needs a value: ADDRESS"},
      {{"run", "--listen", "--to", "x"}, "outrider run: --listen needs a value: ADDRESS"},
      {{"run", "--listen", ":80"}, "outrider run: --listen and --to go together"},
      {{"run", "app"}, "outrider run: \"app\" is not expected here (a command goes behind --)"},
      {{"dht", "app"}, "outrider dht: \"app\" is not expected here"},
      {{"dht", "--", "app"}, "outrider dht: \"--\" is not expected here"},
      {{"services", "--json=yes"}, "outrider services: --json takes no value"},
      {{"services", "web"}, "outrider services: \"web\" is not expected here"},
      {{"endpoints"}, "outrider endpoints: which service?"},
      {{"stat", "a", "b"}, "outrider stat: \"b\" is not expected here"},
      {{"services", "--admin", "nonsense"}, "outrider services: \"nonsense\" is no address: host:port or unix:/path"},
      {{"config", "validate"}, "outrider config validate: which file?"},
      {{"config", "validate", "a", "-c", "b"}, "outrider config validate: one file: a or -c b"},
      {{"identity", "dev-ca"}, "outrider identity dev-ca: which folder?"},
      {{"identity", "issue"}, "outrider identity issue: --ca is missing"},
      {{"identity", "mesh-key"}, "outrider identity mesh-key: which file?"},
      {{"identity", "show"}, "outrider identity show: which folder?"},
      {{"run"}, "command line: error: nothing to do: no service and no listeners"},
      {{"run", "-c", "/nowhere.yaml"}, "/nowhere.yaml: error: cannot be read: No such file or directory"},
      {{"config", "validate", "/nowhere.yaml"}, "/nowhere.yaml: error: cannot be read: No such file or directory"},
      {{"config", "validate", "/tmp"}, "/tmp: error: cannot be read: is a folder"},
  };
  for (const Wrong& each : all) {
    const Ended ended = run(each.words);
    EXPECT_EQ(ended.code, 2) << each.first_line;
    EXPECT_EQ(ended.err.substr(0, ended.err.find('\n')), each.first_line);
    EXPECT_EQ(ended.out, "");
  }
}

TEST_F(CommandLine, ValidateIsSilentAboutAGoodFile) {
  const std::string good = file("version: 1\nservice: {name: web, port: 1}\nregistry: {bootstrap: [\"seed:4222\"]}\n");
  const Ended ended = run({"config", "validate", good});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out + ended.err, "");
  EXPECT_EQ(run({"config", "validate", good, "--json"}).out, "[]\n");
}

TEST_F(CommandLine, ValidateReportsEveryMistakeWithItsLine) {
  const std::string bad = file("version: 1\nmode: egde\nservice: {name: web, port: 0}\n");
  const std::string complaints = bad + ":2:7: error: mode: expected sidecar or edge, got \"egde\" (did you mean \"edge\"?)\n" +
                                 bad + ":3:28: error: service.port: expected a number from 1 to 65535, got \"0\"\n";
  Ended ended = run({"config", "validate", bad});
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.err, complaints);
  EXPECT_EQ(run({"run", "-c", bad}).err, complaints);
  ended = run({"config", "validate", bad, "--json"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.err, "");
  EXPECT_TRUE(is_json(ended.out)) << ended.out;
  EXPECT_TRUE(contains(ended.out, "\"line\": 3, \"column\": 28")) << ended.out;
}

TEST_F(CommandLine, ADashIsStandardInput) {
  EXPECT_EQ(
      run({"config", "validate", "-"}, "version: 1\nlisteners: {e: {address: \":0\"}}\nroutes: {e: [{respond: {}}]}\n").code, 0);
  const Ended ended = run({"config", "validate", "-"}, "a: [\n");
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(ended.err.starts_with("stdin:")) << ended.err;
}

TEST_F(CommandLine, ShowSaysWhatAOneLineFormStandsFor) {
  const std::vector<std::string> words{"config", "show", "--listen", ":8080", "--to", "127.0.0.1:9001", "--origin"};
  const Ended ended = run(words);
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(contains(ended.out, "# --to 127.0.0.1:9001\n")) << ended.out;
  const Ended again = run({"config", "validate", "-"}, ended.out);
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.err, "");
}

TEST_F(CommandLine, APortInUseIsNamedWithItsKey) {
  const auto taken = Origin::answering("x");
  Ended ended = run(quiet({"run", "--listen", taken->text(), "--to", "127.0.0.1:9"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.err,
                       "outrider run: listeners.edge.address: cannot listen on " + taken->text() + ": Address already in use\n"))
      << ended.err;
  ended = run(quiet({"run", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9"}, {"--set", "admin.address=" + taken->text()}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.err, "outrider run: admin.address: cannot listen on " + taken->text())) << ended.err;
}

TEST_F(CommandLine, RunPassesOnTheExitCodeOfItsApp) {
  const auto words = [](const char* script) {
    return quiet({"run", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9", "--set", "lifecycle.drain.delay=0"},
                 {"--", "sh", "-c", script});
  };
  EXPECT_EQ(run(words("exit 7")).code, 7);
  const Ended ended = run(words("echo said; exit 0"));
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(contains(ended.out, "said\n"));
  EXPECT_EQ(run(quiet({"run", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9"}, {"--", "/nowhere/app"})).code, 2);
}

TEST_F(CommandLine, ReadVerbsSpeakJsonToo) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  request(proxy.address(), "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
  const std::string admin = proxy.address("admin").text();
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"services"}, {"endpoints", "web"}, {"stat"}, {"stat", "web"}, {"health"}}) {
    auto words = verb;
    words.insert(words.end(), {"--admin", admin});
    const Ended text = run(words);
    EXPECT_EQ(text.code, 0) << verb[0] << text.err;
    EXPECT_FALSE(is_json(text.out)) << text.out;
    words.push_back("--json");
    const Ended json = run(words);
    EXPECT_EQ(json.code, 0) << verb[0] << json.err;
    EXPECT_TRUE(is_json(json.out)) << verb[0] << json.out;
  }
  for (const char* verb : {"endpoints", "stat"}) EXPECT_EQ(run({verb, "nosuch", "--admin", admin}).code, 1) << verb;
  EXPECT_TRUE(is_json(run({"version", "--json"}).out));
  EXPECT_TRUE(is_json(run({"config", "show", "--listen", ":1", "--to", "127.0.0.1:9", "--json"}).out));
}

TEST_F(CommandLine, AProxyThatIsNotThereIsSaid) {
  const std::string nobody = refusing_address().text();
  for (const char* verb : {"services", "stat", "health"}) {
    const Ended ended = run({verb, "--admin", nobody});
    EXPECT_NE(ended.code, 0);
    EXPECT_TRUE(contains(ended.err, "nobody answers at " + nobody)) << ended.err;
  }
}

TEST_F(CommandLine, AThrowAwayIdentityIsMadeAndShown) {
  const std::string ca = home_ + "/ca", web = home_ + "/web", key = home_ + "/mesh.key";
  EXPECT_EQ(run({"identity", "dev-ca", ca}).code, 0);
  EXPECT_EQ(run({"identity", "issue", "--ca", ca, "--id", "spiffe://mesh.local/ns/default/sa/web", "--out", web}).code, 0);
  EXPECT_EQ(run({"identity", "mesh-key", key}).code, 0);
  const Ended shown = run({"identity", "show", web});
  EXPECT_EQ(shown.code, 0);
  EXPECT_TRUE(contains(shown.out, "spiffe://mesh.local/ns/default/sa/web")) << shown.out;
  EXPECT_TRUE(is_json(run({"identity", "show", web, "--json"}).out));
  EXPECT_EQ(run({"identity", "show", home_ + "/nothing"}).code, 2);
}

}  // namespace
}  // namespace outrider::test
