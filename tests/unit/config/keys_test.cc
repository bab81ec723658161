// Every key of the language, and whether this version does it.

#include <algorithm>
#include <map>
#include <set>

#include "config/diff.h"
#include "config/parse.h"
#include "loading.h"

// clang-format off
namespace outrider::config {
namespace {

enum class State : uint8_t { Supported, Later };
constexpr State S = State::Supported, L = State::Later;
constexpr const char* kNone = nullptr;

struct Row {
  const char* key;                   // "[]": an item of a list
  State state;
  const char* standard;              // the language's default (or its example): never an error
  const char* other;                 // Supported: another value that is fine. Later: one that is refused; null: any is
};

constexpr Row kRows[] = {
    {"version", S, "1", "1"},
    {"mode", S, "sidecar", "edge"},
    {"mode", L, "sidecar", "lab"},

    {"node.id", S, "host", "me"},
    {"node.address", S, "", "10.0.0.1"},
    {"node.region", L, "", "eu"},
    {"node.zone", S, "", "b"},
    {"node.labels", S, "{}", "{disk: ssd}"},

    {"service.name", S, "web", "cart"},
    {"service.namespace", S, "default", "shop"},
    {"service.version", S, "", "v2"},
    {"service.port", S, "8080", "80"},
    {"service.ports", S, "[8080]", "[{port: 80}]"},
    {"service.ports[].name", S, "http", "grpc"},
    {"service.ports[].port", S, "8080", "9000"},
    {"service.ports[].protocol", S, "auto", "tcp"},
    {"service.ports[].protocol", S, "auto", "http2"},
    {"service.ports[].protocol", S, "auto", "grpc"},
    {"service.ports[].protocol", L, "auto", "udp"},
    {"service.address", S, "127.0.0.1", "10.0.0.1"},
    {"service.register", S, "true", "off"},
    {"service.weight", S, "100", "0"},
    {"service.health.tcp", S, "connect", "connect"},
    {"service.health.http", S, "/healthz", "/"},
    {"service.health.grpc", S, "pkg.Svc", "other.Svc"},
    {"service.health.exec", L, kNone, "no"},
    {"service.health.interval", S, "5s", "1s"},
    {"service.health.timeout", S, "1s", "2s"},
    {"service.health.healthy", S, "1", "2"},
    {"service.health.unhealthy", S, "3", "2"},
    {"service.concurrency", S, "off", "256"},
    {"service.concurrency", S, "off", "auto"},
    {"service.admission", S, "off", "{success_rate: 95%}"},
    {"service.admission.success_rate", S, "95%", "99%"},
    {"service.queue.max", S, "1024", "5"},
    {"service.queue.timeout", S, "1s", "2s"},
    {"service.queue.priority", S, "header.x-priority", "header.x"},
    {"service.queue.priority", S, "header.x-priority", "off"},
    {"service.capacity.cpu", L, "auto", "2"},
    {"service.capacity.memory", L, "auto", "1GiB"},
    {"service.capacity.slots", S, "auto", "8"},
    {"service.autoscale", S, "{target: 70%, min: 1, max: 100}", "off"},
    {"service.autoscale.target", S, "70%", "50%"},
    {"service.autoscale.min", S, "1", "2"},
    {"service.autoscale.max", S, "100", "10"},
    {"service.autoscale.over", S, "15s", "1m"},

    {"identity.trust_domain", S, "mesh.local", "corp.example"},
    {"identity.spiffe_id", S, "", "spiffe://mesh.local/ns/default/sa/x"},
    {"identity.dir", S, "/run/identity", "/tmp/id"},
    {"identity.mtls", S, "strict", "permissive"},
    {"identity.mtls", S, "strict", "off"},
    {"identity.workload_api", S, "off", "unix:/run/agent.sock"},
    {"identity.wait", S, "1m", "10s"},
    {"identity.drain", S, "10m", "1h"},
    {"identity.tls.min", S, "1.3", "1.2"},
    {"identity.tls.ciphers", S, "", "TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"identity.tls.curves", S, "", "X25519:P-256"},
    {"identity.trust", S, "{}", "{partner.org: /run/partner/ca.crt}"},
    {"identity.warn_before", S, "25%", "10%"},

    {"authorization.mode", S, "enforce", "shadow"},
    {"authorization.allow", S, "[]", "[{from: [shop/web]}]"},
    {"authorization.allow[].from", S, "[shop/web]", "[shop/*, spiffe://mesh.local/ns/shop/sa/web]"},
    {"authorization.allow[].to.port", S, "0", "8080"},
    {"authorization.allow[].to.method", S, "[]", "[GET, POST]"},
    {"authorization.allow[].to.prefix", S, "[]", "[/api]"},
    {"authorization.deny", S, "[]", "[{from: [shop/web]}]"},
    {"authorization.deny[].from", S, "[shop/web]", "[\"*\"]"},
    {"authorization.deny[].to.port", S, "0", "8080"},
    {"authorization.deny[].to.method", S, "[]", "[GET, POST]"},
    {"authorization.deny[].to.prefix", S, "[]", "[/api]"},

    {"registry.kind", S, "dht", "none"},
    {"registry.kind", L, "dht", "consul"},
    {"registry.kind", S, "dht", "kubernetes"},
    {"registry.bind", S, "0.0.0.0:4222", "127.0.0.1:0"},
    {"registry.bootstrap", S, "[]", "[seed-0.mesh:4222, seed-1.mesh:4222]"},
    {"registry.key", S, "", "/run/mesh.key"},
    {"registry.network", S, "1", "7"},
    {"registry.lease", S, "60s", "2m"},
    {"registry.valid", S, "10m", "5m"},
    {"registry.sign", S, "auto", "required"},
    {"registry.node_ids", S, "bound", "offered"},
    {"registry.node_ids", S, "bound", "free"},
    {"registry.owners", S, "{}", "{shop/cart: [\"shop/*\"]}"},
    {"registry.shards", S, "auto", "4"},
    {"registry.idle_timeout", S, "10m", "1m"},
    {"registry.snapshot", S, "/var/lib/outrider/registry", "off"},
    {"registry.stale.serve", S, "1h", "0"},
    {"registry.kubernetes.server", S, "", "https://10.96.0.1:443"},
    {"registry.kubernetes.token_file", S, "/var/run/secrets/kubernetes.io/serviceaccount/token", "/run/token"},
    {"registry.kubernetes.ca", S, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", "/run/ca.crt"},
    {"registry.kubernetes.namespace", S, "", "shop"},
    {"registry.kubernetes.tls", S, "auto", "clear"},
    {"registry.kubernetes.timeout", S, "10s", "5s"},
    {"registry.kubernetes.watch", S, "5m", "10m"},
    {"registry.kubernetes.silence", S, "2m", "90s"},
    {"registry.kubernetes.backoff.base", S, "1s", "500ms"},
    {"registry.kubernetes.backoff.max", S, "30s", "1m"},
    {"registry.kubernetes.page", S, "100", "50"},
    {"registry.kubernetes.max_size", S, "16MiB", "4MiB"},
    {"registry.kubernetes.max_endpoints", S, "10000", "2000"},
    {"registry.kubernetes.max_services", S, "500", "50"},
    {"registry.dns.listen", S, "127.0.0.1:15053", "[\"127.0.0.1:53\", \"[::1]:53\"]"},
    {"registry.dns.listen", S, "127.0.0.1:15053", "off"},
    {"registry.dns.domain", S, "mesh", "cluster"},
    {"registry.dns.answers", S, "auto", "virtual"},
    {"registry.dns.answers", S, "auto", "endpoints"},
    {"registry.dns.ipv4", S, "240.240.0.0/16", "10.99.0.0/20"},
    {"registry.dns.ipv4", S, "240.240.0.0/16", "off"},
    {"registry.dns.ipv6", S, "fd6f:7574:7269::/112", "fd00:1::/64"},
    {"registry.dns.ipv6", S, "fd6f:7574:7269::/112", "off"},
    {"registry.dns.ttl", S, "5s", "30s"},
    {"registry.dns.wait", S, "3s", "500ms"},
    {"registry.dns.servers", S, "[]", "[\"10.0.0.2:53\", fd00::2]"},
    {"registry.dns.timeout", S, "2s", "500ms"},
    {"registry.dns.idle_timeout", S, "10s", "1m"},
    {"registry.dns.max_answers", S, "8", "3"},
    {"registry.dns.max_names", S, "1000", "100"},
    {"registry.dns.max_queries", S, "512", "64"},
    {"registry.dns.max_connections", S, "64", "8"},
    {"registry.dns.max_rate", S, "2000", "100"},
    {"registry.dns", S, "off", "false"},

    {"listeners.edge.address", S, "127.0.0.1:0", "[\"[::1]:0\", \"unix:/run/x.sock\"]"},
    {"listeners.edge.protocol", S, "auto", "http1"},
    {"listeners.edge.protocol", S, "auto", "http2"},
    {"listeners.edge.protocol", L, "auto", "udp"},
    {"listeners.edge.protocol", S, "auto", "tls"},
    {"listeners.edge.protocol", S, "http", "tcp"},
    {"listeners.edge.direction", S, "edge", "outbound"},
    {"listeners.edge.transparent", S, "off", "redirect"},
    {"listeners.edge.transparent", S, "off", "tproxy"},
    {"listeners.edge.detect.timeout", S, "100ms", "1s"},
    {"listeners.edge.detect.learn", S, "true", "off"},
    {"listeners.edge.detect.opaque_ports", S, "[]", "[25, 3306]"},
    {"listeners.edge.proxy_protocol", S, "off", "optional"},
    {"listeners.edge.proxy_protocol", S, "off", "required"},
    {"listeners.edge.proxy_protocol", S, "off", "{trust: [10.0.0.0/8, \"fd00::/8\"]}"},
    {"listeners.edge.proxy_protocol.mode", S, "required", "optional"},
    {"listeners.edge.proxy_protocol.trust", S, "private", "[private, 35.191.0.0/16]"},
    {"listeners.edge.tls", S, "off", "identity"},
    {"listeners.edge.tls", S, "off", "false"},
    {"listeners.edge.tls", S, "off", "[{sni: a.test, cert: a.crt, key: a.key}]"},
    {"listeners.edge.tls", S, "off", "{cert: /run/tls.crt, key: /run/tls.key}"},
    {"listeners.edge.tls.cert", S, "/run/tls.crt", "/run/chain.crt"},
    {"listeners.edge.tls.key", S, "/run/tls.key", "/run/other.key"},
    {"listeners.edge.tls.client_ca", S, "", "/run/ca.crt"},
    {"listeners.edge.tls.min", S, "1.2", "1.3"},
    {"listeners.edge.tls.ciphers", S, "", "ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384"},
    {"listeners.edge.tls.curves", S, "", "X25519:P-521"},
    {"listeners.edge.tls.alpn", S, "[h2, http/1.1]", "h2"},
    {"listeners.edge.tls.sni", S, "a.test", "[a.test, \"*.b.test\"]"},
    {"listeners.edge.tls.ocsp", S, "auto", "off"},
    {"listeners.edge.http.header_case", L, "preserve", "lower"},
    {"listeners.edge.http.http10", S, "true", "off"},
    {"listeners.edge.http.websocket", S, "true", "off"},
    {"listeners.edge.http.max_header_bytes", S, "64KiB", "8KiB"},
    {"listeners.edge.http.max_headers", S, "128", "64"},
    {"listeners.edge.http.max_body", S, "off", "10MiB"},
    {"listeners.edge.http.normalize_path", S, "true", "off"},
    {"listeners.edge.http.escaped_slash", S, "keep", "reject"},
    {"listeners.edge.http.strict", S, "true", "off"},
    {"listeners.edge.http.forwarded", S, "append", "{trust: 2}"},
    {"listeners.edge.http.server_header", L, "keep", "drop"},
    {"listeners.edge.http.max_streams", S, "128", "10"},
    {"listeners.edge.http.max_requests", S, "0", "1000"},
    {"listeners.edge.timeouts.proxy_protocol", S, "3s", "500ms"},
    {"listeners.edge.timeouts.tls", S, "10s", "1s"},
    {"listeners.edge.timeouts.request_headers", S, "10s", "1s"},
    {"listeners.edge.timeouts.idle", S, "75s", "0"},
    {"listeners.edge.timeouts.stream_idle", S, "5m", "1s"},
    {"listeners.edge.timeouts.tunnel_idle", S, "1h", "1s"},
    {"listeners.edge.timeouts.max_connection", S, "0", "1h"},
    {"listeners.edge.timeouts.request", S, "0", "15s"},
    {"listeners.edge.limits.connections", S, "10000", "5"},
    {"listeners.edge.limits.rate", S, "0", "100/s"},
    {"listeners.edge.limits.per_ip", S, "0", "10"},
    {"listeners.edge.limits.buffer", S, "64KiB", "1MiB"},
    {"listeners.edge.routes", S, "edge", "[{cluster: cart}]"},
    {"listeners.edge.filters", S, "[]", "[{headers: {request: {set: {a: b}}}}]"},

    {"routes.edge[].name", S, "cart", "x"},
    {"routes.edge[].match.host", S, "[shop.example.com, \"*.shop.local\"]", "shop.local"},
    {"routes.edge[].match.prefix", S, "/cart", "[/a, /b]"},
    {"routes.edge[].match.path", S, "/cart", "[/a, /b]"},
    {"routes.edge[].match.regex", S, "", "/a.*"},
    {"routes.edge[].match.method", S, "[]", "[GET, POST]"},
    {"routes.edge[].match.header", S, "{}", "{x-beta: \"1\", user-agent: {prefix: curl}, x-old: {present: false}}"},
    {"routes.edge[].match.query", S, "{}", "{debug: {present: true}}"},
    {"routes.edge[].match.cookie", S, "{}", "{group: {not: {regex: b.*}}}"},
    {"routes.edge[].match.grpc.service", S, "", "shop.Cart"},
    {"routes.edge[].match.grpc.method", S, "", "Add"},
    {"routes.edge[].match.source.identity", S, "[]", "[shop/web]"},
    {"routes.edge[].match.source.cidr", S, "[]", "[10.0.0.0/8, \"fd00::/8\"]"},
    {"routes.edge[].match.sni", S, "[\"*.example.com\"]", "a.example.com"},
    {"routes.edge[].match.port", S, kNone, "[443, 8443]"},
    {"routes.edge[].match.percent", S, "100%", "5%"},
    {"routes.edge[].cluster", S, "cart", "cart"},
    {"routes.edge[].split", S, "{cart: 1}", "{\"cart@v1\": 95, \"cart@v2\": 5}"},
    {"routes.edge[].redirect.scheme", S, "https", "http"},
    {"routes.edge[].redirect.host", S, "example.com", "example.com:8443"},
    {"routes.edge[].redirect.port", S, "8443", "9443"},
    {"routes.edge[].redirect.prefix", S, "/new", "/"},
    {"routes.edge[].redirect.path", S, "/new", "/"},
    {"routes.edge[].redirect.status", S, "308", "301"},
    {"routes.edge[].respond.status", S, "503", "404"},
    {"routes.edge[].respond.body", S, "down", ""},
    {"routes.edge[].respond.headers", S, "{}", "{x-why: moved}"},
    {"routes.edge[].passthrough", S, "original_dst", "original_dst"},
    {"routes.edge[].rewrite.prefix", S, "", "/"},
    {"routes.edge[].rewrite.path", S, "", "/"},
    {"routes.edge[].rewrite.regex.match", S, "", "/a.*"},
    {"routes.edge[].rewrite.regex.replace", S, "", "/b"},
    {"routes.edge[].rewrite.host", S, "", "b"},
    {"routes.edge[].request_headers", S, "{}", "{set: {a: b}, add: {a: b}, remove: [a]}"},
    {"routes.edge[].response_headers", S, "{}", "{set: {a: b}, add: {a: b}, remove: [a]}"},
    {"routes.edge[].sticky", S, "", "cookie.sid"},
    {"routes.edge[].timeout", S, "15s", "0"},
    {"routes.edge[].retry", S, "{}", "{attempts: 3}"},
    {"routes.edge[].retry", S, "{when: [safe, 5xx], budget: 10%}", "off"},
    {"routes.edge[].retry.per_try_timeout", S, "0", "500ms"},
    {"routes.edge[].retry.backoff.max", S, "1s", "2s"},
    {"routes.edge[].hedge", S, "off", "{after: p95, max: 1}"},
    {"routes.edge[].hedge.after", S, "p95", "50ms"},
    {"routes.edge[].hedge.max", S, "1", "1"},
    {"routes.edge[].hedge.min_requests", S, "100", "20"},
    {"routes.edge[].mirror", S, "off", "{cluster: cart, percent: 5%}"},
    {"routes.edge[].priority", S, "normal", "high"},
    {"routes.edge[].filters", S, "[]", "[{headers: {request: {set: {a: b}}}}]"},
    {"routes.edge[].access_log", S, "true", "off"},

    {"routes_from", S, "[]", "[{gateway_api: /dev/null}]"},
    {"routes_from[].gateway_api", S, "/dev/null", "/dev/null"},
    {"routes_from[].gateway", S, "edge", "infra/edge"},

    {"clusters.cart.discovery", S, "auto", "static"},
    {"clusters.cart.discovery", S, "auto", "dns"},
    {"clusters.cart.endpoints_file", S, "", "/tmp/e"},
    {"clusters.cart.endpoints", S, "[\"10.0.0.1:80\"]", "[{address: \"10.0.0.2:80\"}]"},
    {"clusters.cart.endpoints[].address", S, "10.0.0.2:80", "unix:/run/x.sock"},
    {"clusters.cart.endpoints[].weight", S, "100", "50"},
    {"clusters.cart.endpoints[].zone", S, "", "b"},
    {"clusters.cart.endpoints[].priority", S, "0", "1"},
    {"clusters.cart.endpoints[].labels", S, "{}", "{version: v2}"},
    {"clusters.cart.dns.name", S, "", "a.example.com"},
    {"clusters.cart.dns.port", S, "0", "80"},
    {"clusters.cart.dns.type", S, "A", "SRV"},
    {"clusters.cart.dns.min_ttl", S, "1s", "2s"},
    {"clusters.cart.dns.max_ttl", S, "5m", "1m"},
    {"clusters.cart.dns.on_failure", S, "keep", "drop"},
    {"clusters.cart.dns.timeout", S, "3s", "1s"},
    {"clusters.cart.dns.max_endpoints", S, "256", "10"},
    {"clusters.cart.dns.servers", S, "[]", "[\"10.0.0.2:53\"]"},
    {"clusters.cart.protocol", S, "auto", "http1"},
    {"clusters.cart.protocol", S, "auto", "http2"},
    {"clusters.cart.protocol", L, "auto", "udp"},
    {"clusters.cart.protocol", L, "auto", "udp"},
    {"clusters.cart.lb", S, "ewma", "least_request"},
    {"clusters.cart.lb", S, "round_robin", "random"},
    {"clusters.cart.lb", S, "ewma", "ring_hash"},
    {"clusters.cart.lb", S, "ewma", "maglev"},
    {"clusters.cart.lb", S, "ewma", "adaptive"},
    {"clusters.cart.lb_options.choices", S, "2", "3"},
    {"clusters.cart.lb_options.decay", S, "10s", "1s"},
    {"clusters.cart.lb_options.failure_penalty", S, "5s", "1s"},
    {"clusters.cart.lb_options.hash", S, "source", "header.x"},
    {"clusters.cart.lb_options.bounded_load", S, "off", "1.25"},
    {"clusters.cart.lb_options.subset_size", S, "128", "10"},
    {"clusters.cart.locality.prefer", S, "zone", "zone"},
    {"clusters.cart.locality.prefer", L, "zone", "region"},
    {"clusters.cart.locality.spill", S, "70%", "50%"},
    {"clusters.cart.locality", S, "off", "false"},
    {"clusters.cart.constraints.require", S, "{}", "{gpu: \"true\"}"},
    {"clusters.cart.constraints.prefer", S, "{}", "{gpu: \"true\"}"},
    {"clusters.cart.slow_start", S, "0", "30s"},
    {"clusters.cart.panic", S, "50%", "0%"},
    {"clusters.cart.health_check", S, "off", "false"},
    {"clusters.cart.health_check.http", S, "/healthz", "/"},
    {"clusters.cart.health_check.tcp", S, "connect", "connect"},
    {"clusters.cart.health_check.grpc", S, "pkg.Svc", "other.Svc"},
    {"clusters.cart.health_check.interval", S, "10s", "2s"},
    {"clusters.cart.health_check.timeout", S, "1s", "2s"},
    {"clusters.cart.health_check.healthy", S, "2", "1"},
    {"clusters.cart.health_check.unhealthy", S, "3", "1"},
    {"clusters.cart.health_check.jitter", S, "10%", "0%"},
    {"clusters.cart.health_check.expect", S, "2xx", "200-204"},
    {"clusters.cart.health_check.port", S, "0", "8081"},
    {"clusters.cart.outlier_detection.consecutive_local", S, "3", "5"},
    {"clusters.cart.outlier_detection.consecutive_gateway", S, "5", "3"},
    {"clusters.cart.outlier_detection.consecutive_5xx", S, "0", "5"},
    {"clusters.cart.outlier_detection.success_rate", S, "0%", "90%"},
    {"clusters.cart.outlier_detection.min_requests", S, "20", "10"},
    {"clusters.cart.outlier_detection.interval", S, "5s", "1s"},
    {"clusters.cart.outlier_detection.base_ejection", S, "10s", "1s"},
    {"clusters.cart.outlier_detection.max_ejection", S, "5m", "1m"},
    {"clusters.cart.outlier_detection.max_ejected", S, "50%", "10%"},
    {"clusters.cart.circuit_breaker.max_connections", S, "1024", "1"},
    {"clusters.cart.circuit_breaker.max_pending", S, "1024", "0"},
    {"clusters.cart.circuit_breaker.max_requests", S, "4096", "1"},
    {"clusters.cart.circuit_breaker.max_destinations", S, "1000", "10"},
    {"clusters.cart.circuit_breaker.max_retries", L, "budget", "3"},
    {"clusters.cart.connect_timeout", S, "1s", "250ms"},
    {"clusters.cart.timeout", S, "0", "15s"},
    {"clusters.cart.retry.when", S, "[connect_failure, refused_stream, reset_before_request]", "safe"},
    {"clusters.cart.retry.when", S, "safe", "[safe, cancelled, deadline_exceeded, internal, resource_exhausted, unavailable]"},
    {"clusters.cart.retry.when", S, "safe", "[safe, gateway_error]"},
    {"clusters.cart.retry.when", S, "safe", "5xx"},
    {"clusters.cart.retry.when", S, "safe", "502"},
    {"clusters.cart.retry.when", S, "safe", "timeout"},
    {"clusters.cart.retry.attempts", S, "2", "0"},
    {"clusters.cart.retry.per_try_timeout", S, "0", "500ms"},
    {"clusters.cart.retry.backoff.base", S, "25ms", "1ms"},
    {"clusters.cart.retry.backoff.max", S, "1s", "2s"},
    {"clusters.cart.retry.budget", S, "20%", "10%"},
    {"clusters.cart.retry.budget_min", S, "3", "1"},
    {"clusters.cart.retry.methods", S, "[GET, HEAD, OPTIONS, PUT, DELETE, TRACE]", "[GET]"},
    {"clusters.cart.retry.buffer", S, "64KiB", "1MiB"},
    {"clusters.cart.hedge", S, "off", "{after: 50ms}"},
    {"clusters.cart.hedge.after", S, "p95", "p99.9"},
    {"clusters.cart.hedge.max", S, "1", "1"},
    {"clusters.cart.hedge.min_requests", S, "100", "20"},
    {"clusters.cart.tls", S, "auto", "off"},
    {"clusters.cart.tls", S, "auto", "{sni: a.example.com}"},
    {"clusters.cart.tls.sni", S, "a.example.com", "10.0.0.1"},
    {"clusters.cart.tls.ca", S, "", "/run/ca.crt"},
    {"clusters.cart.tls.cert", S, "", "/run/tls.crt"},
    {"clusters.cart.tls.key", S, "", "/run/tls.key"},
    {"clusters.cart.tls.min", S, "1.2", "1.3"},
    {"clusters.cart.tls.ciphers", S, "", "TLS_AES_256_GCM_SHA384"},
    {"clusters.cart.tls.curves", S, "", "P-384"},
    {"clusters.cart.tls.identity", S, "[shop/cart]", "[shop/*, spiffe://mesh.local/ns/shop/sa/web]"},
    {"clusters.cart.pool.idle_timeout", S, "learned", "4s"},
    {"clusters.cart.pool.max_requests", S, "0", "100"},
    {"clusters.cart.pool.max_age", S, "0", "1h"},
    {"clusters.cart.pool.preconnect", L, "1.0", "1.5"},
    {"clusters.cart.pool.tcp_keepalive", S, "60s", "0"},
    {"clusters.cart.proxy_protocol", S, "off", "v1"},
    {"clusters.cart.proxy_protocol", S, "off", "v2"},

    {"filters.edge[].cors", S, "{origins: [\"https://a.test\"]}", "{origins: [\"https://shop.example.com\"]}"},
    {"filters.edge[].jwt", S, "{jwks: file:/run/jwks}", "{issuer: \"https://id.example.com\"}"},
    {"filters.edge[].basic_auth", S, "{users: file:/run/users}", "{users: file:/run/secrets/htpasswd}"},
    {"filters.edge[].api_key", S, "{keys: file:/run/keys}", "{header: x-api-key, keys: file:/run/secrets/keys}"},
    {"filters.edge[].ext_authz", S, "{cluster: cart}", "{cluster: cart, on_error: allow}"},
    {"filters.edge[].fault", S, "{delay: {fixed: 200ms, percent: 50%}}", "{reset: 1%, for: 15m}"},
    {"filters.edge[].csrf", S, "{}", "{origins: [\"https://a.test\"]}"},
    {"filters.edge[].ip", S, "{deny: [10.6.6.6]}", "{allow: [10.0.0.0/8]}"},
    {"filters.edge[].rate_limit", S, "{rate: 5/m}", "{rate: 100/s, scope: mesh, redis: \"127.0.0.1:6379\"}"},
    {"filters.edge[].body_limit", S, "{max: 10MiB}", "{max: 0}"},
    {"filters.edge[].compress", S, "{types: [text/*], min: 1KiB, algorithms: [zstd, br, gzip]}", "{}"},
    {"filters.edge[].grpc_web", S, "{}", "{}"},
    {"filters.edge[].headers", S, "{response: {remove: [server]}}", "{request: {set: {a: b}}}"},
    {"filters.edge[].bandwidth", S, "{down: 1MiB/s, up: 1MiB/s, per: connection}", "{down: 1MiB/s, per: route}"},
    {"filters.edge[].mirror", S, "{cluster: cart, percent: 5%}", "{cluster: cart, timeout: 1s, max_body: 1KiB}"},
    {"filters.edge[].tap", S, "{match: {header: {x-tap: \"1\"}}, max: 100, to: admin}", "{match: {status: 5xx}}"},

    {"overload.threads", S, "auto", "2"},
    {"overload.memory", S, "80%", "50%"},
    {"overload.connections", S, "20000", "10"},
    {"overload.loop_lag", S, "50ms", "10ms"},

    {"lifecycle.ready_when", S, "[listeners, identity]", "[listeners, identity, registry]"},
    {"lifecycle.drain.delay", S, "5s", "0"},
    {"lifecycle.drain.time", S, "30s", "1s"},
    {"lifecycle.outbound_until", S, "app_exit", "drain"},
    {"lifecycle.upgrade", S, "off", "{timeout: 1m}"},
    {"lifecycle.upgrade.timeout", S, "30s", "5s"},
    {"lifecycle.pid", S, "auto", "keep"},
    {"lifecycle.sandbox", S, "on", "off"},
    {"lifecycle.exit_with", S, "auto", "app"},
    {"lifecycle.exit_with", S, "auto", "none"},
    {"lifecycle.app.process", S, "[]", "[python3, worker]"},
    {"lifecycle.app.ignore", S, "[]", "fluent-bit"},
    {"lifecycle.app.wait", S, "10m", "1h"},
    {"lifecycle.app.grace", S, "15s", "0"},
    {"lifecycle.quit", S, "loopback", "off"},

    {"config.watch", S, "true", "off"},
    {"config.history", S, "{dir: /var/lib/outrider/config}", "off"},
    {"config.history.dir", S, "/var/lib/outrider/config", "/tmp"},
    {"config.history.keep", S, "20", "5"},
    {"config.guard", S, "{for: 60s}", "off"},
    {"config.guard.for", S, "60s", "10s"},
    {"config.guard.error_rate", S, "+2%", "+5%"},
    {"config.guard.p99", S, "x1.5", "x2"},
    {"config.guard.on_fail", S, "rollback", "warn"},

    {"telemetry.metrics.address", S, ":15020", "off"},
    {"telemetry.metrics.path", L, "/metrics", "/m"},
    {"telemetry.metrics.max_series", S, "5000", "500"},
    {"telemetry.metrics.idle", S, "10m", "off"},
    {"telemetry.metrics.endpoint_metrics", S, "false", "on"},
    {"telemetry.metrics.buckets", S, "[0.5ms, 1ms, 2.5ms, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms, 500ms, 1s, 2.5s, 5s, 10s, 30s]", "[1ms, 1s]"},
    {"telemetry.access_log", S, "off", "json"},
    {"telemetry.access_log.format", S, "json", "text"},
    {"telemetry.access_log.to", S, "stdout", "/tmp/log"},
    {"telemetry.access_log.fields", S, "{}", "{a: header.x-a, b: =text, user_agent: off}"},
    {"telemetry.access_log.when", S, "{}", "{status: 5xx}"},
    {"telemetry.access_log.sample", S, "100%", "1%"},
    {"telemetry.access_log.sample_errors", S, "100%", "10%"},
    {"telemetry.tracing", S, "off", "{otlp: \"http://otel:4318\", sample: 1%}"},
    {"telemetry.tracing.propagate", S, "[w3c, b3]", "[w3c]"},
    {"telemetry.tracing.propagate", S, "[w3c, b3]", "[b3multi, b3, w3c]"},
    {"telemetry.tracing.sample", S, "1%", "5%"},
    {"telemetry.tracing.sample_errors", S, "100%", "0%"},
    {"telemetry.tracing.always", S, "header.x-trace", "header.y"},
    {"telemetry.tracing.always", S, "header.x-trace", "off"},
    {"telemetry.tracing.trust", S, "auto", "on"},
    {"telemetry.tracing.trust", S, "auto", "false"},
    {"telemetry.tracing.otlp", S, "", "http://otel:4318"},
    {"telemetry.tracing.otlp", S, "", "https://otel.example.com/v1/traces"},
    {"telemetry.tracing.ca", S, "", "/run/ca.crt"},
    {"telemetry.tracing.service", S, "", "shop-edge"},
    {"telemetry.tracing.queue", S, "4MiB", "64KiB"},
    {"telemetry.tracing.batch.spans", S, "512", "1"},
    {"telemetry.tracing.batch.size", S, "1MiB", "4KiB"},
    {"telemetry.tracing.batch.delay", S, "1s", "5s"},
    {"telemetry.tracing.timeout", S, "10s", "1s"},
    {"telemetry.tracing.attempts", S, "5", "1"},
    {"telemetry.tracing.retry", S, "1m", "5s"},
    {"telemetry.tracing.flush", S, "2s", "0"},
    {"telemetry.log.level", S, "info", "debug"},
    {"telemetry.log.format", S, "text", "json"},

    {"admin.address", S, "127.0.0.1:15000", "off"},
    {"admin.health", S, ":15021", "off"},
    {"admin.debug", S, "true", "off"},
    {"admin.explain", S, "{keep: 1000, slower: 1s}", "off"},
    {"admin.explain.keep", S, "1000", "10"},
    {"admin.explain.slower", S, "1s", "100ms"},
    {"admin.probes.web.liveness.http.port", S, "8080", "80"},
    {"admin.probes.web.liveness.http.path", S, "/", "/healthz?full=1"},
    {"admin.probes.web.liveness.http.host", S, "", "shop.test"},
    {"admin.probes.web.liveness.http.scheme", S, "http", "https"},
    {"admin.probes.web.liveness.http.headers", S, "{}", "{x-a: b}"},
    {"admin.probes.web.liveness.tcp.port", S, "8080", "80"},
    {"admin.probes.web.liveness.grpc.port", S, "9000", "80"},
    {"admin.probes.web.liveness.grpc.service", S, "", "shop.Cart"},
    {"admin.probes.web.liveness.timeout", S, "1s", "3s"},

    {"defaults.cluster", S, "{}", "{lb: random}"},
    {"defaults.route", S, "{}", "{timeout: 1s}"},
    {"defaults.listener", S, "{}", "{http: {http10: off}}"},

    {"experiments.slow.cluster", S, "cart", "cart"},
    {"experiments.slow.route", S, "edge/edge-0", "edge/edge-0"},
    {"experiments.slow.match", L, "{}", "{method: GET}"},
    {"experiments.slow.for", S, "15m", "2h"},
    {"experiments.slow.blast_radius", S, "100%", "10%"},
    {"experiments.slow.seed", S, "0", "42"},
    {"experiments.slow.fault", S, "{reset: 1%}", "{delay: {fixed: 200ms, percent: 50%}, abort: {status: 503, percent: 10%}}"},
    {"experiments.slow.abort_if", L, kNone, "{error_rate: 5%}"},
    {"experiments.slow.coordinate", L, kNone, "mesh"},
    {"experiments.slow.canary", L, kNone, "{to: \"cart@v2\"}"},
    {"experiments.slow.mirror", L, kNone, "{to: \"cart@v2\"}"},
    {"experiments.slow.shape", L, kNone, "{bandwidth: 256KiB/s}"},
    {"experiments.slow.replay", L, kNone, "{file: capture.mtap}"},
};

// The rule or item around a key of a list, and the --set that gives it.
std::string setting(const Row& row, const std::string& value) {
  const std::string key = row.key;
  const size_t list = key.find("[].");
  if (list == key.npos) return key + "=" + value;
  std::string inner = value.find_first_of("[{") == 0 ? value : quote(value), rest = key.substr(list + 3);
  while (true) {
    const size_t dot = rest.rfind('.');
    const std::string name = rest.substr(dot == rest.npos ? 0 : dot + 1);
    inner = name + ": " + inner;
    if (dot == rest.npos) break;
    inner = "{" + inner + "}";
    rest.resize(dot);
  }
  std::string with;
  if (key.starts_with("authorization.") && !key.ends_with(".from")) with = "from: [\"*\"], ";
  const auto begins = [&](const char* text) { return key.starts_with(text); };
  if (begins("routes.") && !begins("routes.edge[].cluster") && !begins("routes.edge[].split") && !begins("routes.edge[].redirect") &&
      !begins("routes.edge[].respond") && !begins("routes.edge[].passthrough")) with = "cluster: cart, ";
  if (key == "routes.edge[].match.grpc.method") inner = "match: {grpc: {service: a, method: " + quote(value) + "}}";
  if (begins("routes.edge[].rewrite")) with += "match: {prefix: /a}, ";
  if (key == "routes.edge[].redirect.status") inner = "redirect: {scheme: https, status: " + value + "}";
  if (begins("clusters.cart.endpoints[]") && !key.ends_with("address")) with = "address: \"10.0.0.1:80\", ";
  if (key == "routes_from[].gateway") with = "gateway_api: /dev/null, ";
  if (begins("service.ports[]") && !key.ends_with("port")) with = "port: 80, ";
  return key.substr(0, list) + "=[{" + with + inner + "}]";
}

std::vector<std::string> settings(const Row& row, const std::string& value) {
  const std::string key = row.key;
  std::vector<std::string> out;
  if (key.starts_with("clusters.cart.health_check.") && !key.ends_with("tcp") && !key.ends_with("http") && !key.ends_with("grpc")) out.push_back("clusters.cart.health_check.http=/h");
  if (key.starts_with("listeners.edge.tls.")) out = {"listeners.edge.tls.cert=/run/tls.crt", "listeners.edge.tls.key=/run/tls.key"};
  if (key == "clusters.cart.tls.cert" && !value.empty()) out = {"clusters.cart.tls.key=/run/tls.key"};
  if (key == "clusters.cart.tls.key" && !value.empty()) out = {"clusters.cart.tls.cert=/run/tls.crt"};
  if (key == "listeners.edge.tls" || key.starts_with("authorization.")) out = {"identity.dir=/tmp/id"};
  if (key == "clusters.cart.tls.identity") out = {"clusters.cart.tls.ca=/run/ca.crt"};
  if (key.starts_with("experiments.slow.")) {
    if (!key.ends_with(".cluster") && !key.ends_with(".route")) out.push_back("experiments.slow.cluster=cart");
    if (!key.ends_with(".for")) out.push_back("experiments.slow.for=15m");
    if (!key.ends_with(".fault")) out.push_back("experiments.slow.fault={reset: 1%}");
  }
  if (key.starts_with("admin.probes.")) {
    const std::string probe = "admin.probes.web.liveness.";
    const std::string way = key.ends_with("timeout") ? "http" : key.substr(probe.size(), key.rfind('.') - probe.size());
    if (!key.ends_with("port")) out.push_back(probe + way + ".port=80");
  }
  if (key == "mode" && value == "edge") out.push_back("service.register=off");
  if (key == "clusters.cart.health_check.interval" || key == "service.health.interval") out.push_back(key.substr(0, key.rfind('.')) + ".timeout=100ms");
  out.push_back(setting(row, value));
  return out;
}

Given given(const Row& row, const std::string& value) {
  const std::string key = row.key;
  const bool port_apart = key.starts_with("service.port");
  std::string text = "version: 1\n";
  text += "service: {name: web" + std::string(port_apart ? "}" : ", port: 80}");
  text += "\nregistry: {bootstrap: \"127.0.0.1:4222\"}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n";
  if (key != "listeners.edge.routes" || value == "edge") text += "routes: {edge: [{cluster: cart}]}\n";
  const bool found = key.starts_with("clusters.cart.dns") || (key.starts_with("clusters.cart.") && value == "dns") || value == "/tmp/e";
  if (key != "clusters.cart.endpoints" && !found) text += "clusters: {cart: {endpoints: [\"127.0.0.1:9001\"]}}\n";
  return {text, settings(row, value)};
}

std::string as_named(const std::string& key) {       // as the list of keys has it
  std::string out = key;
  for (const auto& [from, to] : {std::pair{"listeners.edge.", "listeners.<name>."}, {"clusters.cart.", "clusters.<name>."}, {"experiments.slow.", "experiments.<name>."}, {"admin.probes.web.liveness.", "admin.probes.<container>.<kind>."},
                                 {"routes.edge[]", "routes.<table>[]"}})
    if (out.starts_with(from)) out = to + out.substr(std::string(from).size());
  if (out.starts_with("filters.edge")) out = "filters.<chain>";
  return out;
}

// The key or, for one that is not read in detail, the map it is in.
const Key* catalogued(const std::vector<Key>& keys, std::string name) {
  while (true) {
    for (const Key& key : keys)
      if (key.path == name || (key.supported && key.path.starts_with(name + "."))) return &key;
    const size_t dot = name.rfind('.');
    if (dot == name.npos) return nullptr;
    name.resize(dot);
  }
}

TEST(Keys, TheLanguagesDefaultsAreAccepted) {
  OUTRIDER_NEEDS_DHT();
  for (const Row& row : kRows) {
    if (!row.standard) continue;
    const auto outcome = load(given(row, row.standard));
    EXPECT_TRUE(outcome.document) << row.key << "=" << row.standard << "\n" << print(outcome.complaints);
  }
}

TEST(Keys, WhatIsSupportedIsAccepted) {
  OUTRIDER_NEEDS_DHT();
  for (const Row& row : kRows) {
    if (row.state != S) continue;
    const auto outcome = load(given(row, row.other));
    EXPECT_TRUE(outcome.document) << row.key << "=" << row.other << "\n" << print(outcome.complaints);
  }
}

// Whatever the key: where it makes a difference to what is in force, `config diff` has a sentence, and where not, none.
TEST(Keys, AnotherValueIsADifferenceThatIsTold) {
  OUTRIDER_NEEDS_DHT();
  size_t told = 0;
  for (const Row& row : kRows) {
    if (row.state != S || !row.standard) continue;
    const auto before = load(given(row, row.standard)), after = load(given(row, row.other));
    if (!before.document || !after.document) continue;  // the others say so
    const auto found = diff(*before.document, *after.document);
    const bool elsewhere = std::string(row.key) == "listeners.edge.routes";  // the same rules, written at the listener
    EXPECT_EQ(found.empty(), elsewhere || before.document->digest == after.document->digest) << row.key << ": " << row.standard << " -> " << row.other;
    EXPECT_TRUE(diff(*before.document, *before.document).empty()) << row.key;
    told += !found.empty();
    for (const Difference& each : found) {
      EXPECT_FALSE(each.path.empty()) << each.sentence;
      EXPECT_EQ(each.sentence.find("nothing -> nothing"), std::string::npos) << each.sentence;
    }
  }
  EXPECT_GT(told, 200u);
}

TEST(Keys, WhatIsNotSupportedYetIsAnErrorThatSaysSo) {
  for (const Row& row : kRows) {
    if (row.state != L || !row.other) continue;
    const Given text = given(row, row.other);
    const auto outcome = load(text);
    EXPECT_FALSE(outcome.document) << row.key << "=" << row.other << " is silently accepted";
    std::string path = row.key;
    if (const size_t list = path.find("[]"); list != path.npos) path.replace(list, 2, "[0]");
    const auto says_so = [&](const Complaint& each) {
      // The map around a key may be what is refused as a whole.
      return (path == each.path || path.starts_with(each.path + ".") || each.path.starts_with(path + ".")) && !each.path.empty() &&
             each.message.find("not supported yet in this version") != std::string::npos && each.file == "--set " + text.set.back();
    };
    EXPECT_TRUE(std::any_of(outcome.complaints.begin(), outcome.complaints.end(), says_so))
        << row.key << "=" << row.other << "\n" << print(outcome.complaints);
  }
}

TEST(Keys, TheTableHasEveryKeyThatIsRead) {
  std::set<std::string> rows;
  for (const Row& row : kRows) rows.insert(as_named(row.key));
  for (const Key& key : all_keys()) {
    const bool there = std::any_of(rows.begin(), rows.end(), [&](const std::string& row) {
      return row == key.path || row.starts_with(key.path + ".");
    });
    // Both health checks are read by one function; one of them need not name a check twice.
    EXPECT_TRUE(there || key.path.ends_with("health_check.exec")) << key.path;
  }
}

TEST(Keys, TheListOfKeysSaysWhichAreSupported) {
  const auto keys = all_keys();
  std::map<std::string, State> best;                 // a key with supported values is supported
  for (const Row& row : kRows) {
    const auto [at, fresh] = best.emplace(as_named(row.key), row.state);
    if (!fresh && row.state == S) at->second = S;
  }
  for (const auto& [name, state] : best) {
    if (name.starts_with("defaults.")) continue;     // has the keys of its items
    const Key* key = catalogued(keys, name);
    ASSERT_TRUE(key) << name;
    EXPECT_EQ(key->supported, state == S) << name << " is " << key->path;
  }
}

}  // namespace
}  // namespace outrider::config
