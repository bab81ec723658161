// What becomes of HTTPRoutes and GRPCRoutes: each field, each complaint with its place, and the order of rules.

#include <algorithm>

#include "config/gateway_api/hostnames.h"
#include "loading.h"

namespace outrider::config {
namespace {

// Listeners http (port 8080) and https (8443), outbound; clusters of the namespaces default and shop.
const std::string kConfig =
    "version: 1\nmode: edge\nregistry: {kind: none}\n"
    "listeners:\n"
    "  http: {address: \":8080\"}\n"
    "  https: {address: \":8443\", tls: {cert: tls.crt, key: tls.key}}\n"
    "  mesh: {address: \"127.0.0.1:15001\", direction: outbound}\n"
    "routes: {https: [{name: own, match: {prefix: /own}, cluster: web}], mesh: [{match: {host: x}, cluster: web}]}\n"
    "clusters:\n"
    "  web: {endpoints: [\"127.0.0.1:9001\"]}\n"
    "  other: {endpoints: [\"127.0.0.1:9002\"]}\n"
    "  shop/cart: {endpoints: [\"127.0.0.1:9003\"]}\n"
    "routes_from: [{gateway_api: routes.yaml}]\n";

Outcome loaded(const std::string& routes, const std::string& config = kConfig) {
  Sources sources = sources_of({config});
  sources.included = std::vector<Included>{{"routes.yaml", routes}};
  return load(sources);
}

// What was said of the routes alone.
std::string said_of(const std::string& routes, const std::string& config = kConfig) {
  auto complaints = loaded(routes, config).complaints;
  std::erase_if(complaints, [](const Complaint& one) { return one.file != "routes.yaml"; });
  return print(complaints);
}

// On one line, without what nobody wrote.
std::string flow(const Node& node) {
  if (node.is_scalar()) return quote(node.text());
  std::string out;
  for (const Node& item : node.items()) out += (out.empty() ? "" : ", ") + flow(item);
  if (node.is_list()) return node.size() == 1 ? out : "[" + out + "]";
  for (const auto& [key, mark, value] : node.entries()) {
    if (value.origin().kind != Origin::Kind::File) continue;
    const std::string text = flow(value);
    if (value.is_map() && text == "{}" && key != "grpc") continue;
    out += (out.empty() ? "" : ", ") + quote(key) + ": " + text;
  }
  return "{" + out + "}";
}

// The rules of a table that were read from routes.yaml, one a line.
std::string rules(const Outcome& outcome, const char* table = "http") {
  if (!outcome.document) return print(outcome.complaints);
  std::string out;
  const Node* found = outcome.document->effective.find("routes")->find(table);
  for (const Node& rule : found ? found->items() : std::vector<Node>())
    if (rule.find("name")->origin().name == "routes.yaml") out += (out.empty() ? "" : "\n") + flow(rule);
  return out;
}

std::string names(const Outcome& outcome, const char* listener = "http") {
  if (!outcome.document) return print(outcome.complaints);
  std::string out;
  for (const Listener& one : outcome.document->listeners)
    for (const config::Route& route : one.routes)
      if (one.name == listener && route.where.file == "routes.yaml") out += (out.empty() ? "" : " ") + route.name;
  return out;
}

std::string object(const std::string& kind, const std::string& metadata, const std::string& spec) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec: {" + spec +
         "}\n---\n";
}

std::string route(const std::string& spec, const std::string& name = "r", const std::string& more = "") {
  return object("HTTPRoute", "name: " + name + more, "parentRefs: [{name: gw, sectionName: http}], " + spec);
}

std::string with_rule(const std::string& rule) { return route("rules: [{" + rule + "}]"); }
std::string grpc_rule(const std::string& rule) {
  return object("GRPCRoute", "name: r", "parentRefs: [{name: gw, sectionName: http}], rules: [{" + rule + "}]");
}

const std::string kWeb = "backendRefs: [{name: web, port: 80}]";

struct Row {
  std::string rule, becomes;
};

void expect_rows(const std::vector<Row>& rows, std::string (*around)(const std::string&)) {
  for (const Row& row : rows) {
    const auto outcome = loaded(around(row.rule));
    EXPECT_EQ(rules(outcome), row.becomes) << row.rule;
  }
}

TEST(GatewayApi, EveryMatchBecomesOneOfOurs) {
  const std::string name = "{name: default/r/0, match: {", end = "}, cluster: web}";
  const auto becomes = [&](const std::string& match) { return name + match + end; };
  const auto matching = [](const std::string& match) { return "matches: [{" + match + "}], " + kWeb; };
  expect_rows(
      {{kWeb, becomes("prefix: /")},
       {matching(""), becomes("prefix: /")},
       {matching("path: {value: /a}"), becomes("prefix: /a")},
       {matching("path: {type: PathPrefix}"), becomes("prefix: /")},
       {matching("path: {type: Exact, value: /a/}"), becomes("path: /a/")},
       {matching("path: {type: RegularExpression, value: \"/v[0-9]+\"}"), becomes("regex: \"/v[0-9]+\"")},
       {matching("method: GET"), becomes("prefix: /, method: GET")},
       {matching("headers: [{name: X-A, value: \"1\"}, {type: RegularExpression, name: b, value: \"x.*\"}]"),
        becomes("prefix: /, header: {X-A: 1, b: {regex: \"x.*\"}}")},
       {matching("queryParams: [{name: q, value: a b}, {name: r, type: RegularExpression, value: \"[0-9]\"}]"),
        becomes("prefix: /, query: {q: \"a b\", r: {regex: \"[0-9]\"}}")},
       {matching(
            "path: {type: Exact, value: /a}, method: POST, headers: [{name: x, value: z}], queryParams: [{name: q, value: z}]"),
        becomes("path: /a, method: POST, header: {x: z}, query: {q: z}")}},
      with_rule);
  EXPECT_EQ(rules(loaded(route("hostnames: [A.test, \"*.b.test\", c.test], rules: [{" + kWeb + "}]"))),
            "{name: default/r/0/0, match: {host: [a.test, c.test], prefix: /}, cluster: web}\n"
            "{name: default/r/0/1, match: {host: \"*.b.test\", prefix: /}, cluster: web}");
  EXPECT_EQ(rules(loaded(with_rule("matches: [{path: {value: /a}}, {path: {value: /b}}], " + kWeb))),
            "{name: default/r/0/0, match: {prefix: /a}, cluster: web}\n{name: default/r/0/1, match: {prefix: /b}, cluster: web}");
  EXPECT_EQ(rules(loaded(with_rule("name: start, " + kWeb))), "{name: default/r/start, match: {prefix: /}, cluster: web}");
}

TEST(GatewayApi, EveryGrpcMatchBecomesOneOfOurs) {
  const auto becomes = [&](const std::string& match) { return "{name: grpc/default/r/0, match: {" + match + "}, cluster: web}"; };
  const auto matching = [](const std::string& match) { return "matches: [{" + match + "}], " + kWeb; };
  expect_rows(
      {{kWeb, becomes("grpc: {}")},
       {matching("method: {service: shop.Cart}"), becomes("grpc: {service: shop.Cart}")},
       {matching("method: {type: Exact, service: shop.Cart, method: Add}"), becomes("grpc: {service: shop.Cart, method: Add}")},
       {matching("method: {method: Add}"), becomes("regex: \"/[^/]+/Add\", grpc: {}")},
       {matching("method: {type: RegularExpression, service: \"shop[.].*\", method: \"Get|List\"}"),
        becomes("regex: \"/(?:shop[.].*)/(?:Get|List)\", grpc: {}")},
       {matching("method: {type: RegularExpression, service: a}"), becomes("regex: \"/(?:a)/[^/]+\", grpc: {}")},
       {matching("headers: [{name: x, value: z}]"), becomes("header: {x: z}, grpc: {}")},
       {"filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}}], " + kWeb,
        "{name: grpc/default/r/0, match: {grpc: {}}, cluster: web, filters: {headers: {request: {remove: a}}}}"},
       {"backendRefs: [{name: web, port: 1, weight: 0}]",
        "{name: grpc/default/r/0, match: {grpc: {}}, respond: {status: 503, body: \"There is no backend for this.\\n\"}}"}},
      grpc_rule);
}

TEST(GatewayApi, EveryFilterBecomesOneOfOurs) {
  const auto filter = [](const std::string& text) { return "filters: [{type: " + text + "}], " + kWeb; };
  const auto alone = [](const std::string& text) { return "filters: [{type: " + text + "}]"; };
  const auto list = [](const std::string& text) {
    return "{name: default/r/0, match: {prefix: /}, cluster: web, filters: {" + text + "}}";
  };
  const auto redirect = [](const std::string& text) {
    return "{name: default/r/0, match: {prefix: /}, redirect: {" + text + "}}";
  };
  const auto rewrite = [](const std::string& text) {
    return "{name: default/r/0, match: {prefix: /}, cluster: web, rewrite: {" + text + "}}";
  };
  expect_rows(
      {{filter(
            "RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], add: [{name: c, value: \"d e\"}], remove: [f, g]}"),
        list("headers: {request: {set: {a: b}, add: {c: \"d e\"}, remove: [f, g]}}")},
       {filter("ResponseHeaderModifier, responseHeaderModifier: {set: [{name: strict-transport-security, value: max-age=60}]}"),
        list("headers: {response: {set: {strict-transport-security: \"max-age=60\"}}}")},
       {filter("RequestMirror, requestMirror: {backendRef: {name: other, port: 80}}"), list("mirror: {cluster: other}")},
       {filter("RequestMirror, requestMirror: {backendRef: {name: other, port: 80}, percent: 5}"),
        list("mirror: {cluster: other, percent: 5%}")},
       {filter("RequestMirror, requestMirror: {backendRef: {name: other, port: 80}, fraction: {numerator: 1, denominator: 8}}"),
        list("mirror: {cluster: other, percent: 12.5%}")},
       {filter(
            "CORS, cors: {allowOrigins: [\"https://a.test\"], allowMethods: [GET], allowHeaders: [x], exposeHeaders: [z], allowCredentials: true, maxAge: 60}"),
        list("cors: {origins: https://a.test, methods: GET, headers: x, expose: z, credentials: \"on\", max_age: 60s}")},
       {filter("CORS, cors: {allowOrigins: [\"*\"]}"), list("cors: {origins: \"*\", max_age: 5s}")},
       {alone("RequestRedirect, requestRedirect: {scheme: https}"), redirect("scheme: https, status: 302")},
       {alone("RequestRedirect, requestRedirect: {scheme: https, hostname: A.test, port: 8443, statusCode: 308}"),
        redirect("scheme: https, host: a.test, port: 8443, status: 308")},
       {alone("RequestRedirect, requestRedirect: {hostname: a.test}"), redirect("host: a.test, port: 8080, status: 302")},
       {alone("RequestRedirect, requestRedirect: {port: 9000, statusCode: 301}"), redirect("port: 9000, status: 301")},
       {alone("RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /b}}"),
        redirect("path: /b, status: 302")},
       {alone("RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: b}}"),
        redirect("prefix: /b, status: 302")},
       {filter("URLRewrite, urlRewrite: {hostname: a.test}"), rewrite("host: a.test")},
       {filter("URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /b}}"), rewrite("path: /b")},
       {filter("URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: \"\"}}"), rewrite("prefix: /")}},
      with_rule);
  EXPECT_EQ(
      rules(loaded(with_rule(alone("RequestRedirect, requestRedirect: {hostname: a.test}")),
                   "version: 1\nmode: edge\nlisteners: {http: {address: \":80\"}}\nroutes_from: [{gateway_api: routes.yaml}]\n")),
      redirect("host: a.test, status: 302"))
      << "the scheme's own port is not said";
}

TEST(GatewayApi, BackendsShareByWeight) {
  const auto backends = [](const std::string& list) { return "backendRefs: [" + list + "]"; };
  const std::string header = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: v, value: two}]}}]";
  const std::string nowhere = "respond: {status: 500, body: \"There is no backend for this.\\n\"}}";
  expect_rows(
      {{backends("{name: web, port: 80, weight: 9}, {name: other, port: 80}"),
        "{name: default/r/0, match: {prefix: /}, split: {other: 1, web: 9}}"},
       {backends("{name: web, port: 80, weight: 9}, {name: other, port: 80, weight: 0}"),
        "{name: default/r/0, match: {prefix: /}, cluster: web}"},
       {backends("{name: web, port: 80, weight: 0}"), "{name: default/r/0, match: {prefix: /}, " + nowhere},
       {"timeouts: {request: 5s}", "{name: default/r/0, match: {prefix: /}, " + nowhere},
       {backends("{name: web, port: 80, weight: 9}, {name: other, port: 80, " + header + "}"),
        "{name: default/r/0/0, match: {prefix: /, percent: 10%}, cluster: other, filters: {headers: {request: {set: {v: two}}}}}\n"
        "{name: default/r/0/1, match: {prefix: /}, cluster: web}"},
       {backends("{name: web, port: 80, " + header + "}"),
        "{name: default/r/0, match: {prefix: /}, cluster: web, filters: {headers: {request: {set: {v: two}}}}}"},
       {backends("{name: web, port: 80, weight: 1}, {name: gone, port: 80, weight: 3}"),
        "{name: default/r/0/0, match: {prefix: /, percent: 75%}, " + nowhere +
            "\n{name: default/r/0/1, match: {prefix: /}, cluster: web}"}},
      with_rule);
  EXPECT_EQ(
      said_of(with_rule(backends("{name: web, port: 80}, {name: gone, port: 80}"))),
      "routes.yaml:4:99: warning: HTTPRoute default/r.spec.rules[0].backendRefs[1]: there is no cluster `default/gone` (or `gone`, for "
      "default is the proxy's own namespace) and no registry to look it up in; its share of the requests is answered with 500\n");
}

TEST(GatewayApi, TwoPortsOfAServiceAreOneCluster) {
  EXPECT_NE(said_of(with_rule("backendRefs: [{name: web, port: 80}, {name: web, port: 81}]"))
                .find("backendRefs[1]: port 81 is the same as port 80 of default/web elsewhere"),
            std::string::npos);
  EXPECT_EQ(said_of(with_rule("backendRefs: [{name: web, port: 80}, {name: web, port: 80}]")), "");
}

TEST(GatewayApi, TimesRetriesAndSessions) {
  const auto becomes = [](const std::string& keys) {
    return "{name: default/r/0, match: {prefix: /}, cluster: web, " + keys + "}";
  };
  expect_rows(
      {{"timeouts: {request: 1m30s}, " + kWeb, becomes("timeout: 90s")},
       {"timeouts: {request: 0s}, " + kWeb, becomes("timeout: 1d")},
       {"timeouts: {request: 10s, backendRequest: 500ms}, " + kWeb, becomes("timeout: 10s, retry: {per_try_timeout: 500ms}")},
       {"retry: {codes: [500, 504], attempts: 3, backoff: 100ms}, " + kWeb,
        becomes("retry: {when: [safe, 500, 504, timeout], attempts: 3, backoff: {base: 100ms, max: 1s}}")},
       {"retry: {backoff: 5s}, " + kWeb, becomes("retry: {when: safe, backoff: {base: 5s, max: 5s}}")},
       {"sessionPersistence: {sessionName: sid}, " + kWeb, becomes("sticky: cookie.sid")},
       {"sessionPersistence: {sessionName: x-session, type: Header, idleTimeout: 1h}, " + kWeb,
        becomes("sticky: header.x-session")}},
      with_rule);
  EXPECT_NE(said_of(with_rule("sessionPersistence: {sessionName: sid}, " + kWeb)).find("the proxy sends no such cookie itself"),
            std::string::npos);
}

// In the words of the specification: "routes.yaml:LINE:COLUMN: error: HTTPRoute default/r...", one for each mistake.
TEST(GatewayApi, WhatCannotBeSaidIsAnErrorAtItsPlace) {
  const auto filter = [](const std::string& text) { return "filters: [{type: " + text + "}], " + kWeb; };
  const std::pair<std::string, std::string> rows[] = {
      {"matches: [{path: {type: Prefix, value: /a}}], " + kWeb,
       "matches[0].path.type: expected PathPrefix, Exact or RegularExpression, got \"Prefix\""},
      {"matches: [{path: {value: a}}], " + kWeb, "matches[0].path.value: expected a path that begins with /"},
      {"matches: [{path: {value: /a//b}}], " + kWeb, "never matches"},
      {"matches: [{path: {type: RegularExpression, value: \"(\"}}], " + kWeb, "no regular expression of RE2"},
      {"matches: [{method: get}], " + kWeb, "expected a method in capital letters"},
      {"matches: [{header: []}], " + kWeb, "matches[0].header: unknown key (did you mean \"headers\"?)"},
      {"matches: [{headers: [{name: \"a b\", value: x}]}], " + kWeb, "is no name of a header"},
      {"matches: [{headers: [{name: a}]}], " + kWeb, "matches[0].headers[0].value: missing"},
      {"matches: [{queryParams: [{value: a}]}], " + kWeb, "queryParams[0].name: missing"},
      {filter("ExtensionRef, extensionRef: {group: x.io, kind: Limit, name: l}"), "names something of another product"},
      {filter("ExternalAuth, externalAuth: {}"), "ext_authz"},
      {filter("RequestHeaderModifer, requestHeaderModifier: {}"), "(did you mean \"RequestHeaderModifier\"?)"},
      {filter("URLRewrite, requestRedirect: {}"),
       "filters[0].requestRedirect: belongs to type: RequestRedirect, and this is a URLRewrite"},
      {filter("RequestMirror, requestMirror: {backendRef: {name: other, port: 80}, percent: 5, fraction: {numerator: 1}}"),
       "exclude each other"},
      {filter("RequestMirror, requestMirror: {backendRef: {name: other, port: 80}, fraction: {numerator: 3, denominator: 2}}"),
       "more than the denominator"},
      {filter("RequestRedirect, requestRedirect: {scheme: https}"), "nowhere else to lead to"},
      {filter("RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: a}]}"), "Host is changed by URLRewrite"},
      {filter("CORS, cors: {allowOrigins: [\"https://a.test\"], allowMethods: [\"*\"], allowCredentials: true}"),
       "to browsers * stands for nothing"},
      {"filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304, scheme: https}}]",
       "expected 301, 302, 303, 307 or 308"},
      {"filters: [{type: RequestRedirect, requestRedirect: {}}]", "sends the client where it already is"},
      {"matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}], " +
           kWeb,
       "ReplacePrefixMatch is for matches with path.type: PathPrefix alone"},
      {"filters: [{type: URLRewrite, urlRewrite: {hostname: a}}, {type: URLRewrite, urlRewrite: {hostname: b}}], " + kWeb,
       "a second URLRewrite"},
      {"backendRefs: [{name: web, port: 80, weight: -1}]", "backendRefs[0].weight: expected a number from 0 to 1000000"},
      {"backendRefs: [{port: 80}]", "backendRefs[0].name: missing"},
      {"backendRefs: [{name: web, port: 0}]", "expected a number from 1 to 65535"},
      {"backendRefs: [{name: web, port: 80, filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]",
       "stands at the rule"},
      {"timeouts: {request: 1.5s}, " + kWeb, "expected a duration like 10s"},
      {"timeouts: {request: 1s, backendRequest: 2s}, " + kWeb, "is more than request, 1s"},
      {"retry: {codes: [200]}, " + kWeb, "expected a status from 400 to 599"},
      {"retry: {attempts: 11}, " + kWeb, "expected a number from 0 to 10"},
      {"sessionPersistence: {type: Cookie}, " + kWeb, "makes no sessions of its own"},
      {"backends: []", "rules[0].backends: unknown key (did you mean \"backendRefs\"?)"},
  };
  for (const auto& [rule, part] : rows) {
    const auto outcome = loaded(with_rule(rule));
    EXPECT_FALSE(outcome.document) << rule;
    const std::string text = said_of(with_rule(rule));
    EXPECT_NE(text.find(part), std::string::npos) << rule << "\n" << text;
    for (const Complaint& one : outcome.complaints) {
      if (one.severity != Severity::Error) continue;
      EXPECT_EQ(one.file, "routes.yaml") << rule << "\n" << print(outcome.complaints);
      EXPECT_EQ(one.line, 4u) << rule;
      EXPECT_TRUE(one.path.starts_with("HTTPRoute default/r.spec.rules[0]")) << one.path;
    }
  }
  for (const char* type : {"URLRewrite", "RequestRedirect", "CORS"})
    EXPECT_NE(said_of(grpc_rule("filters: [{type: " + std::string(type) + "}], " + kWeb))
                  .find("a GRPCRoute has no " + std::string(type)),
              std::string::npos);
  EXPECT_EQ(said_of(route("hostname: [a.test], rules: [{" + kWeb + "}]")),
            "routes.yaml:4:53: error: HTTPRoute default/r.spec.hostname: unknown key (did you mean \"hostnames\"?)\n");
}

TEST(GatewayApi, ObjectsThatAreNoneAndKindsThatAreLeftOutAreSaid) {
  const std::string good = with_rule(kWeb);
  const std::pair<std::string, std::string> rows[] = {
      {"- a\n", "routes.yaml:1:1: error: expected an object of Kubernetes (apiVersion, kind, metadata, spec), got a list\n"},
      {"a: b\n", "routes.yaml:1:1: error: an object without kind\n"},
      {"kind: HTTPRoute\nmetadata: {name: a}\n",
       "routes.yaml:1:1: error: HTTPRoute default/a: needs apiVersion: gateway.networking.k8s.io/v1\n"},
      {"apiVersion: gateway.networking.k8s.io/v2\nkind: HTTPRoute\nmetadata: {name: a}\n",
       "routes.yaml:1:1: error: HTTPRoute default/a.apiVersion: expected v1, v1beta1 or v1alpha2, got \"v2\"\n"},
      {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nspec: {}\n",
       "routes.yaml:1:1: error: HTTPRoute.metadata.name: missing\n"},
      {good + good, "routes.yaml:6:1: error: HTTPRoute default/r: is there twice\n"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: cart}\n",
       "routes.yaml:1:1: warning: Service default/web: left out: of these files HTTPRoute, GRPCRoute, Gateway and ReferenceGrant are read\n"},
      {"apiVersion: policy.linkerd.io/v1beta3\nkind: HTTPRoute\nmetadata: {name: web}\n",
       "routes.yaml:1:1: warning: HTTPRoute default/web: left out: it is of policy.linkerd.io, and of gateway.networking.k8s.io HTTPRoutes are read\n"},
      {"kind: A\napiVersion: v1\nkind: B\napiVersion: v1\n",
       "routes.yaml:3:1: error: a second object of Kubernetes: a line with --- belongs before it\n"},
      {"kind: [\n", "routes.yaml:2:1: error: end of sequence flow not found\n"},
  };
  for (const auto& [text, complaint] : rows) EXPECT_EQ(said_of(text), complaint) << text;
  const std::string policy = said_of("apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: web}\n");
  EXPECT_NE(policy.find("has to be written in the configuration"), std::string::npos) << policy;
}

TEST(GatewayApi, StreamsListsAndJsonAreRead) {
  const std::string item =
      "{apiVersion: gateway.networking.k8s.io/v1beta1, kind: HTTPRoute, metadata: {name: NAME}, spec: {parentRefs: [{name: http}], rules: [{" +
      kWeb + "}]}}";
  const auto named = [&](const std::string& name) { return std::string(item).replace(item.find("NAME"), 4, name); };
  EXPECT_EQ(names(loaded("---\n---\n" + named("a") + "\n---\n" + named("b") + "\n...\n---\n")), "default/a/0 default/b/0");
  EXPECT_EQ(names(loaded("apiVersion: v1\nkind: List\nitems: [" + named("a") + ", " + named("b") + "]\n")),
            "default/a/0 default/b/0");
  EXPECT_EQ(
      names(loaded(
          "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRouteList\nitems: [{metadata: {name: c}, spec: {parentRefs: [{name: http}], rules: [{" +
          kWeb + "}]}}]\n")),
      "default/c/0");
  EXPECT_EQ(
      names(loaded(
          R"({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "j", "namespace": "default"},
 "spec": {"parentRefs": [{"name": "gw", "sectionName": "http"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}, "status": {"parents": []}})")),
      "default/j/0");
  EXPECT_EQ(said_of(""), "");
}

TEST(GatewayApi, ParentsAreListeners) {
  const auto attached = [](const std::string& parents, const std::string& more = "") {
    const auto outcome = loaded(more + object("HTTPRoute", "name: r", "parentRefs: [" + parents + "], rules: [{" + kWeb + "}]"));
    if (!outcome.document)
      return said_of(more + object("HTTPRoute", "name: r", "parentRefs: [" + parents + "], rules: [{" + kWeb + "}]"));
    std::string out;
    for (const char* listener : {"http", "https", "mesh"})
      if (!names(outcome, listener).empty()) out += std::string(out.empty() ? "" : " ") + listener;
    return out;
  };
  EXPECT_EQ(attached("{name: gw}"), "http https") << "of a Gateway: all that are at the edge";
  EXPECT_EQ(attached("{name: gw, sectionName: https}"), "https");
  EXPECT_EQ(attached("{name: https}"), "https") << "a listener of the Gateway's own name";
  EXPECT_EQ(attached("{name: gw, port: 8080}"), "http");
  EXPECT_EQ(attached("{name: gw, port: 8080}, {name: gw, sectionName: http}, {name: gw, sectionName: https}"), "http https")
      << "once each";
  EXPECT_NE(attached("{name: gw, sectionName: htps}").find("there is no listener \"htps\" (did you mean \"http"),
            std::string::npos);
  EXPECT_NE(attached("{name: gw, port: 99}").find("no listener for HTTP listens at port 99"), std::string::npos);
  EXPECT_NE(attached("{name: gw, kind: Pod}").find("expected Gateway or Service"), std::string::npos);
  const std::string gateway = object(
      "Gateway", "name: gw",
      "gatewayClassName: x, listeners: [{name: web, port: 8080, protocol: HTTP}, {name: https, port: 443, protocol: HTTPS}, {name: db, port: 5432, protocol: TCP}]");
  EXPECT_EQ(attached("{name: gw}", gateway), "http https") << "one by its port, one by its name";
  EXPECT_EQ(attached("{name: gw, sectionName: web}", gateway), "http");
  EXPECT_EQ(attached("{name: gw, port: 443}", gateway), "https");
  EXPECT_NE(attached("{name: gw, sectionName: wep}", gateway).find("did you mean \"web\"?"), std::string::npos);
  EXPECT_EQ(attached("{name: gw, sectionName: db}", gateway), "");
  const std::string refused =
      said_of(gateway + object("HTTPRoute", "name: r", "parentRefs: [{name: gw, sectionName: db}], rules: [{" + kWeb + "}]"));
  EXPECT_NE(refused.find("is not attached: listener db is for TCP"), std::string::npos) << refused;
}

TEST(GatewayApi, OnlyTheNamedGatewaysRoutesAreTaken) {
  const std::string config = std::string(kConfig).replace(kConfig.find("routes.yaml}"), 11, "routes.yaml, gateway: infra/mine");
  const auto parent = [](const std::string& text) {
    return object("HTTPRoute", "name: r, namespace: shop",
                  "parentRefs: [" + text + "], rules: [{backendRefs: [{name: cart, port: 80}]}]");
  };
  EXPECT_EQ(names(loaded(parent("{name: mine, namespace: infra, sectionName: http}"), config)), "shop/r/0");
  EXPECT_EQ(names(loaded(parent("{name: mine, sectionName: nowhere}"), config)), "");
  EXPECT_EQ(names(loaded(parent("{name: theirs, namespace: infra, sectionName: nowhere}"), config)), "");
}

TEST(GatewayApi, WhatAGatewayLetsInIsKept) {
  const auto said = [](const std::string& allowed, const std::string& name_space) {
    return said_of(
        object("Gateway", "name: gw, namespace: infra", "listeners: [{name: http, port: 80, protocol: HTTP" + allowed + "}]") +
        object(
            "HTTPRoute", "name: r, namespace: " + name_space,
            "parentRefs: [{name: gw, namespace: infra}], rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]"));
  };
  EXPECT_EQ(said("", "infra"), "");
  EXPECT_NE(said("", "shop").find("is not attached: routes of namespace shop are not let in by listener http"),
            std::string::npos);
  EXPECT_EQ(said(", allowedRoutes: {namespaces: {from: All}}", "shop"), "");
  EXPECT_EQ(said(", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}",
                 "shop"),
            "");
  EXPECT_NE(
      said(", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}", "web")
          .find("is not attached"),
      std::string::npos);
  EXPECT_NE(said(", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}", "shop")
                .find("error: Gateway infra/gw.spec.listeners.http.allowedRoutes.namespaces.selector"),
            std::string::npos);
  EXPECT_NE(
      said(", allowedRoutes: {namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}", "shop").find("HTTPRoutes are not let in"),
      std::string::npos);
}

TEST(GatewayApi, AnotherNamespacesServiceNeedsAGrant) {
  const std::string route = object(
      "HTTPRoute", "name: r", "parentRefs: [{name: http}], rules: [{backendRefs: [{name: cart, namespace: shop, port: 80}]}]");
  const auto grant = [](const std::string& from, const std::string& to) {
    return object("ReferenceGrant", "name: g, namespace: shop",
                  "from: [{group: gateway.networking.k8s.io, kind: " + from + "}], to: [{group: \"\", kind: Service" + to + "}]");
  };
  const std::string led = "{name: default/r/0, match: {prefix: /}, cluster: shop/cart}";
  EXPECT_EQ(rules(loaded(route + grant("HTTPRoute, namespace: default", ""))), led);
  EXPECT_EQ(rules(loaded(grant("HTTPRoute, namespace: default", ", name: cart") + route)), led);
  for (const auto& other : {std::string(), grant("GRPCRoute, namespace: default", ""), grant("HTTPRoute, namespace: web", ""),
                            grant("HTTPRoute, namespace: default", ", name: web")}) {
    EXPECT_NE(rules(loaded(route + other)).find("respond: {status: 500"), std::string::npos) << other;
    EXPECT_NE(said_of(route + other).find("no ReferenceGrant in namespace shop lets a HTTPRoute of default lead to cart"),
              std::string::npos);
  }
}

TEST(GatewayApi, HostsAreThoseTheListenerHasToo) {
  using gateway_api::intersection;
  const auto both = [](const std::string& listener, const std::vector<std::string>& route) {
    const auto found = intersection(listener, route);
    if (!found) return std::string("none");
    std::string out;
    for (const std::string& host : *found) out += (out.empty() ? "" : " ") + host;
    return out.empty() ? "any" : out;
  };
  EXPECT_EQ(both("", {}), "any");
  EXPECT_EQ(both("", {"a.test"}), "a.test");
  EXPECT_EQ(both("a.test", {}), "a.test");
  EXPECT_EQ(both("a.test", {"a.test", "b.test"}), "a.test");
  EXPECT_EQ(both("a.test", {"b.test"}), "none");
  EXPECT_EQ(both("a.test", {"*.test"}), "a.test");
  EXPECT_EQ(both("*.test", {"a.test", "test", "x.y.test", "a.other"}), "a.test x.y.test");
  EXPECT_EQ(both("*.test", {"*.a.test"}), "*.a.test");
  EXPECT_EQ(both("*.a.test", {"*.test"}), "*.a.test");
  EXPECT_EQ(both("*.test", {"*.test"}), "*.test");
  EXPECT_EQ(both("*.a.test", {"*.b.test"}), "none");
  EXPECT_EQ(both("a.test", {"*.test", "*.b.test", "a.test"}), "a.test");
}

TEST(GatewayApi, AServiceIsAParentOfWhatIsOutbound) {
  const auto of_service = [](const std::string& metadata, const std::string& parent) {
    return object(
        "HTTPRoute", "name: r" + metadata,
        "hostnames: [ignored.test], parentRefs: [{group: \"\", kind: Service, " + parent + "}], rules: [{" + kWeb + "}]");
  };
  EXPECT_EQ(
      rules(loaded(of_service("", "name: web")), "mesh"),
      "{name: default/r/0, match: {host: [web, web.default, web.default.mesh, web.default.svc, web.default.svc.cluster.local], prefix: /}, cluster: web}");
  EXPECT_EQ(
      rules(loaded(of_service("", "name: cart, namespace: shop, port: 8080")), "mesh"),
      "{name: default/r/0, match: {host: [cart.shop, cart.shop.mesh, cart.shop.svc, cart.shop.svc.cluster.local], prefix: /, port: 8080}, cluster: web}");
  EXPECT_NE(said_of(of_service(", namespace: other", "name: cart, namespace: shop"))
                .find("is for clients in other, and this proxy is in default"),
            std::string::npos);
}

// The specification's list, one step after another: of each pair the first is tried first, wherever it stands.
TEST(GatewayApi, RulesStandInTheOrderOfTheSpecification) {
  const auto one = [](const std::string& name, const std::string& hosts, const std::string& match, const std::string& age = "") {
    return route((hosts.empty() ? "" : "hostnames: [" + hosts + "], ") + "rules: [{matches: [{" + match + "}], " + kWeb + "}]",
                 name, age.empty() ? "" : ", creationTimestamp: \"" + age + "\"");
  };
  struct Pair {
    std::string first, second;
  };
  const std::string header = "headers: [{name: a, value: b}]", headers = "headers: [{name: a, value: b}, {name: c, value: d}]";
  const Pair pairs[] = {
      {one("z", "a.test", "path: {value: /}"), one("a", "\"*.test\"", "path: {type: Exact, value: /x}")},
      {one("z", "\"*.a.test\"", "path: {value: /}"), one("a", "\"*.test\"", "path: {type: Exact, value: /x}")},
      {one("z", "\"*.test\"", "path: {value: /}"), one("a", "", "path: {type: Exact, value: /x}")},
      {one("z", "", "path: {type: Exact, value: /x}"), one("a", "", "path: {value: /xx}")},
      {one("z", "", "path: {type: Exact, value: /x}"), one("a", "", "path: {type: RegularExpression, value: /xx}")},
      {one("z", "", "path: {type: RegularExpression, value: /x}"), one("a", "", "path: {value: /xx}")},
      {one("z", "", "path: {value: /xx}"), one("a", "", "path: {value: /x}, method: GET, " + headers)},
      {one("z", "", "method: GET"), one("a", "", headers)},
      {one("z", "", headers), one("a", "", header + ", queryParams: [{name: q, value: a}, {name: r, value: b}]")},
      {one("z", "", header + ", queryParams: [{name: q, value: a}]"), one("a", "", header)},
      {one("z", "", "path: {value: /x}", "2024-01-01T00:00:00Z"), one("a", "", "path: {value: /x}", "2024-01-02T00:00:00Z")},
      {one("z", "", "path: {value: /x}", "2024-01-01T00:00:00Z"), one("a", "", "path: {value: /x}")},
      {one("a", "", "path: {value: /x}"), one("z", "", "path: {value: /x/}")},
  };
  for (const auto& [first, second] : pairs) {
    const std::string a = first.find("name: a") != std::string::npos && first.find("metadata: {name: a") != std::string::npos
                              ? "default/a/0 default/z/0"
                              : "default/z/0 default/a/0";
    EXPECT_EQ(names(loaded(first + second)), a) << first << second;
    EXPECT_EQ(names(loaded(second + first)), a) << first << second;
  }
  EXPECT_EQ(names(loaded(route("rules: [{matches: [{path: {value: /a}}, {path: {value: /b}}], " + kWeb +
                               "}, {matches: [{path: {value: /a}}, {path: {type: Exact, value: /c}}], " + kWeb + "}]"))),
            "default/r/1/1 default/r/0/0 default/r/0/1 default/r/1/0")
      << "rules and matches as they are written, where nothing else decides";
  EXPECT_NE(
      said_of(one("a", "", "path: {value: /x}") + one("b", "", "path: {value: /x}"))
          .find("warning: routes.http.default/b/0: never matches; routes.http.default/a/0 (line 4) already takes prefix \"/x\""),
      std::string::npos);
}

TEST(GatewayApi, GrpcRulesStandInTheOrderOfTheSpecification) {
  const std::string text =
      object("GRPCRoute", "name: g",
             "parentRefs: [{name: http}], rules: [{" + kWeb + "}, {matches: [{method: {service: a.B}}], " + kWeb +
                 "}, {matches: [{method: {service: a.B, method: C}}], " + kWeb + "}, {matches: [{method: {service: a.Long}}], " +
                 kWeb + "}, {matches: [{method: {type: RegularExpression, service: \"a.*\"}}], " + kWeb +
                 "}, {matches: [{method: {service: a.B}, headers: [{name: x, value: y}]}], " + kWeb + "}]");
  EXPECT_EQ(names(loaded(with_rule("matches: [{path: {type: Exact, value: /a.B/C}}], " + kWeb) + text)),
            "grpc/default/g/3 grpc/default/g/2 grpc/default/g/5 grpc/default/g/1 grpc/default/g/4 grpc/default/g/0 default/r/0");
}

TEST(GatewayApi, StandBehindTheTablesOwnRulesAndTakeItsDefaults) {
  const auto outcome = loaded(object("HTTPRoute", "name: r", "parentRefs: [{name: https}], rules: [{" + kWeb + "}]"),
                              kConfig + "defaults: {route: {timeout: 3s}}\n");
  ASSERT_TRUE(outcome.document) << print(outcome.complaints);
  const Listener& https = outcome.document->listeners[1];
  ASSERT_EQ(https.routes.size(), 2u);
  EXPECT_EQ(https.routes[0].name, "own");
  EXPECT_EQ(https.routes[1].name, "default/r/0");
  EXPECT_EQ(https.routes[1].timeout, milliseconds(3000));
  EXPECT_EQ(https.routes[1].where.file, "routes.yaml");
  EXPECT_EQ(https.routes[1].where.line, 4u);
}

// What is shown is whole by itself, and the same configuration.
TEST(GatewayApi, WhatIsShownNeedsNoOtherFile) {
  const auto outcome = loaded(
      route(
          "hostnames: [a.test, \"*.b.test\"], rules: [{matches: [{headers: [{name: x, value: \"${NO}\"}]}], backendRefs: [{name: web, port: 80, weight: 2}, {name: other, port: 80}, {name: gone, port: 1}]}]") +
      grpc_rule("name: all, " + kWeb));
  ASSERT_TRUE(outcome.document) << print(outcome.complaints);
  const std::string text = show(*outcome.document, {.origin = true});
  EXPECT_NE(text.find("# routes_from: routes.yaml: its rules are below"), std::string::npos) << text;
  EXPECT_NE(text.find("# routes.yaml:4"), std::string::npos) << text;
  const auto again = load(Given{text});
  ASSERT_TRUE(again.document) << print(again.complaints) << text;
  EXPECT_EQ(again.document->digest, outcome.document->digest)
      << show(*outcome.document, {.defaults = true}) << show(*again.document, {.defaults = true});
}

TEST(GatewayApi, AListenerMayWaitForItsRoutes) {
  const std::string config =
      "version: 1\nmode: edge\nlisteners: {http: {address: \":8080\"}}\nroutes_from: [{gateway_api: routes.yaml}]\n";
  const auto outcome = loaded("", config);
  EXPECT_EQ(print(outcome.complaints), "test.yaml:3:19: warning: listeners.http: no rules: every request is answered with 404\n");
  ASSERT_TRUE(outcome.document);
  const auto again = load(Given{show(*outcome.document)});
  ASSERT_TRUE(again.document) << print(again.complaints);
  EXPECT_EQ(again.document->digest, outcome.document->digest);
}

TEST(GatewayApi, FilesThatCannotBeReadAreSaidWhereTheyAreNamed) {
  const auto said_with = [](const std::string& from) {
    return said({std::string(kConfig).replace(kConfig.find("[{gateway_api: routes.yaml}]"), 28, from) +
                 "routes: {http: [{cluster: web}]}\n"});
  };
  EXPECT_NE(said_with("[{gateway_api: /nowhere/routes.yaml}]")
                .find("routes_from[0].gateway_api: /nowhere/routes.yaml cannot be read: No such file or directory"),
            std::string::npos);
  EXPECT_NE(said_with("[{}]").find("routes_from[0].gateway_api: missing"), std::string::npos);
  EXPECT_NE(said_with("[{gateway_api: /dev/null, gateway: a/b/c}]").find("expected a Gateway's name"), std::string::npos);
  EXPECT_NE(said_with("[{http_route: a}]").find("routes_from[0].http_route: unknown key"), std::string::npos);
}

}  // namespace
}  // namespace outrider::config
