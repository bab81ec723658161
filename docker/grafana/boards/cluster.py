from asks import *
from kit import *

C = join(POD, CLUSTER)
OUT = join(C, CALLS, 'cluster!=""')

READY = join(C, 'cluster!="passthrough"', 'state=~"ready|stale"')
WON = join(C, 'result="won"')


def board():
    it = Board("cluster", "Upstream cluster", "Who is called, as the callers' proxies see it: how well it answers, retries, limits, ejections, "
               "endpoints.", [NAMESPACE, service(what="The callers."), PODS, clusters("outrider_cluster_endpoints")], [CHANGED])
    it.line(4,
            success_stat(OUT, "Red: flags below say whether the cluster answers badly or is not reached."),
            (rate_stat(OUT, "Requests sent on to it, per second."), 3),
            (latency_stat(OUT, "Red: Time to connect and Waiting below tell the network and our own limits from the cluster."), 5),
            (stat("Ready endpoints, fewest", f"min({gauge('outrider_cluster_endpoints', READY, 'pod cluster')})", "none",
                  "Of any chosen cluster at any chosen caller.", "Red: `outrider endpoints CLUSTER` says what is known and why it is not used.", SOME, 0), 3),
            (stat("Breakers open", or_zero(gauge("outrider_cluster_breaker_open", C)), "none", "Limits of a cluster that refuse at this moment.",
                  "Red: Breakers below says which; clusters.NAME.circuit_breaker.", NONE, 0), 3),
            (stat("In panic", or_zero(gauge("outrider_cluster_panic", C)), "none", "Clusters with so few healthy endpoints that all of them are used.",
                  "Red: `outrider endpoints CLUSTER`.", NONE, 0), 3),
            (stat("Tried again", share(rate("outrider_cluster_retries_total", join(C, 'result!="budget"')), requests(OUT), "0"), "percentunit",
                  "Retries for each request.", "Red: the budget is near its end; Retries below says why it is tried again.",
                  steps("green", (0.05, "orange"), (0.15, "red")), 1), 3))
    it.line(8,
            answers(OUT, "5xx with no flag are the cluster's own."),
            flags(OUT, "connect_failure: endpoints; overload: our own limits; `outrider explain` has single requests."),
            series("Latency", quantiles("outrider_request_duration_seconds", OUT), "s", "First byte of a request to the last byte of its response.",
                   "High: hedging helps against a few slow endpoints, more replicas against many.", exemplars=True),
            heatmap("Latency heat map", rate("outrider_request_duration_seconds_bucket", OUT, "le").replace("rate(", "increase("),
                    "How many requests took how long.", "Two bands: some of the endpoints are slow."))

    it.row("Who calls it")
    it.line(7, table(
        "Callers", {"job": "Caller", "namespace": "Namespace", "cluster": "Cluster", "route": "Route"}, columns(OUT, "namespace job cluster route"),
        "Callers and the rules they call it by.", "One caller alone with failures: its limits or its network, not the cluster.",
        links={"Caller": [("Service", to("service", namespace=".Namespace", service=".Caller"))],
               "Route": [("Route", to("route", namespace=".Namespace", service=".Caller", route=".Route"))]}))

    it.row("Retries and second tries")
    retries = "outrider_cluster_retries_total"
    hedges = "outrider_cluster_hedges_total"
    it.line(8,
            series("Retries", [(rate(retries, C, "reason result"), "{{reason}}: {{result}}")], "reqps",
                   "Further tries of requests, by why and how they ended; budget: not tried.", "Many that fail: retries only add load; look at the endpoints."),
            series("Not tried again: the budget", only((rate(retries, join(C, 'result="budget"'), "cluster"), "{{cluster}}")), "reqps",
                   "Retries that clusters.NAME.retry.budget did not let happen.", "For long: the cluster is down rather than flaky.", line=(0.01, "orange")),
            series("Retry budget left", [(gauge("outrider_cluster_retry_budget_remaining_ratio", C, "cluster", "min"), "{{cluster}}")], "percentunit",
                   "How much of the retries that a cluster may have under way is left, at the proxy where it is least.", "At 0 failures are not tried again.",
                   least=("lastNotNull", "min"), line=(0.1, "red"), top=1),
            series("Hedges", [(rate(hedges, C, "cluster result"), "{{cluster}} {{result}}")], "reqps",
                   "Second tries beside first ones that were slow to answer, by how they ended.", "Mostly lost: clusters.NAME.hedge.after is too small."),
            series("Hedges that won", [(f"{rate(hedges, WON, 'cluster')} / {rate(hedges, C, 'cluster')}", "{{cluster}}")], "percentunit",
                   "Share of the second tries whose answer came first: what hedging is good for here.", "Near nothing: it costs and does not help.", top=1))

    it.row("Limits")
    it.line(8,
            series("Breakers", only((gauge("outrider_cluster_breaker_open", C, "cluster limit", "max"), "{{cluster}} {{limit}}")), "none",
                   "1 while a limit of the cluster refuses, at any chosen proxy.", "Open for minutes: the cluster is slower than what is asked of it, or the limit is too small.",
                   steps_drawn=True, line=(1, "red")),
            series("Panic", only((gauge("outrider_cluster_panic", C, "cluster", "max"), "{{cluster}}")), "none",
                   "1 while so few endpoints are healthy that all are used, at any chosen proxy.", "`outrider endpoints CLUSTER` says why they are not healthy.",
                   steps_drawn=True, line=(1, "red")),
            series("In flight and waiting", [(gauge("outrider_requests_in_flight", OUT, "cluster"), "{{cluster}} in flight"),
                                             (gauge("outrider_cluster_pending_requests", C, "cluster"), "{{cluster}} waiting")], "none",
                   "Requests being served, and requests that wait for a connection.", "Waiting: too few connections are allowed, or they take long."),
            series("Connections", [(gauge("outrider_cluster_connections_active", C, "cluster"), "{{cluster}}")], "none",
                   "Open connections to endpoints.", "Near circuit_breaker.max_connections times the endpoints: the breaker is next."))

    it.row("Endpoints")
    it.line(8,
            series("Endpoints by state", [(gauge("outrider_cluster_endpoints", C, "state"), "{{state}}")], "none",
                   "Endpoints of the chosen clusters by what the proxies hold of them; each proxy counts its own.",
                   "ejected: they fail; unhealthy: their health check; stale: the registry is silent.", stacked=True,
                   colors={"ready": "green", "draining": "blue", "ejected": "red", "unhealthy": "orange", "unknown": "yellow", "stale": "purple"}),
            series("Ejections", only((rate("outrider_cluster_ejections_total", C, "cluster reason"), "{{cluster}} {{reason}}")), "ops",
                   "Endpoints that were left out for a time, by what they had done.", "The same again and again: that replica is broken; `outrider endpoints CLUSTER`."),
            series("Health checks", [(rate("outrider_cluster_health_checks_total", C, "cluster result"), "{{cluster}} {{result}}")], "ops",
                   "Active health checks by result.", "Failures: by reason beside this."),
            series("Health checks that fail, by why", only((rate("outrider_cluster_health_check_failures_total", C, "cluster reason"), "{{cluster}} {{reason}}")), "ops",
                   "What the check was answered.", "status: the check's path is wrong, or the replica says that it is ill."))
    it.line(8,
            series("Time to connect", quantiles("outrider_cluster_connect_duration_seconds", C), "s", "Time until a connection to an endpoint was ready, TLS included.",
                   "High: the network, or endpoints that are too busy to accept."),
            series("Connection failures", only((rate("outrider_cluster_connect_failures_total", C, "cluster reason"), "{{cluster}} {{reason}}")), "cps",
                   "Connections to endpoints that did not come about, by reason.", "tls: Identity says why handshakes fail."),
            series("Picks by locality", [(rate("outrider_cluster_picks_total", C, "locality"), "{{locality}}")], "ops",
                   "Endpoints chosen by the balancer, by where they are.", "other although there are local ones: those are too few or not healthy.", stacked=True),
            series("Staleness", [(gauge("outrider_registry_staleness_seconds", C, "cluster", "max"), "{{cluster}}")], "s",
                   "How long ago the registry last confirmed the endpoints, at the proxy where it is longest.", "Rising: Registry.", line=(300, "red")))
    it.line(8,
            series("DNS and files of endpoints", only((rate("outrider_dns_lookups_total", POD, "result"), "DNS {{result}}"),
                                                      (rate("outrider_endpoints_file_reads_total", C, "cluster result"), "file of {{cluster}} {{result}}")), "ops",
                   "Questions to DNS for endpoints, of all clusters, and files of endpoints that were found to be new, by how they ended.",
                   "Not found, failure: what was known before is kept, and the log has the name or the line."),
            series("Bytes", [(rate("outrider_request_bytes_total", OUT, "cluster"), "{{cluster}} requests"), (rate("outrider_response_bytes_total", OUT, "cluster"), "{{cluster}} responses"),
                             (rate("outrider_tcp_bytes_total", OUT, "cluster way"), "{{cluster}} TCP {{way}}")], "Bps",
                   "Bodies of requests and responses, and what is relayed for TCP connections and tunnels; out is to the client.", "Much more than before: larger answers, or somebody copies everything."),
            series("Copies of requests", [(rate("outrider_mirrored_total", C, "cluster result"), "{{cluster}} {{result}}")], "reqps",
                   "Copies that go to it (mirror), by what came of them; nobody sees their answers.", "Experiments compares them with the live answers."))

    it.row("Single endpoints (where telemetry.metrics.endpoint_metrics is on)")
    it.line(8,
            series("Requests by endpoint", [(rate("outrider_endpoint_requests_total", C, "cluster endpoint"), "{{cluster}} {{endpoint}}")], "reqps",
                   "Requests and connections sent to an endpoint.", "One alone without: `outrider endpoints CLUSTER` says why it is not used."),
            series("In flight by endpoint", [(gauge("outrider_endpoint_requests_in_flight", C, "cluster endpoint"), "{{cluster}} {{endpoint}}")], "none",
                   "Requests and connections at an endpoint at this moment.", "One that piles up is slow."),
            series("Latency by endpoint", [(gauge("outrider_endpoint_latency_seconds", C, "cluster endpoint", "max"), "{{cluster}} {{endpoint}}")], "s",
                   "Moving average of an endpoint's answers, as the balancer sees it.", "One far above its siblings: that replica or its machine."))
    return it
