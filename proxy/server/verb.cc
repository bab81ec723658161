#include "server/verb.h"

namespace outrider::server {

namespace {

constexpr Flag kConfig{"--config", "FILE", "the configuration; - is standard input", "-c"};
constexpr Flag kSet{"--set", "PATH=VALUE", "one key, over the file and the environment; may be given again"};
constexpr Flag kJson{"--json", "", "for programs"};
constexpr Flag kAdmin{"--admin", "HOST:PORT|unix:PATH",
                      "of the proxy to ask; else OUTRIDER_ADMIN__ADDRESS, else 127.0.0.1:15000"};
constexpr Flag kService{"--service", "NAME:PORT", "the workload beside this proxy, and the port it listens on"};
constexpr Flag kBootstrap{"--bootstrap", "HOST:PORT,...", "nodes of the registry to begin with"};
constexpr Flag kListen{"--listen", "ADDRESS", "a plain reverse proxy: what to listen on"};
constexpr Flag kTo{"--to", "ADDRESS,...", "and where to: the endpoints"};
constexpr Flag kFor{"--for", "DURATION", "how long it is valid: 24h, 30m"};
constexpr Flag kRun[] = {kConfig, kSet, kService, kBootstrap, kListen, kTo};
constexpr Flag kDht[] = {kConfig, kSet, kBootstrap};
constexpr Flag kValidate[] = {kConfig, kSet, kJson};
constexpr Flag kShow[] = {kConfig,
                          kSet,
                          kService,
                          kBootstrap,
                          kListen,
                          kTo,
                          {"--origin", "", "behind each value where it came from"},
                          {"--defaults", "", "values nobody set too"},
                          kJson};
constexpr Flag kCheck[] = {kConfig, kSet, kAdmin, kJson};
constexpr Flag kDiff[] = {kSet, kAdmin, kJson};
constexpr Flag kRead[] = {kAdmin, kJson};
constexpr Flag kTell[] = {kAdmin};
constexpr Flag kWait[] = {{"--timeout", "DURATION", "how long it may take: 30s, 2m; else 60s"}, kAdmin, kJson};
constexpr Flag kUpgrade[] = {{"--binary", "PATH", "another than the one in place; a path of the proxy's machine"}, kAdmin};
constexpr Flag kAuthz[] = {kConfig, kSet, kAdmin, kJson};
constexpr Flag kRoute[] = {kConfig,
                           kSet,
                           {"--header", "NAME: VALUE", "a field of the request; may be given again", "-H"},
                           {"--from", "ID", "who asks, by mutual TLS"},
                           {"--listener", "NAME", "where the request comes in"},
                           kAdmin,
                           kJson};
constexpr Flag kTap[] = {{"--limit", "N", "end after so many"},
                         {"--for", "DURATION", "end after so long: 30s; else after 10m"},
                         {"--curl", "", "a command for each that repeats it"},
                         kAdmin,
                         kJson};
constexpr Flag kExplain[] = {{"--limit", "N", "so many at most, the newest: else 20, or 5 of an ID"}, kAdmin, kJson};
constexpr Flag kStat[] = {{"--for", "DURATION", "what passes in so long is what is shown: 10s; else 1s"},
                          {"--total", "", "since the start of the proxy, and at once"},
                          kAdmin,
                          kJson};
constexpr Flag kTop[] = {{"--every", "DURATION", "between two looks: else 1s"},
                         {"--for", "DURATION", "end after so long; else at q, or Ctrl-C"},
                         {"--once", "", "one table, and end"},
                         kAdmin,
                         {"--json", "", "a line of JSON for each look"}};
constexpr Flag kManifest{"--file", "FILE", "the manifests; - is standard input", "-f"};
// What a sidecar is like, whoever injects it.
constexpr Flag kImage{"--image", "IMAGE", "of the sidecar; else outrider: and this version"};
constexpr Flag kKeySecret{"--registry-key-secret", "NAME", "a Secret whose `key` seals the registry (registry.key)"};
constexpr Flag kIdentitySecret{
    "--identity-secret", "NAME",
    "a Secret with tls.crt, tls.key, ca.crt; {account} is the pod's; else outrider-identity, if there"};
constexpr Flag kTrustDomain{"--trust-domain", "DOMAIN", "identity.trust_domain"};
constexpr Flag kNativeSidecar{"--native-sidecar", "true|false", "false: for Kubernetes before 1.29"};
constexpr Flag kHowCaptured{"--capture", "redirect|tproxy|none", "how connections come to the sidecar"};
constexpr Flag kDnsCapture{"--dns-capture", "true|false", "whether it answers the pods' DNS"};
constexpr Flag kInject[] = {kManifest,
                            kImage,
                            {"--namespace", "NAMESPACE", "of objects that name none, in the report"},
                            kBootstrap,
                            kKeySecret,
                            kIdentitySecret,
                            kTrustDomain,
                            kNativeSidecar,
                            kHowCaptured,
                            kDnsCapture,
                            {"--set", "PATH=VALUE", "one key of every sidecar; may be given again"},
                            {"--report", "", "what it costs, and what to know of autoscaling"},
                            {"--json", "", "the report for programs, with the patch of each object"}};
constexpr Flag kUninject[] = {kManifest, {"--json", "", "the report for programs"}};
constexpr Flag kIssue[] = {{"--ca", "DIR", "the authority, from identity dev-ca"},
                           {"--id", "SPIFFE_ID", "spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT"},
                           {"--out", "DIR", "where to write; made when it is not there"},
                           {"--dns", "NAME", "a name in the certificate; may be given again"},
                           {"--ip", "ADDRESS", "an address in the certificate; may be given again"},
                           kFor};
constexpr Flag kDevCa[] = {kFor};
constexpr Flag kJsonOnly[] = {kJson};
constexpr Flag kFailure{"--failure", "ignore|fail", "a pod that cannot be injected starts without (ignore), or not at all"};
constexpr Flag kWebhook[] = {{"--listen", "ADDRESS", "for the API server, by TLS: else :8443"},
                             {"--cert", "FILE", "its certificate (PEM), read again when it is another"},
                             {"--key", "FILE", "the certificate's key (PEM)"},
                             kFailure,
                             {"--max-body", "SIZE", "of a review; else 3MiB"},
                             {"--max-held", "SIZE", "of all reviews under way; else 64MiB"},
                             kImage,
                             kBootstrap,
                             kKeySecret,
                             kIdentitySecret,
                             kTrustDomain,
                             kNativeSidecar,
                             kHowCaptured,
                             kDnsCapture,
                             {"--sidecar-set", "PATH=VALUE", "one key of every sidecar; may be given again"},
                             kConfig,
                             {"--set", "PATH=VALUE", "one key of the webhook's own configuration; may be given again"}};
constexpr Flag kWebhookCert[] = {{"--service", "NAME", "of the webhook; else outrider-webhook"},
                                 {"--namespace", "NAME", "of that service and of the Secret; else outrider-system"},
                                 {"--secret", "NAME", "of the Secret; else outrider-webhook-tls"},
                                 {"--dns", "NAME", "a further name in the certificate; may be given again"},
                                 {"--for", "DURATION", "how long it is valid: else 365d"},
                                 kFailure,
                                 {"--config", "FILE", "a MutatingWebhookConfiguration to patch, in place of one of ours"}};
constexpr Flag kCapturePort[] = {
    {"--inbound", "PORT", "what others send to the pod goes to this port: else 15006; off leaves it alone"},
    {"--outbound", "PORT", "what the app sends goes to this port: else 15001; off leaves it alone"},
    {"--dns", "PORT", "questions of the app for names, over IPv4, go to 127.0.0.1 at this port: 15053; else off"}};
constexpr Flag kCaptureUser[] = {{"--uid", "ID", "the proxy's user, whose connections are left alone: else 1337"},
                                 {"--gid", "ID", "and its group: else 1337"},
                                 {"--allow-root", "", "user or group 0 may be that, too"}};
constexpr Flag kCapture[] = {
    kCapturePort[0],
    kCapturePort[1],
    kCapturePort[2],
    kCaptureUser[0],
    kCaptureUser[1],
    {"--skip-inbound", "PORTS", "ports of the pod that are asked directly: 9000,9100-9200; may be given again"},
    {"--skip-inbound-cidrs", "NETWORKS", "whoever calls from there asks directly"},
    {"--skip-outbound", "PORTS", "the app calls these ports directly, wherever they are"},
    {"--skip-cidrs", "NETWORKS", "and these networks: 10.0.0.0/8,fd00::/8"},
    {"--mode", "redirect|tproxy", "tproxy: what comes in keeps its addresses, and the app sees who calls (transparent: tproxy)"},
    {"--backend", "auto|nft|iptables|iptables-nft|iptables-legacy", "what sets the rules; auto: nft, else iptables"},
    {"--no-ipv6", "", "IPv6 is left alone"},
    kCaptureUser[2],
    kJson};
constexpr Flag kCaptureValidate[] = {kCapture[0],
                                     kCapture[1],
                                     kCapture[2],
                                     kCapture[3],
                                     kCapture[4],
                                     kCapture[5],
                                     kCapture[6],
                                     kCapture[7],
                                     kCapture[8],
                                     kCapture[9],
                                     kCapture[11],
                                     kCapture[12],
                                     {"--timeout", "DURATION", "for each connection: else 5s"},
                                     kJson};

constexpr Verb kVerbs[] = {
    {"run",
     "[-c FILE] [--set PATH=VALUE]... [--service NAME:PORT] [--bootstrap HOST:PORT,...] [--listen ADDRESS --to ADDRESS,...] [-- CMD...]",
     "run the proxy, and the app beside it",
     "With CMD the app is started beside the proxy, gets its signals, and its exit code is passed on.\n"
     "Every key can also come from the environment: OUTRIDER_SERVICE__NAME=web is service.name.\n\n"
     "  outrider run --listen :8080 --to 127.0.0.1:9001,127.0.0.1:9002     a reverse proxy in one line\n"
     "  outrider run --service web:8080 --bootstrap seed.mesh:4222         a sidecar that registers \"web\"\n"
     "  outrider run -c sidecar.yaml -- python3 app.py                     both from one command\n"
     "  outrider run -c edge.yaml --set defaults.cluster.lb=random         any key, for this run\n",
     kRun, 0, run_proxy},
    {"dht", "[-c FILE] [--set PATH=VALUE]... [--bootstrap HOST:PORT,...]", "run a registry node alone, for others to start from",
     "No listeners but admin, health and metrics; the keys under `registry` and `identity` are a sidecar's.\n\n"
     "  outrider dht --set registry.bind=0.0.0.0:4222 --set registry.key=/run/mesh/key\n",
     kDht, 0, run_dht},
    {"webhook",
     "--cert FILE --key FILE [--listen ADDRESS] [--failure ignore|fail] [--image IMAGE] [--bootstrap HOST:PORT,...] "
     "[--sidecar-set PATH=VALUE]... [-c FILE] [--set PATH=VALUE]...",
     "the injector as an admission webhook of Kubernetes",
     "A proxy that answers POST /inject, by TLS: new pods are patched as `outrider inject` would write them. /live and /ready are at\n"
     ":15021, /metrics at :15020; every key of a configuration is one here, too. It keeps no state and asks nobody: run two.\n"
     "What a sidecar is like is said by the flags of `inject`, whose --set is --sidecar-set here, and by a pod's own annotations.\n"
     "What cannot be injected (hostNetwork, ...) is let in with a warning that kubectl shows, or is denied with --failure fail.\n\n"
     "  outrider webhook --cert /run/tls/tls.crt --key /run/tls/tls.key\n"
     "  outrider webhook --listen 127.0.0.1:8443 --cert tls.crt --key tls.key --failure fail --set telemetry.access_log=json\n",
     kWebhook, 0, run_webhook},
    {"webhook-cert",
     "[--service NAME] [--namespace NAME] [--secret NAME] [--dns NAME]... [--for DURATION] [--failure ignore|fail] [--config FILE]",
     "a certificate for the webhook, and whom the API server is to trust",
     "Prints a MutatingWebhookConfiguration and a Secret (kubernetes.io/tls) for kubectl; the authority's key is thrown away. To renew,\n"
     "run it again with the configuration in force, whose authorities are kept until they expire: no review is lost meanwhile.\n\n"
     "  outrider webhook-cert | kubectl apply -f -\n"
     "  kubectl get mutatingwebhookconfiguration outrider -o yaml | outrider webhook-cert --config - | kubectl apply -f -\n",
     kWebhookCert, 0, print_webhook_bundle},
    {"services", "[--json] [--admin ADDRESS]", "services this proxy announces and watches, and those others list",
     "  outrider services\n  outrider services --json --admin 127.0.0.1:15000\n", kRead, 0, show_services},
    {"endpoints", "SERVICE [--json] [--admin ADDRESS]", "endpoints of a service, and why one is not used",
     "SERVICE is a cluster's name or namespace/name.\n\n  outrider endpoints web\n  outrider endpoints shop/cart --json\n", kRead,
     1, show_endpoints},
    {"explain", "[ID] [--limit N] [--json] [--admin ADDRESS]", "why a request went where it went, and ended as it did",
     "ID is its x-request-id, which our own error answers carry, access log and tap show, or the first six characters of it at least.\n"
     "Without one the latest are listed. Kept are those that failed, were refused, were tried more than once, or were slow: admin.explain.\n\n"
     "  outrider explain\n"
     "  outrider explain 3f2a91c0\n",
     kExplain, 1, show_explanation},
    {"stat", "[SERVICE] [--for DURATION | --total] [--json] [--admin ADDRESS]",
     "requests a second, success, latency and retries, in and out, of the next second",
     "SERVICE is a cluster's name, or namespace/name. Quantiles are of what ended in that time, in flight is what is under way at its\n"
     "end. Peers are those who came, and who were called, by mutual TLS. --json: the sums since the start, as /stat has them, and rates.\n\n"
     "  outrider stat\n"
     "  outrider stat web --for 10s\n"
     "  outrider stat --total --json\n",
     kStat, 1, show_stat},
    {"top", "[SERVICE] [--every DURATION] [--for DURATION | --once] [--json] [--admin ADDRESS]",
     "routes, clusters and endpoints, live, the busiest first",
     "In a terminal it is drawn anew at each look; q ends it, s sorts by the next column: requests a second, failures, p99, name. Elsewhere\n"
     "there is one table for each look.\n\n"
     "  outrider top\n"
     "  outrider top web --every 5s\n"
     "  outrider top --once --json\n",
     kTop, 1, show_top},
    {"route",
     "METHOD URL [-H 'NAME: VALUE']... [--from ID] [--listener NAME] [-c FILE] [--set PATH=VALUE]... [--json] [--admin ADDRESS]",
     "which rule, cluster and endpoints a request would have",
     "By the code that routes requests; nothing is sent. ID is as in authz. Without --listener it is the one whose port is in the\n"
     "URL, else the one for the app beside us, else an edge listener. Exit 1 where nobody would be asked and no rule answers.\n\n"
     "  outrider route GET http://shop/cart/1 -H 'x-beta: 1'\n"
     "  outrider route -c edge.yaml POST https://shop.example.com/api/orders\n",
     kRoute, 2, show_route},
    {"authz", "FROM TO [METHOD PATH] [-c FILE] [--set PATH=VALUE]... [--json] [--admin ADDRESS]",
     "may FROM ask TO for that, and by which rule",
     "FROM is a SPIFFE ID, NAMESPACE/ACCOUNT, or - for somebody without an identity; TO is the service whose sidecar is asked,\n"
     "or whose configuration is given. Without METHOD and PATH it is about a TCP connection. Exit 0 allowed, 1 denied.\n\n"
     "  outrider authz default/web shop GET /api/orders\n"
     "  outrider authz -c shop.yaml default/web shop DELETE /api/orders\n",
     kAuthz, 4, show_authorization},
    {"tap", "[METHOD] [/PATH] [KEY=VALUE]... [--limit N] [--for DURATION] [--json | --curl] [--admin ADDRESS]",
     "requests and connections of a running proxy, live, each as it ends",
     "Shows what matches all of it; values with commas, or the same KEY again, are alternatives:\n"
     "  method=GET,POST   host=shop.test,*.shop.test   prefix=/cart (as /cart)   path=/cart/1   header=NAME[:VALUE], each of them\n"
     "  status=5xx,404,400-403   grpc_status=14   flag=request_timeout   slower=100ms   cluster=cart (service= too)   listener=edge\n"
     "  peer=shop/web, shop/* or a SPIFFE ID, of whoever asked or was asked   tapped: only what a filter `tap` picks\n"
     "STATUS of gRPC has its own behind a slash; TCP connections have none. Credentials are hidden, bodies are not kept. Nothing has to\n"
     "be configured; while nobody watches it costs nothing. Who reads too slowly misses some, and is told how many.\n\n"
     "  outrider tap GET /cart status=5xx\n"
     "  outrider tap peer=shop/web slower=100ms --for 1m --json\n"
     "  outrider tap host=shop.example.com --limit 1 --curl\n",
     kTap, 32, show_tap},
    {"health", "[--json] [--admin ADDRESS]", "exit 0 when live and ready, for health checks",
     "  outrider health\n  outrider health --admin unix:/run/outrider.sock\n", kRead, 0, check_health},
    {"wait", "[--timeout DURATION] [--json] [--admin ADDRESS]", "wait until a proxy is ready; it need not have been started yet",
     "For a container that is to start behind it: postStart of the proxy's own, where that is no native sidecar. Exit 0 ready, 1 not in\n"
     "time, and then what it waits for is said. Whoever has no admin address may ask the health port.\n\n"
     "  outrider wait --timeout 60s\n"
     "  outrider wait --admin 127.0.0.1:15021\n",
     kWait, 0, wait_for_proxy},
    {"log", "LEVEL [--admin ADDRESS]", "how much a running proxy says from now on: debug, info, warn, error or off",
     "Until the process ends, or the configuration says something new of it.\n\n  outrider log debug\n", kTell, 1, set_log},
    {"weight", "N [--admin ADDRESS]", "the share of requests that others send here, from now on",
     "Beside 100, which is what the others have unless told otherwise; 0 drains: nobody new is sent here, who is here is served.\n"
     "Until the process ends, or the configuration says something new of it. Exit 1 where nothing is registered.\n\n"
     "  outrider weight 10\n",
     kTell, 1, set_weight},
    {"drain", "[--admin ADDRESS]", "leave the registry and turn unready; who still comes is served",
     "What the application calls goes on, and the process, too: SIGTERM or quit ends it. Returns at once, as the preStop of a container\n"
     "is to; what lifecycle.drain.delay waits for has begun then.\n\n"
     "  outrider drain\n",
     kTell, 0, drain},
    {"quit", "[--admin ADDRESS]", "drain a running proxy and end it", "  outrider quit\n", kTell, 0, quit},
    {"check", "[-c FILE] [--set PATH=VALUE]... [--json] [--admin ADDRESS]",
     "what this machine and this configuration lack, and how to mend it",
     "Looks at the kernel, limits, ports, redirection, clock, identity, registry, DNS and the app; with a configuration (-c), else with\n"
     "that of the proxy that runs. Works without one, and says what it leaves out then. Exit 0 fine, or only things to look at, 1\n"
     "something is wrong, 2 wrong use.\n\n"
     "  outrider check -c sidecar.yaml\n"
     "  outrider check --json --admin unix:/run/outrider.sock\n",
     kCheck, 0, run_check},
    {"upgrade", "[--binary PATH] [--admin ADDRESS]", "another process takes the place of a running proxy, and nobody notices",
     "It is started with the same arguments, environment and configuration, and gets the listening sockets; once it is ready, it lets in\n"
     "who comes, and has the connections in clear text that wait for a request. The old process answers what it has begun, within\n"
     "lifecycle.drain.time. Exit 0 when the new one serves; 1 when it does not, and then all is as it was. SIGUSR2 does the same.\n\n"
     "  install -m 755 outrider-new /usr/local/bin/outrider && outrider upgrade\n"
     "  outrider upgrade --binary /opt/outrider-2/bin/outrider --admin unix:/run/outrider.sock\n",
     kUpgrade, 0, upgrade_proxy},
    {"inject", "-f FILE [--image IMAGE] [--bootstrap HOST:PORT,...] [--set PATH=VALUE]... [--report] [--json]",
     "manifests of Kubernetes with a sidecar in every pod",
     "Reads YAML or JSON, as many documents as there are, and writes them to standard output: what is not changed stays as it is, byte for\n"
     "byte. Annotations of a pod (outrider.dev/...) come before flags: proxy/inject/README.md has them. What became of each object is\n"
     "said on standard error. Exit 0 when something is injected, or was before; 1 when an object was refused, which is then\n"
     "as it was; 2 when nothing could be, or nothing could be read.\n\n"
     "  outrider inject -f app.yaml | kubectl apply -f -\n"
     "  kubectl kustomize . | outrider inject -f - --bootstrap seed.mesh:4222 > out.yaml\n",
     kInject, 0, run_inject},
    {"uninject", "-f FILE [--json]", "the same manifests without it",
     "Byte for byte what `inject` had read; where the text was edited since, what was injected is taken out by its names.\n\n"
     "  outrider uninject -f out.yaml | kubectl apply -f -\n",
     kUninject, 0, run_uninject},
    {"capture print", "[--inbound PORT] [--outbound PORT] [--dns PORT] [--uid ID] [--gid ID] [--skip-... LIST] [--mode MODE]",
     "the rules that lead an app's connections to the proxy, as apply would load them",
     "  outrider capture print --skip-outbound 25,3306\n"
     "  outrider capture print --backend iptables --mode tproxy\n",
     kCapture, 0, capture_print},
    {"capture apply", "[--inbound PORT] [--outbound PORT] [--dns PORT] [--uid ID] [--gid ID] [--skip-... LIST] [--mode MODE]",
     "set these rules in the network it runs in, in place of earlier ones",
     "All at once or not at all, for IPv4 and IPv6; of TCP, and of nothing else but DNS where that is asked for. What user or group of\n"
     "the proxy sends is left alone, and so is what goes over the loopback interface: a pod that calls itself does so directly. Takes\n"
     "CAP_NET_ADMIN (and CAP_NET_RAW with iptables), and nft or iptables. Exit 1 where it may not, or cannot.\n\n"
     "  outrider capture apply\n"
     "  outrider capture apply --dns 15053 --skip-inbound 9090 --skip-outbound 25,3306 --skip-cidrs 169.254.169.254\n"
     "  outrider capture apply --mode tproxy            with listeners.inbound.transparent: tproxy\n",
     kCapture, 0, capture_apply},
    {"capture clear", "[--json]", "remove these rules, whatever set them", "There may be none.\n\n  outrider capture clear\n",
     kJsonOnly, 0, capture_clear},
    {"capture validate", "[--timeout DURATION] [the flags of apply] [--json]",
     "call out, and see that it comes to the proxy's port",
     "Run it as the app would: as another user than the proxy's, in the same network, with the flags that apply had. Before the proxy is\n"
     "up it listens in its place. Exit 0 in force, 1 not, with the reason.\n\n"
     "  outrider capture validate --timeout 2s\n"
     "  outrider capture validate --dns 15053           where apply had that, too\n",
     kCaptureValidate, 0, capture_validate},
    {"config validate", "FILE [--set PATH=VALUE]... [--json]", "check a configuration; prints nothing when it is good",
     "Exit 0 when it is good, 2 when it is not; warnings alone are good. - is standard input.\n\n"
     "  outrider config validate sidecar.yaml\n"
     "  render-chart | outrider config validate -\n",
     kValidate, 1, config_validate},
    {"config show",
     "[FILE] [--set PATH=VALUE]... [--service NAME:PORT] [--listen ADDRESS --to ADDRESS,...] [--origin] [--defaults] [--json]",
     "the configuration as it takes effect",
     "  outrider config show sidecar.yaml --origin                     where each value came from\n"
     "  outrider config show sidecar.yaml --defaults                   values nobody set too\n"
     "  outrider config show --listen :8080 --to 127.0.0.1:9001        what a one-line form stands for\n",
     kShow, 1, config_show},
    {"config apply", "[FILE] [--json] [--admin ADDRESS]", "have a running proxy serve it, all or nothing",
     "Without FILE the proxy reads its own file again, as for SIGHUP. - is standard input. A FILE is served until the proxy's own file\n"
     "changes or the proxy starts again. Exit 0 applied or the same as before, 1 refused and nothing changed.\n\n"
     "  outrider config apply edge.yaml\n",
     kRead, 1, config_apply},
    {"config history", "[N] [--json] [--admin ADDRESS]", "versions a running proxy has served, by whom, and how they did",
     "N prints that version as it was written.\n\n  outrider config history\n  outrider config history 3\n", kRead, 1,
     config_history},
    {"config rollback", "[N] [--json] [--admin ADDRESS]", "have a running proxy serve an earlier version again",
     "Without N the one before. The file stays as it is: mend it before the proxy starts the next time.\n\n"
     "  outrider config rollback\n  outrider config rollback 3\n",
     kRead, 1, config_rollback},
    {"config diff", "OLD [NEW] [--set PATH=VALUE]... [--json] [--admin ADDRESS]",
     "what another configuration does to traffic, what breaks first",
     "Compares what takes effect, with presets and defaults, not what is written. OLD and NEW are files, - for standard input, or\n"
     "`running`, which asks the proxy at --admin; one file alone is compared with what is running. Each line says how bad it is:\n"
     "  breaks    somebody loses access, or gets no answer where there was one\n"
     "  risk      some requests may fail or wait that did not, or something is let in that was not\n"
     "  changes   traffic goes elsewhere, or is treated otherwise\n"
     "  note      no request notices\n"
     "Exit 0 no difference, 1 differences, 2 errors.\n\n"
     "  outrider config diff old.yaml new.yaml\n"
     "  outrider config diff new.yaml                       with what is running\n"
     "  git show HEAD:edge.yaml | outrider config diff - edge.yaml\n",
     kDiff, 2, config_diff},
    {"config schema",
     "",
     "a JSON Schema of the configuration, for editors",
     "Of draft-07, as yaml-language-server reads it: keys, words, units and what each key does. The first line of a file then is\n"
     "  # yaml-language-server: $schema=./outrider.schema.json\n\n"
     "  outrider config schema > outrider.schema.json\n",
     {},
     0,
     config_schema},
    {"identity dev-ca", "DIR [--for DURATION]", "a throw-away certificate authority, for trying and for tests",
     "Writes ca.crt and ca.key (0600).\n\n  outrider identity dev-ca ./ca\n", kDevCa, 1, identity_dev_ca},
    {"identity issue", "--ca DIR --id SPIFFE_ID --out DIR [--dns NAME]... [--ip ADDRESS]... [--for DURATION]",
     "a workload's certificate from that authority",
     "Writes tls.crt, tls.key (0600) and ca.crt, as identity.dir wants them.\n\n"
     "  outrider identity issue --ca ./ca --id spiffe://mesh.local/ns/default/sa/web --out ./web\n",
     kIssue, 0, identity_issue},
    {"identity mesh-key",
     "FILE",
     "a fresh key that seals the registry's packets",
     "  outrider identity mesh-key ./mesh.key        # then registry.key: ./mesh.key on every node\n",
     {},
     1,
     identity_mesh_key},
    {"identity show", "DIR [--json]", "what an identity directory holds", "  outrider identity show /run/identity\n", kJsonOnly,
     1, identity_show},
    {"completion",
     "SHELL",
     "completion of this command line for bash, zsh or fish",
     "Verbs, flags and files, and the clusters and services that the proxy at --admin knows.\n\n"
     "  source <(outrider completion bash)                                             in ~/.bashrc\n"
     "  source <(outrider completion zsh)                                              in ~/.zshrc, behind compinit\n"
     "  outrider completion fish > ~/.config/fish/completions/outrider.fish            once\n",
     {},
     1,
     show_completion},
    {"version", "[--json]", "version and licence", "  outrider version\n", kJsonOnly, 0, show_version},
};

}  // namespace

std::span<const Verb> all_verbs() { return kVerbs; }

}  // namespace outrider::server
