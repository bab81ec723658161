from asks import *
from kit import *

D = join(POD, DIRECTION)
DC = join(D, CLUSTER)
C = join(POD, CLUSTER)
IN = join(POD, 'direction="inbound"')
OUT = join(POD, CALLS, CLUSTER, 'cluster!=""')
READY = join(C, 'state="ready"')


def board():
    it = Board("service", "Service", "One service: how well it serves, who calls it, what it calls, how it copes with load, and its proxies.",
               [NAMESPACE, service(many=False), PODS, directions(), clusters()], [CHANGED])
    it.line(4,
            success_stat(DC, "Red: by direction below; if only outbound fails, it is what this service calls."),
            rate_stat(DC, "Requests that ended, per second."),
            (latency_stat(DC, "Red: compare inbound (the application itself) with what it calls."), 6),
            stat("In flight", gauge("outrider_requests_in_flight", DC), "none", "Requests being served at this moment.",
                 "A rise with the same rate: somebody has become slow.", PLAIN, 0),
            (stat("Proxies up", gauge("up", POD), "none", "Proxies of this service whose last scrape worked.",
                  "Red: Proxy fleet.", SOME, 0), 2),
            (stat("Application", gauge("outrider_service_up", POD, "", "avg"), "percentunit",
                  "Share of the proxies whose application answers its health check.",
                  "Red: the application's own log; `outrider stat` says what the check gets.", ALL, 0), 3))
    it.line(8,
            series("Success rate", [(success(DC, "direction"), "{{direction}}")], "percentunit", WHAT_FAILED,
                   "Low: Trouble below has flags and statuses.", least=("lastNotNull", "min"), line=(0.999, "red"), top=1),
            series("Request rate", [(requests(DC, "direction"), "{{direction}}")], "reqps", "Requests that ended, per second.", "No line inbound: nobody calls it."),
            series("Latency", quantiles("outrider_request_duration_seconds", DC), "s", "First byte of a request to the last byte of its response.",
                   "p99 far from p50: the heat map shows whether it is one slow replica or all.", exemplars=True))
    it.line(8,
            answers(DC, "5xx from the application have no flag; those with one are the proxy's."),
            series("Time to first byte", quantiles("outrider_response_first_byte_seconds", DC), "s",
                   "First byte of a request to the head of its response.", "Much less than the latency: bodies are long, or clients read slowly."),
            heatmap("Latency heat map", rate("outrider_request_duration_seconds_bucket", DC, "le").replace("rate(", "increase("),
                    "How many requests took how long.", "Two bands: two kinds of requests, or two kinds of replicas."))

    it.row("Trouble")
    it.line(8,
            flags(DC, "`outrider explain` beside a proxy tells the story of single requests."),
            series("Answers by status", [(requests(join(DC, 'code!~"[23].."'), "code"), "{{code}}")], "reqps",
                   "Every status but 2xx and 3xx, as the client was sent it.", "`outrider tap status=5xx` shows them as they come."),
            series("Malformed requests", [(rate("outrider_malformed_requests_total", POD, "reason"), "{{reason}}")], "reqps",
                   "Requests refused because their form breaks the protocol or a limit, by what is wrong with them.",
                   "From a client of yours: it is broken, or a limit of listeners.NAME.http is too small."))

    it.row("Who calls this service")
    peers = rate("outrider_peer_requests_total", join(IN, 'code=~"5.."'), "peer")
    all_of_peer = rate("outrider_peer_requests_total", IN, "peer")
    it.line(8,
            table("Callers", {"peer": "Caller"},
                  [Column("Requests", all_of_peer, "reqps", 1),
                   Column("Without 5xx", f"1 - ({peers} or 0 * {all_of_peer}) / {all_of_peer}", "percentunit", 2, SUCCESS, when_nan("–"))],
                  "By the identity that mutual TLS has shown; beyond fifty of them: other. Callers in clear text are not here.",
                  "One caller alone with failures: `outrider authz CALLER THIS` says whether it may ask at all."),
            series("Requests by caller", [(all_of_peer, "{{peer}}")], "reqps", "Requests to this service by the identity at the other end.",
                   "One that grows alone: a retry storm of that caller?"),
            series("By mutual TLS", [(share(rate("outrider_peer_requests_total", IN), requests(IN)), "mutual")], "percentunit",
                   "Share of the requests to this service whose caller has shown an identity.", "Less than all: who calls in clear text has no identity.dir.",
                   least=("lastNotNull", "min"), top=1))

    it.row("What this service calls")
    it.line(8, table(
        "Clusters", {"cluster": "Cluster"},
        [*columns(OUT, "cluster"),
         Column("Retries", rate("outrider_cluster_retries_total", C, "cluster"), "reqps", 1),
         Column("Ready endpoints", f"max by (cluster) ({gauge('outrider_cluster_endpoints', READY, 'pod cluster')})", "none", 0, SOME),
         Column("Connections", gauge("outrider_cluster_connections_active", C, "cluster"), "none", 0),
         Column("Waiting", gauge("outrider_cluster_pending_requests", C, "cluster"), "none", 0),
         Column("Panic", gauge("outrider_cluster_panic", C, "cluster", "max"), "none", 0, mappings=words(no="green", panic="red")),
         Column("Breaker", gauge("outrider_cluster_breaker_open", C, "cluster", "max"), "none", 0, mappings=words(closed="green", open="red"))],
        "Each cluster that requests are sent to, from all chosen proxies together.", "Click one for its dashboard.",
        links={"Cluster": [("Cluster", to("cluster", namespace="=", service="=", cluster=".Cluster"))]}))
    it.line(8,
            series("Success rate by cluster", [(success(OUT, "cluster"), "{{cluster}}")], "percentunit", WHAT_FAILED, "Low: open the cluster.",
                   least=("lastNotNull", "min"), line=(0.999, "red"), top=1),
            series("Request rate by cluster", [(requests(OUT, "cluster"), "{{cluster}}")], "reqps", "Requests that ended, per second.", "More than come in: this service asks several times for each."),
            series("Latency p95 by cluster", [(duration(0.95, OUT, "cluster"), "{{cluster}}")], "s", "95 of 100 requests were answered in full within this time.",
                   "High where this service is slow, too: it waits for that cluster."))

    it.row("By route")
    it.line(7, table(
        "Routes", {"direction": "Direction", "route": "Route"}, columns(DC, "direction route"),
        "Each rule that requests came by.", "Click one for its dashboard; `outrider route METHOD URL` says which rule a request would have.",
        links={"Route": [("Route", to("route", namespace="=", service="=", route=".Route"))]}))

    it.row("Load, and what protects the application")
    it.line(8,
            series("Concurrency and queue", [(gauge("outrider_service_concurrency_limit", POD, "pod"), "{{pod}} limit"),
                                             (gauge("outrider_service_queue_depth", POD, "pod"), "{{pod}} waiting")], "short",
                   "How many requests the application is given at once, and how many wait for that.", "Waiting all the time: more replicas, or a larger service.concurrency."),
            series("How full", [(gauge("outrider_service_utilization_ratio", POD, "pod", "max"), "{{pod}}")], "percentunit",
                   "Requests in the application and before it, by how many it takes at once.", "Above 100 %: they wait; more replicas.", line=(1, "orange")),
            series("Replicas wanted", [(f"sum(outrider_service_desired_replicas{{{POD}}})", "wanted"),
                                       (f"count(outrider_service_desired_replicas{{{POD}}})", "there are")], "short",
                   "The sum of what each pod adds, by how full it is: so many would be as full as service.autoscale.target.",
                   "Above those there are for long: the autoscaler does not follow, or is at its maximum."),
            series("Time in the queue", quantiles("outrider_service_queue_wait_seconds", POD), "s",
                   "How long requests that had to wait, and were let in, waited.", "Near service.queue.timeout: the next are refused."),
            series("Refused so that others are served", only((rate("outrider_service_shed_total", POD, "priority reason"), "{{priority}}: {{reason}}")), "reqps",
                   "By what they are worth and why; x-outrider-reason of the answer says the same.", "Of high priority: it is too small for its load."),
            series("Overload level", [(gauge("outrider_overload_level", POD, "pod", "max"), "{{pod}}")], "short",
                   "Of the proxy itself. 1: low priority is refused; 2: and no connection kept; 3: and nothing let in.",
                   "/ready and the log say by what: memory, connections or loop_lag.", line=(1, "orange"), steps_drawn=True))

    it.row("Connections from clients")
    where = D
    it.line(8,
            series("Open connections", [(gauge("outrider_connections_active", where, "listener tls"), "{{listener}} (TLS {{tls}})")], "none",
                   "Connections from clients that are open.", "A steady rise: clients that never close; listeners.NAME.timeouts.idle."),
            series("New connections", [(rate("outrider_connections_total", where, "listener"), "{{listener}}")], "cps", "Connections accepted from clients, per second.",
                   "As many as requests: clients that do not keep theirs."),
            series("Closed connections by reason", [(rate("outrider_connections_closed_total", where, "reason"), "{{reason}}")], "cps",
                   "Connections from clients that have ended, by why.", "too_many, too_fast: a limit of the listener refuses."),
            series("Connection life", quantiles("outrider_connection_duration_seconds", where), "s", "How long connections from clients were open.", "Near nothing: clients that do not keep theirs, and pay for each handshake."))
    it.line(7, series("Bytes", [(rate("outrider_request_bytes_total", DC), "requests"), (rate("outrider_response_bytes_total", DC), "responses"),
                                (rate("outrider_tcp_bytes_total", DC, "way"), "TCP {{way}}")], "Bps",
                      "Bodies of requests and responses, and what is relayed for TCP connections and tunnels; out is to the client.",
                      "A jump without more requests: larger answers, or somebody copies everything."))

    it.row("Proxies of this service")
    it.line(7, table(
        "Proxies", {"pod": "Pod", "version": "Version"},
        [Column("Requests", requests(D, "pod"), "reqps", 1), Column("Success", success(D, "pod"), "percentunit", 2, SUCCESS, when_nan("–")),
         Column("p99", duration(0.99, D, "pod"), "s", 1), Column("In flight", gauge("outrider_requests_in_flight", D, "pod"), "none", 0),
         Column("Application", gauge("outrider_service_up", POD, "pod", "max"), "none", 0, mappings=words(down="red", up="green")),
         Column("Up for", f"max by (pod) (time() - process_start_time_seconds{{{POD}}})", "s", 0),
         Column("Build", gauge("outrider_build_info", POD, "pod version", "max"), "none", 0)],
        "The proxies of this service, each with its application.", "One that differs from its siblings: open it in Proxy fleet.",
        links={"Pod": [("Proxy fleet", to("fleet", namespace="=", service="=", pod=".Pod"))]}))
    return it
