// Verbs that compare a configuration with a proxy that runs, or with this machine.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/json.h"
#include "tests/support/origin.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"
#include "tests/unit/identity/pki.h"

namespace outrider::test {
namespace {

struct Said {
  int code = -1;
  std::string text;
};

class ConfigVerbs : public testing::Test {
 protected:
  Said run(const std::vector<std::string>& words) {
    const std::string log = folder_.path("said");
    const int code = Program(words, log).wait();
    std::ifstream in(log);
    return {code, {std::istreambuf_iterator<char>(in), {}}};
  }
  std::string file(const std::string& name, const std::string& text) { return folder_.write(name, text); }
  std::string edge(const std::string& more = {}) const {
    return "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: web}]}\n"
           "clusters: {web: {endpoints: [\"" +
           origin_->text() +
           "\"]}}\nadmin: {address: \"127.0.0.1:0\", health: off}\n"
           "telemetry: {metrics: {address: \"127.0.0.1:0\"}}\n" +
           more;
  }
  identity::TemporaryFolder folder_;
  std::unique_ptr<Origin> origin_ = Origin::answering("fine");
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

TEST_F(ConfigVerbs, DiffSaysWhatIsDifferentAndItsExitCodeWhether) {
  const std::string one = file("one.yaml", edge()), other = file("other.yaml", edge("overload: {connections: 10}\n"));
  Said said = run({"config", "diff", one, other});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(said.text.starts_with("risk     overload: connections 20000 -> 10: one more connection is refused\n")) << said.text;
  EXPECT_TRUE(contains(said.text, "\n1 difference in effect: 1 risk\n")) << said.text;
  said = run({"config", "diff", one, file("same.yaml", "# more words\n" + edge())});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.text, "no difference in effect\n");
  said = run({"config", "diff", one, other, "--json"});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(is_json(said.text)) << said.text;
  EXPECT_TRUE(contains(said.text, "{\"severity\": \"risk\", \"kind\": \"process\", \"path\": \"overload.connections\", "))
      << said.text;
  EXPECT_EQ(run({"config", "diff", one, folder_.path("nowhere.yaml")}).code, 2);
  EXPECT_EQ(run({"config", "diff", one, file("wrong.yaml", "version: 1\nmode: egde\n")}).code, 2);
  EXPECT_EQ(run({"config", "diff"}).code, 2);
  EXPECT_EQ(run({"config", "diff", one, one}).code, 2);
  EXPECT_EQ(run({"config", "diff", one, "--admin", refusing_address().text()}).code, 2);
}

// With what it was started with besides its file, which a new file does not change.
TEST_F(ConfigVerbs, DiffWithWhatIsRunning) {
  Proxy proxy(edge(), {"overload.loop_lag=20ms"});
  const std::string admin = proxy.address("admin").text();
  Said said = run({"config", "diff", file("same.yaml", edge()), "--admin", admin});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.text, "no difference in effect\n");
  said = run({"config", "diff", "running", file("new.yaml", edge("defaults: {cluster: {timeout: 1s}}\n")), "--admin", admin});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(said.text.starts_with("risk     cluster web: timeout 15s -> 1s: slower answers will be 504\n")) << said.text;
}

TEST_F(ConfigVerbs, DebugOffLeavesHealthAlone) {
  Proxy proxy(edge(), {"admin.debug=off"});
  for (const char* page : {"/ready", "/live", "/stat", "/version"}) EXPECT_EQ(proxy.get(page).status(), 200) << page;
  for (const char* page : {"/config", "/clusters", "/services", "/route?method=GET&url=/", "/tap", "/registry"}) {
    const Message answer = proxy.get(page);
    EXPECT_EQ(answer.status(), 403) << page;
    EXPECT_TRUE(contains(answer.body, "admin.debug is off")) << answer.body;
  }
  const std::string admin = proxy.address("admin").text();
  EXPECT_EQ(run({"health", "--admin", admin}).code, 0);
  const Said said = run({"endpoints", "web", "--admin", admin});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(contains(said.text, "admin.debug is off")) << said.text;
  EXPECT_EQ(run({"config", "diff", file("same.yaml", edge()), "--admin", admin}).code, 2);
}

TEST_F(ConfigVerbs, CheckOfAProxyThatRuns) {
  Proxy proxy(edge());
  const std::string admin = proxy.address("admin").text();
  Said said = run({"check", "--admin", admin});
  EXPECT_TRUE(contains(said.text, "answers at " + admin)) << said.text;
  EXPECT_TRUE(contains(said.text, "that of the proxy that runs is valid")) << said.text;
  EXPECT_TRUE(contains(said.text, "as the proxy that runs")) << said.text;
  said = run({"check", "--json", "--admin", admin});
  EXPECT_TRUE(is_json(said.text)) << said.text;
  EXPECT_TRUE(contains(said.text, "{\"number\": 1, \"name\": \"configuration\", \"state\": \"ok\"")) << said.text;
}

TEST_F(ConfigVerbs, CheckFindsWhatIsWrongWithoutAProxy) {
  const std::string nobody = refusing_address().text();
  const std::string port = nobody.substr(nobody.rfind(':') + 1);
  const std::string bad =
      file("bad.yaml", "version: 1\nservice: {name: web, port: " + port + "}\nidentity: {dir: " + folder_.path("none") +
                           "}\nregistry: {kind: none}\n"
                           "admin: {address: \"" +
                           origin_->text() + "\", health: off}\ntelemetry: {metrics: off}\n");
  const Said said = run({"check", "-c", bad});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(contains(said.text, "admin.address (" + origin_->text() + ") is taken by ")) << said.text;
  EXPECT_TRUE(contains(said.text, folder_.path("none") + "/tls.crt: No such file or directory")) << said.text;
  EXPECT_TRUE(contains(said.text, "web does not answer at 127.0.0.1:" + port + ": Connection refused")) << said.text;
  EXPECT_EQ(run({"check", "-c", folder_.path("nowhere")}).code, 1);
  EXPECT_EQ(run({"check", "nonsense"}).code, 2);
  EXPECT_EQ(run({"check", "--admin", nobody}).code, 1);
  EXPECT_EQ(run({"check", "-c", file("good.yaml", edge())}).code, 0);
}

}  // namespace
}  // namespace outrider::test
