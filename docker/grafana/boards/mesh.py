from asks import *
from kit import *

D = join(MESH, DIRECTION)
IN = join(MESH, 'direction="inbound"')
MUTUAL = rate("outrider_peer_requests_total", IN)


def edges():
    """Calls by who asks (as its own proxies count, or an identity that TLS has shown) and who is asked."""
    def service(expr, end):
        return f'label_join({expr}, "{end}", "/", "namespace", "job")'

    shown = rate("outrider_peer_requests_total", join(IN, 'peer!=""'), "namespace job peer")
    shown = service(f'label_replace({shown}, "source", "$1", "peer", "(.*)")', "target")
    # A cluster's name may have a namespace before it and a version behind: another arm is no other service.
    counted = service(requests(join(MESH, CALLS, 'cluster!=""'), "namespace job cluster"), "source")
    counted = f'label_replace(label_join({counted}, "target", "/", "namespace", "cluster"), "target", "$1", "cluster", "(.+/.+)")'
    counted = f'label_replace({counted}, "target", "$1", "target", "([^@]+)@.+")'
    pairs = " or ".join(f"sum by (source, target) ({each})" for each in (counted, shown))
    return f'label_join({pairs}, "id", " > ", "source", "target")'


def nodes():
    """Everybody at an end of an edge: an edge without its nodes is an error. The figure is what comes in."""
    def ends(end):
        return f'sum by (id) (label_replace({edges()}, "id", "$1", "{end}", "(.*)"))'
    everybody = f"{ends('target')} or 0 * {ends('source')}"
    return f'label_replace(label_replace({everybody}, "title", "$1", "id", "(.*)"), "title", "$1", "id", "[^/]+/(.+)")'


def board():
    it = Board("mesh", "Mesh overview", "All services of the mesh: how much they serve, how well, who calls whom, and how the "
               "registry is.", [NAMESPACE, service(), directions("inbound", "edge"), clusters("outrider_cluster_endpoints")], [CHANGED])
    it.line(4,
            (success_stat(D, "Red: find the service in the table below, and open it."), 4),
            (rate_stat(D, "Requests that ended, per second, in the chosen directions."), 3),
            (latency_stat(D, "Red: sort the table below by p99."), 5),
            (stat("By mutual TLS", share(MUTUAL, requests(IN)), "percentunit",
                  "Share of requests to sidecars whose caller has shown an identity.",
                  "Less than all: give the callers an identity (identity.dir); Identity shows who comes in clear text.", ALL, 1), 3),
            (stat("Proxies up", f"sum(up{{{MESH}}}{been_proxies(MESH)})",
                  "none", "Proxies whose last scrape worked.", "Red: nothing is scraped; look at /targets of Prometheus.", SOME, 0), 3),
            (stat("Proxies down", or_zero(f"count((up{{{MESH}}} == 0){been_proxies(MESH)})"),
                  "none", "Proxies that were scraped in the last hour and do not answer now.",
                  "Red: `outrider health` beside each; one that was stopped on purpose is counted until its target is gone.", NONE, 0), 3),
            (stat("Clusters in panic", or_zero(gauge("outrider_cluster_panic", join(MESH, CLUSTER))), "none",
                  "Clusters, as single proxies see them, with so few healthy endpoints that all of them are used.",
                  "Red: `outrider endpoints CLUSTER` says why each is not healthy.", NONE, 0), 3))

    it.row("Services")
    per = "namespace job"
    mutual = f"({rate('outrider_peer_requests_total', IN, per)} or 0 * {requests(IN, per)}) / {requests(IN, per)}"
    it.line(9, table(
        "Services", {"job": "Service", "namespace": "Namespace", "version": "Version"},
        [*columns(D, per),
         Column("Mutual TLS", mutual, "percentunit", 0, ALL, when_nan("–")),
         Column("In flight", gauge("outrider_requests_in_flight", D, per), "none", 0),
         Column("Endpoints", gauge("outrider_build_info", MESH, per, "count"), "none", 0),
         Column("With that version", f"topk by (namespace, job) (1, count by (namespace, job, version) (outrider_build_info{{{MESH}}}))", "none", 0)],
        "Each service as its own sidecars see it in the chosen directions; of its proxies' versions, the one most have.",
        "Click a name for the service's own dashboard; `outrider stat` beside a proxy has the same of that one.",
        links={"Service": [("Service", to("service", namespace=".Namespace", service=".Service"))]}))
    it.line(8,
            series("Success rate by service", [(success(D, "job"), "{{job}}")], "percentunit", WHAT_FAILED,
                   "Low: open the service; its flags say why.", least=("lastNotNull", "min"), line=(0.999, "red"), top=1),
            series("Request rate by service", [(requests(D, "job"), "{{job}}")], "reqps", "Requests that ended, per second.",
                   "A fall to nothing: Proxies down, or nobody calls any more."),
            series("Latency p99 by service", [(duration(0.99, D, "job"), "{{job}}")], "s",
                   "99 of 100 requests were answered in full within this time.", "High: the service's latency by what it calls."))

    it.row("Who calls whom")
    it.line(14,
            (node_graph("Who calls whom", nodes(), edges(), "Requests per second: at an edge from its caller, in a node all that come in. "
                        "Callers are sidecars and gateways that count what they send on, and identities that mutual TLS has shown; "
                        "where an account is named unlike its service, both are there.",
                        "A node without an edge you expect: `outrider route GET http://TARGET/` beside the caller."), 10),
            (table("Calls between services", {"job": "Caller", "namespace": "Namespace", "cluster": "Cluster"},
                   [*columns(join(MESH, CLUSTER, CALLS, 'cluster!=""'), "namespace job cluster"),
                    Column("Retries", rate("outrider_cluster_retries_total", join(MESH, CLUSTER), "namespace job cluster"), "reqps", 1),
                    Column("Endpoints", f"max by (namespace, job, cluster) (sum by (namespace, job, pod, cluster) (outrider_cluster_endpoints{{{join(MESH, CLUSTER)}, state=\"ready\"}}))", "none", 0, SOME)],
                   "Each caller and the cluster it calls, as the caller's proxies see it; ready endpoints of the one that has most.",
                   "Click a cluster for its dashboard.",
                   links={"Cluster": [("Cluster", to("cluster", namespace=".Namespace", service=".Caller", cluster=".Cluster"))],
                          "Caller": [("Service", to("service", namespace=".Namespace", service=".Caller"))]}), 14))

    it.row("Trouble")
    W = join(MESH, CLUSTER)
    it.line(8,
            answers(D, "5xx: the service with the least success, above."),
            flags(D, "`outrider explain` beside the proxy tells the story of single requests."),
            series("Retries", [(rate("outrider_cluster_retries_total", W, "reason result"), "{{reason}}: {{result}}")], "reqps",
                   "Further tries of requests by callers, by why and how they ended.", "Many: the cluster's dashboard has their share."),
            series("Connection failures", only((rate("outrider_cluster_connect_failures_total", W, "reason"), "{{reason}}")), "cps",
                   "Connections to endpoints that did not come about, by reason.", "`outrider endpoints CLUSTER` names the endpoints."))

    it.row("Registry")
    it.line(4,
            stat("DHT peers, fewest", gauge("outrider_registry_peers", MESH, "", "min"), "none",
                 "The fewest DHT nodes that answer one proxy.", "Zero: that proxy is alone and serves what it knew; check registry.bootstrap and the mesh key.", SOME, 0, graph=False),
            stat("Records", gauge("outrider_registry_records", join(MESH, 'state="valid"')), "none",
                 "Valid records of instances that are held, over all proxies.", "A fall: replicas went, or the registry is cut off.", PLAIN, 0),
            stat("Propagation p99", quantile(0.99, "outrider_registry_propagation_seconds", MESH, "", "[$__range]"), "s",
                 "Time from the issue of a record until a proxy saw it, in the time shown.", "Red: the Registry dashboard; clocks that differ show here, too.",
                 steps("green", (5, "orange"), (30, "red")), 1, graph=False, mappings=when_nan("none")),
            stat("Staleness, worst", gauge("outrider_registry_staleness_seconds", join(MESH, CLUSTER), "", "max"), "s",
                 "How long ago the registry last confirmed a cluster's endpoints, for the worst cluster.", "Red: `outrider endpoints CLUSTER` there; do the seeds answer?", STALE, 0),
            stat("Rejected", or_zero(rate("outrider_registry_rejected_total", MESH)), "pps",
                 "Records and packets that were not believed, per second.", "More than nothing: the Registry dashboard has the reasons.", FEW, 2),
            stat("Sealed", share_of_registry(MESH, "sealed"), "percentunit",
                 "Share of proxies whose registry packets are sealed with the mesh key.", "Less than all: `outrider identity mesh-key`, and registry.key everywhere.", ALL, 0, graph=False),
            stat("Signed", share_of_registry(MESH, "signed"), "percentunit",
                 "Share of proxies that sign their records with the workload's key.", "Less than all: give the others identity.dir.", ALL, 0, graph=False),
            stat("Certificate ends in", f"min(outrider_identity_expiry_timestamp_seconds{{{MESH}}} > 0) - time()", "s",
                 "Time until the first certificate of a proxy expires.", "Red: `outrider identity show DIR` there; who renews it?", LIFE, 1, graph=False))
    return it
