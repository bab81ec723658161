from asks import *
from kit import *

W = POD
EACH = "{{job}} {{pod}}"


def board():
    it = Board("registry", "Registry (DHT)", "The distributed hash table: who takes part, how fresh what it knows is, and what was refused.",
               [NAMESPACE, service(), PODS, variable("cluster", "Cluster", f"outrider_registry_staleness_seconds{{{MESH}}}", "cluster", "Services that are watched.")])
    C = join(W, CLUSTER)
    it.line(4,
            stat("Proxies in the registry", gauge("outrider_registry_info", W, "", "count"), "none", "Proxies that run a registry.", "Fewer than there are: some are down.", PLAIN, 0),
            stat("Sealed", share_of_registry(W, "sealed"), "percentunit",
                 "Share of proxies whose packets are sealed with the mesh key.", "Less than all: anybody on the network can read and join; `outrider identity mesh-key`.", ALL, 0, graph=False),
            stat("Signed", share_of_registry(W, "signed"), "percentunit",
                 "Share of proxies that sign their records.", "Less than all: those that verify refuse the records of the others; give them identity.dir.", ALL, 0, graph=False),
            stat("Peers, fewest", gauge("outrider_registry_peers", W, "", "min"), "none", "The fewest DHT nodes that answer one proxy.",
                 "Zero: it is alone and serves what it knew; registry.bootstrap, the mesh key, the network.", SOME, 0, graph=False),
            stat("Services watched", gauge("outrider_registry_services", W, "", "max"), "none", "The most services one proxy watches.", "`outrider services` there names them.", PLAIN, 0),
            stat("Propagation p99", quantile(0.99, "outrider_registry_propagation_seconds", W, "", "[$__range]"), "s",
                 "Time from the issue of a record until a proxy saw it, in the time shown.", "Red: lost packets, starved proxies, or clocks that differ.",
                 steps("green", (5, "orange"), (30, "red")), 1, graph=False, mappings=when_nan("none")),
            stat("Staleness, worst", gauge("outrider_registry_staleness_seconds", C, "", "max"), "s",
                 "How long ago the registry last confirmed a cluster's endpoints, for the worst cluster.", "Red: do the seeds answer, and does the proxy get CPU?", STALE, 0),
            stat("Publications that worked", share(rate("outrider_registry_publishes_total", join(W, 'result="success"'), "", "[$__range]"),
                                                   rate("outrider_registry_publishes_total", W, "", "[$__range]")), "percentunit",
                 "Share of the proxies' own publications that worked, in the time shown; all, when there was none.", "Red: when a lease ends the others forget that replica.",
                 ALL, 1, graph=False))

    it.row("What is known")
    it.line(8,
            series("Peers by proxy", [(gauge("outrider_registry_peers", W, "job pod"), EACH)], "none", "DHT nodes in the routing table that answer.",
                   "A fall to zero: the proxy is cut off.", least=("lastNotNull", "min")),
            series("Records by state", [(gauge("outrider_registry_records", W, "state"), "{{state}}")], "none",
                   "Records of other instances that are held. Stale ones are past their lease and served while the registry is silent; tombstones are of instances that took their leave.",
                   "Stale: the registry is silent; whoever should renew them may be well."),
            series("Services watched by proxy", [(gauge("outrider_registry_services", W, "job pod"), EACH)], "none", "Services whose records a proxy follows.",
                   "A rise without end: a client asks for names that do not exist."))

    it.row("How fresh it is")
    it.line(8,
            series("Propagation", quantiles("outrider_registry_propagation_seconds", W, "", "[10m]"), "s",
                   "Time from the issue of a record until a proxy saw it, over the ten minutes before each point.", "High and even: clocks that differ."),
            series("Staleness by cluster", [(gauge("outrider_registry_staleness_seconds", C, "cluster", "max"), "{{cluster}}")], "s",
                   "How long ago the registry last confirmed the endpoints of a cluster, at the proxy where it is longest.", "`outrider endpoints CLUSTER` there says what is served meanwhile.", line=(300, "red")),
            series("First lookup", quantiles("outrider_registry_lookup_duration_seconds", W, "", "[10m]"), "s",
                   "Time until a first lookup of a service was answered; of the ten minutes before each point.", "The first request to a service waits as long."))
    it.line(8,
            heatmap("Propagation heat map", rate("outrider_registry_propagation_seconds_bucket", W, "le").replace("rate(", "increase("),
                    "How many records were seen how long after their issue.", "A band far up: one part of the mesh hears of things late."),
            series("Records seen for the first time", [(rate("outrider_registry_propagation_seconds_count", W, "job"), "{{job}}")], "ops",
                   "New records and new versions of records that reached the proxies, per second.", "A storm: replicas that start over and over."))

    it.row("What was refused and what was sent")
    it.line(8,
            series("Rejected by reason", only((rate("outrider_registry_rejected_total", W, "reason"), "{{reason}}"),
                                               (rate("outrider_registry_withheld_total", W), "withheld"), (rate("outrider_registry_unlisted_total", W), "unlisted")), "pps",
                   "Records and packets that were not believed. bad_signature, wrong_identity, not_owner and replayed may be an attack; wrong_identity also counts nodes whose addresses are translated on the way, no_certificate also those that do not prove their id: without identity, of an older version, or with registry.node_ids: free. unsealed and unknown_ca are often a second mesh on the same network. withheld: the nodes nearest to a service showed nothing of what others had; unlisted: listings without room.",
                   "The proxy's log has who."),
            series("Publications", [(rate("outrider_registry_publishes_total", W, "result"), "{{result}}")], "ops", "Publications of the proxies' own records, by result.",
                   "failure: no node took it; Peers by proxy."),
            series("Bytes of packets", [(rate("outrider_registry_bytes_total", W, "way"), "{{way}}")], "Bps", "Bytes of registry packets, in and out.",
                   "Much more in than out: somebody floods."))
    it.line(8,
            series("Bytes by proxy", [(rate("outrider_registry_bytes_total", W, "job pod"), EACH)], "Bps", "Bytes of registry packets both ways, by proxy.", "One far above the rest: a seed, or who is flooded."),
            series("Registry loop lag p99", [(quantile(0.99, "outrider_event_loop_lag_seconds", join(W, 'loop="registry"'), "job"), "{{job}}")], "s",
                   "How long a turn of the registry's event loop took.", "A proxy starved of CPU falls out of the DHT."),
            series("Registry memory", [(gauge("outrider_memory_bytes", join(W, 'subsystem="registry"'), "job pod"), EACH)], "bytes", "Memory the registry holds.", "A rise: records of services that come and go, or a flood; Bytes by proxy."))

    it.row("Who takes part")
    it.line(10, table(
        "Proxies", {"job": "Service", "pod": "Pod", "spiffe_id": "Identity", "issuer": "Issuer", "sealed": "Sealed", "signed": "Signed"},
        [Column("Peers", gauge("outrider_registry_peers", W, "job pod", "max"), "none", 0, SOME),
         Column("Records", gauge("outrider_registry_records", join(W, 'state="valid"'), "job pod"), "none", 0),
         Column("Staleness", gauge("outrider_registry_staleness_seconds", W, "job pod", "max"), "s", 0, STALE),
         Column("Rejected", f"sum by (job, pod) (increase(outrider_registry_rejected_total{{{W}}}[$__range]))", "none", 0, steps("text", (1, "orange"))),
         Column("Certificate ends in", f"min by (job, pod) (outrider_identity_expiry_timestamp_seconds{{{W}}} > 0) - time()", "s", 0, LIFE),
         Column("Registry", gauge("outrider_registry_info", W, "job pod sealed signed", "max"), "none", 0),
         Column("Known", gauge("outrider_identity_info", W, "job pod spiffe_id issuer", "max"), "none", 0)],
        "Every proxy in the registry: its identity, what it knows and what it refused in the time shown.", "Peers 0: it is cut off.",
        links={"Pod": [("Proxy fleet", to("fleet", namespace="=", service=".Service", pod=".Pod"))]}))
    return it
