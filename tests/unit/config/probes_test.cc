// admin.probes, as an injector writes it.

#include "loading.h"

namespace outrider::config {
namespace {

Given variable(const std::string& json) { return {edge(), {}, {{"OUTRIDER_ADMIN__PROBES", json}}}; }

TEST(AppProbes, AreAVariableOfJson) {
  const auto d = must_load(variable(
      R"({"web":{"liveness":{"http":{"path":"/healthz","port":8080,"scheme":"http","host":"","headers":{"x-a":"b"}},"timeout":"1s"},)"
      R"("readiness":{"tcp":{"port":8080},"timeout":"1s"},"startup":{"grpc":{"port":9000,"service":""},"timeout":"1s"}},)"
      R"("log-shipper":{"pre_stop":{"http":{"port":1,"path":"a b?c=d#e","scheme":"https","headers":{"X-Said":"so: \"much\" {more}"}}}}})"));
  const auto& all = d.admin.probes;
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].container, "web");
  EXPECT_EQ(all[0].kind, Probe::Kind::Liveness);
  EXPECT_EQ(all[0].by, Probe::By::Http);
  EXPECT_EQ(all[0].path, "/healthz");
  EXPECT_EQ(all[0].port, 8080);
  EXPECT_FALSE(all[0].tls);
  EXPECT_EQ(all[0].headers, (Labels{{"x-a", "b"}}));
  EXPECT_EQ(all[1].kind, Probe::Kind::Readiness);
  EXPECT_EQ(all[1].by, Probe::By::Tcp);
  EXPECT_EQ(all[1].timeout, milliseconds(1000));
  EXPECT_EQ(all[2].kind, Probe::Kind::Startup);
  EXPECT_EQ(all[2].by, Probe::By::Grpc);
  EXPECT_EQ(all[2].port, 9000);
  EXPECT_EQ(all[2].path, "");
  EXPECT_EQ(all[3].container, "log-shipper");
  EXPECT_EQ(all[3].path, "/a%20b?c=d");
  EXPECT_TRUE(all[3].tls);
  EXPECT_EQ(all[3].headers, (Labels{{"X-Said", "so: \"much\" {more}"}}));
  EXPECT_EQ(all[3].timeout, milliseconds(30000)) << "a hook has as long as a pod";
}

TEST(AppProbes, AreAsGoodInAFile) {
  const auto d = must_load({edge("admin:\n  probes:\n    web:\n      liveness: {tcp: {port: 1}}\n")});
  ASSERT_EQ(d.admin.probes.size(), 1u);
  EXPECT_EQ(show(must_load({edge()})).find("probes"), std::string::npos);
  const auto again = must_load({show(d)});
  ASSERT_EQ(again.admin.probes.size(), 1u);
  EXPECT_EQ(again.digest, d.digest);
}

TEST(AppProbes, AMistakeNamesTheVariable) {
  const std::string where = "environment OUTRIDER_ADMIN__PROBES: error: admin.probes";
  EXPECT_EQ(said(variable(R"({"web":{"livenes":{"tcp":{"port":1}}}})")),
            where + ".web.livenes: expected liveness, readiness, startup, post_start or pre_stop (did you mean \"liveness\"?)\n");
  EXPECT_EQ(said(variable(R"({"web":{"liveness":{"tcp":{"port":0}}}})")),
            where + ".web.liveness.tcp.port: expected a number from 1 to 65535, got \"0\"\n");
  EXPECT_EQ(said(variable(R"({"web":{"liveness":{"tcp":{}}}})")),
            where + ".web.liveness.tcp.port: missing: the container's port, by number\n");
  EXPECT_EQ(said(variable(R"({"web":{"liveness":{"tcp":{"port":1},"grpc":{"port":1}}}})")),
            where + ".web.liveness: expected one of http, tcp and grpc: what is to be asked, and at which port\n");
  EXPECT_EQ(said(variable(R"({"web":{"liveness":{"exec":{"command":["true"]}}}})")).substr(0, where.size() + 18),
            where + ".web.liveness: exp");
  EXPECT_EQ(said(variable(R"({"web":{"liveness":{"http":{"port":1,"scheme":"gopher"}}}})")),
            where + ".web.liveness.http.scheme: expected http or https, got \"gopher\"\n");
  EXPECT_EQ(said(variable(R"({"web":{"liveness":{"http":{"port":1,"headers":{"a b":"c"}}}}})")),
            where + ".web.liveness.http.headers: \"a b\" is no field of a request\n");
  EXPECT_EQ(said(variable(R"({"Web":{"liveness":{"tcp":{"port":1}}}})")),
            where + ".Web: expected the name of a container (lower-case letters, digits and -)\n");
  EXPECT_EQ(said(variable(R"({"web":[]})")), where + ".web: expected a map of probes, got a list\n");
  EXPECT_NE(said(variable(R"({"web":{"liveness")")).find("environment OUTRIDER_ADMIN__PROBES: error: "), std::string::npos);
}

}  // namespace
}  // namespace outrider::config
